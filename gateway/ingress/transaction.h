/*
 * ingress/transaction — a message from MAIL to the answer of the spool
 *
 *   transaction.c  the object: envelope and recipients, in an arena that is used again
 *   intake.c       its content: decoded bytes into memory or into the spool, and what is wrong with
 *                  it; a refused content is read on and dropped
 *   items.c        its recipients split into items by destination key, lane and times
 *   pressure.c     whether it is taken while we fill up
 *   accept.c       trace header, commit, queue, log, reply
 *
 *   Owned by its session until the content is complete; from then on by the commit, which the
 *   session may not survive.
 */
#ifndef WAYPOST_INGRESS_TRANSACTION_H
#define WAYPOST_INGRESS_TRANSACTION_H

#include "gateway/ingress/internal.h"
#include "gateway/mail/envelope.h"
#include "gateway/mail/header.h"
#include "gateway/smtp/command.h"
#include "policies/priority.h"
#include "policies/route.h"

enum {
    ITEM_RECIPIENTS_MAX = 1000, /* more to one destination make several items */
    HEADER_BYTES_MAX = 4 * 1024 * 1024
};

/* Has the message a place in the quotas of urgent mail? */
enum tx_urgent { URGENT_NOT_ASKED, URGENT_GRANTED, URGENT_OVER_QUOTA, URGENT_ACCEPTED };

struct tx_recipient {
    struct tx_recipient *next; /* in the order of RCPT */
    struct tx_recipient *peer; /* next one of the same item */
    struct tx_recipient *near; /* next one in the same slot of transaction.known */
    struct slice key;          /* address_put_key() of it */
    struct recipient as;       /* texts in the arena */
    struct slice domain;       /* A-labels, in the arena */
};

struct transaction {
    struct list node; /* of ingress->idle_transactions */
    struct ingress *in;
    struct session *session; /* NULL: the client is gone */
    struct ruleset *rules;
    struct arena *arena;
    struct envelope envelope; /* without recipients */
    int64_t clock_ms;         /* at MAIL: how far the wall clock was ahead of the monotonic one */
    struct mt_priority priority;
    bool begun;                /* DATA or the first BDAT was taken */
    uint8_t urgent;            /* enum tx_urgent */
    struct urgent_place place; /* URGENT_GRANTED: given back unless the message is accepted */
    int final_priority;        /* of the first item, for the answer */
    enum lane_source by;       /* what gave it its lane, for the log */
    enum lane lane;            /* the most urgent that a recipient has, or may still have */
    uint64_t declared_size;    /* SIZE= of MAIL; 0: not given */
    struct tx_recipient *first, **last;
    size_t recipients_n;
    struct tx_recipient **known; /* hash table of them, by key */
    size_t known_mask;

    /* content */
    const char *refusal; /* what the end will be answered with; the rest is dropped */
    uint64_t size;       /* bytes of content seen */
    uint64_t size_max;
    struct spool_id id;
    struct body *body;           /* or */
    struct spool_writer *writer; /* the larger ones */
    struct dot_decoder dots;
    struct content_scan content;
    struct header_scan header;

    /* commit */
    struct item **items;
    unsigned items_n;
    struct slice route; /* of the first item; this and `client` are for the log */
    struct addr client;
};

/* HOLDFOR or HOLDUNTIL of a MAIL that comes now (wall clock); 0: neither. */
int64_t transaction_hold_until(const struct mail_args *mail, int64_t now_ms);
struct transaction *transaction_begin(struct session *s, const struct mail_args *mail);
/* The clock was set since MAIL, or since the last call: what the client gave as a duration is as
 * long as it was. Returns by how much. */
int64_t transaction_renew_times(struct transaction *tx);
/* Adds to the facts what is known from MAIL on, by now_ms (wall clock). */
void transaction_facts(const struct transaction *tx, int64_t now_ms, struct facts *f);
/* A recipient that is there already (the same mailbox, see address_put_key()) is not added again:
 * the message reaches it once, with the DSN parameters that were given first. */
void transaction_add(struct transaction *tx, const struct rcpt_args *rcpt, struct slice domain);
/* Gives everything back, the content too; sets NULL. */
void transaction_release(struct transaction **tx);
void transactions_free_idle(struct ingress *in);

/* Refusals as reply lines when the gateway is too full for mail of this lane, as far as it is known
 * by then; NULL: it is taken. */
const char *pressure_at_mail(const struct transaction *tx);
const char *pressure_at_rcpt(struct transaction *tx, struct slice recipient, struct slice domain);
const char *pressure_at_data(const struct transaction *tx);
const char *pressure_at_end(const struct transaction *tx); /* tx->items are made */

/* Refusal as a reply line when the spool takes no mail now, else NULL. */
const char *intake_gate(const struct ingress *in);
void intake_begin(struct transaction *tx);
/* False: taken, but read no more until the session goes on. */
bool intake_feed(struct transaction *tx, struct slice data);
/* The content is complete: sets `refusal` when it may not go on. */
void intake_end(struct transaction *tx);

/* Makes tx->items; envelope and id must be final. RC_LIMIT: too many destinations. */
enum rc items_make(struct transaction *tx);

/* Commits; the reply follows, and the session goes on behind it. */
void accept_message(struct session *s);

#endif
