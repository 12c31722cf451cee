/*
 * delivery/attempt — an item in delivery's hands: recipients, findings, body
 *
 *   Lives from attempt_new() (the item is BUSY) until settle_attempt() or attempt_return(). Memory
 *   comes from its arena and is reused by the next attempt. Recipients go out in batches of at most
 *   what the next hop takes; each gets one finding.
 */
#ifndef WAYPOST_DELIVERY_ATTEMPT_H
#define WAYPOST_DELIVERY_ATTEMPT_H

#include "gateway/delivery/engine.h"
#include "gateway/delivery/outcome.h"
#include "gateway/mail/envelope.h"
#include "gateway/smtp/data.h"
#include "gateway/smtp/mailparams.h"

enum attempt_step {
    ATTEMPT_WAITING,  /* for its session, or for its body */
    ATTEMPT_ENVELOPE, /* MAIL ... DATA are sent */
    ATTEMPT_SENDING,  /* the body is on its way */
    ATTEMPT_FINAL     /* all is sent */
};

struct body_load;

struct attempt {
    struct list link;  /* delivery->spare */
    struct list large; /* delivery->large while a large body is being sent */
    struct delivery *delivery;
    struct arena *arena;
    struct item *item;
    struct envelope env;
    struct finding *findings; /* one per recipient of env */
    uint32_t *batch; /* recipients of this transaction, by index; the accepted ones come first */
    uint32_t batch_n, answered, accepted;
    uint32_t farewell; /* 1 + the recipient that was answered by 421; 0: none was */
    uint8_t step;
    uint8_t lane; /* that it was given out in */
    bool is_large;
    bool planned;               /* plan is made: what this hop gets */
    bool mail_ok, mail_refused; /* the reply to MAIL */
    bool bdat;                  /* else DATA */
    bool only_dot;              /* DATA was accepted though no recipient was */
    bool touched;               /* the peer has answered something of this attempt */
    bool clean; /* MAIL was sent with no reply due: its answer shows the round trip */
    struct mail_plan plan;
    struct slots *slots; /* of the site, while it holds one; NULL: it does not */
    /* body */
    struct body_load *load;      /* being read into memory, or NULL */
    struct session *session;     /* that carries it; NULL: none */
    struct spool_reader *reader; /* of a large body */
    uint64_t left;               /* bytes of it not yet queued */
    struct loop_task pump;
    struct timer pace; /* until bytes may go on */
    struct dot_encoder dots;
    uint64_t end_mark; /* stream_bytes_out() when all was queued */
    /* times, microseconds, monotonic; 0: not reached */
    int64_t begun_us, data_us, sent_us;
    int64_t stage_us[STAGES];
};

/* Reads the envelope. NULL when it cannot be read: the item has been dealt with. */
struct attempt *attempt_new(struct delivery *d, struct item *item);
/* Its envelope, with its times as they are now: the clock may be set while it is under way. */
const struct envelope *attempt_env(struct attempt *a);
/* Whom the reply that came last is about, at this step: before RCPT nobody, and of several
 * recipients the one that is being answered. Empty: all, or nobody. */
struct slice attempt_asked_for(const struct attempt *a, enum where where);
/* It is the one its session carries, or is opened for: from now to its end it holds a slot. Does
 * nothing when it does already. */
void attempt_hold_slot(struct attempt *a);
/* The item is NULL already (settled, returned). */
void attempt_free(struct attempt **attempt);
/* Back to the queue, not counted. */
void attempt_return(struct attempt **attempt);

/* What this hop gets of it; recipients that it lacks something for have their finding then. */
void attempt_make_plan(struct attempt *a, const struct session *s);
/* Fills batch with recipients that have no finding and that the session may name, at most `max`;
 * returns how many. */
uint32_t attempt_next_batch(struct attempt *a, struct session *s, uint32_t max);
/* The figures of its lane. */
const struct conf_retry *attempt_retry(const struct attempt *a);
/* A destination that asks for patience (greylisting) knows the address it asked: the next try goes
 * by this egress, too. Empty: by none. */
void attempt_stick(struct attempt *a, struct slice egress);
/* Nothing of it can have been taken by the peer: it may go another way. */
bool attempt_untaken(const struct attempt *a);
bool attempt_has_more(const struct attempt *a); /* some recipient needs another batch */
/* The finding of all recipients that have none / of those among the first n of the batch. The text
 * is copied. */
void attempt_find_all(struct attempt *a, const struct finding *finding);
void attempt_find_batch(struct attempt *a, uint32_t n, const struct finding *finding);
void attempt_find(struct attempt *a, uint32_t recipient, const struct finding *finding);

/* ---- body.c ---- */

/* True: the body is at hand, or large and will be streamed. False: it is being read; then
 * transact_body_ready() or transact_body_failed() follows, on the session that has the attempt. */
bool body_prepare(struct attempt *a);
void body_forget(struct attempt *a); /* ends loading and streaming */
bool body_in_memory(const struct attempt *a);
bool body_is_streamed(const struct attempt *a); /* goes from the spool, window by window */
/* Queues the body on the session's stream, and its end. Calls transact_sent() now or later. */
void body_send(struct attempt *a, struct session *s);

#endif
