/*
 * report/delivery_log — what happened to each mail, one JSON line an event
 *
 *   The delivery log of docs: an append-only file of JSON lines. The process holds one
 *   struct delivery_log; every worker has a struct delivery_writer on its own loop and fills struct
 *   delivery_event. delivery_log_write() formats into the worker's buffer and counts the event
 *   (report/counters, report/reasons): whoever reports an event has also counted it.
 *
 *   The buffer is written with one append: at the end of the loop's turn when nothing was written
 *   for 10 ms, else that much later, or as soon as it holds 64 KiB. So a quiet log is never late,
 *   and a busy one costs few system calls. A log that cannot be written never holds up mail: the
 *   lines are counted as lost and a warning goes to the daemon's log at most once a minute.
 *
 *   The process that writes has no right to open files: the file comes as a descriptor from the
 *   supervisor, again after each rotation. delivery_log_attach() puts it in place of the old one in
 *   one step, so writers never notice.
 */
#ifndef WAYPOST_REPORT_DELIVERY_LOG_H
#define WAYPOST_REPORT_DELIVERY_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/slice.h"
#include "gateway/conf/rules.h"
#include "gateway/io/loop.h"
#include "gateway/mail/status.h"
#include "gateway/report/counters.h"
#include "gateway/report/reasons.h"
#include "gateway/spool/id.h"

enum delivery_event_kind {
    EVENT_RECEIVED,  /* 250 was given: one line a message */
    EVENT_DELIVERED, /* from here on one line a recipient */
    EVENT_DEFERRED,
    EVENT_REROUTED, /* goes on by another egress without waiting */
    EVENT_BOUNCED,  /* failed for good; a bounce went out unless nobody may get one */
    EVENT_EXPIRED,
    EVENT_HELD,
    EVENT_DROPPED,
    EVENT_RELOAD,       /* `reply` says what changed */
    EVENT_EGRESS_STATE, /* an egress went out or came back: `state`, `reason` */
    EVENT_PATH_SWITCH,  /* mail of a group leaves by `egress` now, by `previous` before: `reason` */
    EVENT_LISTING,      /* a list has the address `source` of `egress`, or no longer: `reason` */
    EVENT_KINDS
};
extern const char *const delivery_event_names[EVENT_KINDS];

/* Where the time went, in the order of a delivery. */
enum delivery_stage {
    STAGE_QUEUE, /* ready and waiting for its turn */
    STAGE_CONNECT,
    STAGE_GREETING,
    STAGE_EHLO,
    STAGE_TLS,
    STAGE_ENVELOPE, /* MAIL, RCPT, and DATA up to the 354 */
    STAGE_DATA,     /* sending the body */
    STAGE_FINAL,    /* from the last byte to the final reply */
    STAGES
};

/* delivery_event_init() makes everything absent; absent fields are left out of the line. Slices and
 * pointers need to live only until delivery_log_write() returns; any bytes are safe in them. */
struct delivery_event {
    enum delivery_event_kind kind;
    bool has_id;
    bool mt_priority_given;
    int8_t mt_priority; /* as the client gave it (RFC 6710 section 4.1) */
    bool has_sender;    /* an empty sender is the null path and is shown as "" */
    struct spool_id id; /* of the message; has_id false: none */
    struct slice sender, recipient;
    uint32_t recipients;      /* EVENT_RECEIVED: how many; `recipient` is the first. 0: absent */
    enum lane lane;           /* shown as `priority`; LANE_COUNT: absent */
    uint64_t size;            /* bytes, trace header included; 0: absent */
    struct slice priority_by; /* what gave it the lane; empty: nothing did */
    int64_t waited_ms;        /* EVENT_DELIVERED: since it could leave; counted, not shown */
    struct addr client;       /* the SMTP client's address; ADDR_NONE: absent */
    struct slice user;        /* authenticated as */
    struct slice route, egress;
    struct addr source;    /* local address of the connection */
    struct slice site, mx; /* site's name; host name of the mail exchanger */
    struct addr address;   /* its address and port */
    struct slice carrier, region, provider;
    /* Of an egress, see the last three kinds. Of mail: by which egress it was tried right before,
     * and what became of that. */
    struct slice previous, state, reason;
    uint32_t attempt;         /* counts from 1; 0: absent */
    uint16_t code;            /* SMTP reply code; 0: absent */
    struct enhanced enhanced; /* class_ 0: absent */
    struct slice reply; /* text of the reply, or what went wrong on our side; first 512 bytes */
    struct slice class; /* of the reply */
    struct slice tls;   /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: plain */
    int64_t stage_us[STAGES]; /* microseconds; negative: absent. Shown as <stage>_ms */
    struct slice via;         /* "socks5", "proxy", "relay": rtt and retransmits end there */
    int64_t rtt_us;           /* of the TCP connection; negative: absent */
    int64_t retransmits;      /* TCP segments, whole connection; negative: absent */
    bool connection;          /* a session was used: `reused` is shown */
    bool reused;              /* it had carried mail before */
    bool may_duplicate;       /* the final reply never came: shown when true */
    int64_t next_attempt_ms;  /* wall clock; 0: absent */
};

void delivery_event_init(struct delivery_event *e, enum delivery_event_kind kind);

struct delivery_log;
struct delivery_writer;

struct delivery_log *delivery_log_new(void); /* nothing attached: events are counted, not written */
void delivery_log_free(struct delivery_log **log); /* after its writers */
/* Takes fd over (opened with O_APPEND); -1 detaches. Any thread, at any time. */
void delivery_log_attach(struct delivery_log *log, int fd);

/* `counters` and `reasons` are the worker's and must outlive the writer. */
struct delivery_writer *delivery_writer_new(struct delivery_log *log, struct loop *loop,
                                            struct counters *counters, struct reasons *reasons);
void delivery_writer_free(struct delivery_writer **w); /* writes what is left */

void delivery_log_write(struct delivery_writer *w, const struct delivery_event *e);
void delivery_writer_flush(struct delivery_writer *w);
struct counters *delivery_writer_counters(struct delivery_writer *w);

#endif
