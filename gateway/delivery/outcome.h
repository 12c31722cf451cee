/*
 * delivery/outcome — what became of a recipient, judged from what happened (pure)
 *
 *   Everybody else in delivery/ only reports a struct finding: where it was, what the peer said or
 *   what broke. outcome_judge() is the one place that turns it into delivered, deferred or failed,
 *   with the kind of wait a deferral gets.
 *
 *   What a reply means (struct finding, class) was found out before, by reputation/reply.
 *
 *   The rules: 2yz to the end of data is delivered, and nothing else is. 4yz waits; 5yz fails, but
 *   only where it is about this mail: a 5yz greeting, EHLO, STARTTLS or AUTH is about the session
 *   or our configuration and waits, and so does one that ends by itself (a rate). What broke
 *   (connection, time, protocol) waits; broken after the end of data was sent it may have been
 *   delivered all the same.
 * See: RFC 5321 sections 4.2.1, 4.5.3.1.10, 6.1; RFC 3463.
 */
#ifndef WAYPOST_DELIVERY_OUTCOME_H
#define WAYPOST_DELIVERY_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/conf/rules.h"
#include "gateway/mail/status.h"
#include "policies/retry.h"

enum where {
    WHERE_NONE, /* nothing found out yet */
    WHERE_QUEUE,
    WHERE_SPOOL,
    WHERE_DNS,
    WHERE_CONNECT,
    WHERE_GREETING,
    WHERE_EHLO,
    WHERE_TLS,
    WHERE_AUTH,
    WHERE_HOP, /* the next hop lacks what the mail needs */
    WHERE_MAIL,
    WHERE_RCPT,
    WHERE_DATA, /* DATA up to the end of the body */
    WHERE_FINAL /* the end of data is sent */
};
const char *where_name(enum where where);

enum fault {
    FAULT_NONE, /* the peer's reply: code, status, text */
    FAULT_OURS, /* our own finding: status tells temporary from permanent */
    FAULT_CLOSED,
    FAULT_TIMEOUT,
    FAULT_PROTOCOL, /* an answer that makes no sense */
    FAULT_ELSEWHERE /* our own: not tried, another session has to */
};

struct finding {
    uint8_t where, fault;
    uint16_t code; /* FAULT_NONE, or what we would have said; 0: none */
    struct enhanced status;
    struct slice text;
    uint8_t class;       /* FAULT_NONE: enum reply_class */
    bool ends_by_itself; /* a 5yz that is over in a while */
    bool names_us;       /* it has our address in it */
    const char *rule;    /* that gave the class; NULL: none. Lives as long as the relay's rules */
};

enum verdict_kind {
    VERDICT_DELIVERED,
    VERDICT_DEFERRED,
    VERDICT_FAILED,
    VERDICT_REROUTED /* at once, by another session; by settle: by another egress */
};

struct verdict {
    enum verdict_kind kind;
    enum retry_cause cause; /* VERDICT_DEFERRED */
    struct enhanced status; /* never without class */
    bool may_duplicate;     /* deferred, but the next hop may have taken it */
    const char *class;      /* for the log; NULL for delivered */
};

struct verdict outcome_judge(const struct finding *finding);

/* That of a recipient who has to go by another session: this one has had all the messages it may
 * carry, or all the domains (delivery/domains). */
struct finding outcome_elsewhere(void);

/* 452 or 552 for too many recipients: the rest belongs in another transaction, at once when this
 * one has some recipients (RFC 5321 4.5.3.1.10). */
bool outcome_too_many_rcpt(const struct finding *finding);

/* Does the peer not take this mail now? Of a relay that says nothing of the destination. */
bool outcome_not_now(const struct finding *finding);

/* Is it our address that was refused, and not the mail? Another egress may do. */
bool outcome_is_address(const struct finding *finding);

#endif
