/*
 * delivery/session — one connection towards a target: opening it, its dialogue, its end
 *
 *   OPENING walks the hosts of the site: resolve, dial, greeting, EHLO, TLS, AUTH (open.c,
 *   steps.c). A host that fails is followed by the next one; when none is left the session ends and
 *   the mail it was opened for is deferred. IDLE and WORKING sessions carry transactions
 *   (transact.c).
 *
 *   The dialogue is a queue of expected replies: each command pushes its step, each reply is handed
 *   to the step in front. Without PIPELINING there is never more than one.
 *
 *   A dead session stays readable until the loop waits: callers check `state` after any call.
 */
#ifndef WAYPOST_DELIVERY_SESSION_H
#define WAYPOST_DELIVERY_SESSION_H

#include "gateway/delivery/attempt.h"
#include "gateway/delivery/hosts.h"
#include "gateway/delivery/paths.h"
#include "gateway/io/dial.h"
#include "gateway/io/stream.h"
#include "gateway/smtp/reply.h"

enum session_state { SESSION_OPENING, SESSION_IDLE, SESSION_WORKING, SESSION_DEAD };

enum step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_AUTH_PLAIN,
    STEP_AUTH_LOGIN,
    STEP_AUTH_USER,
    STEP_AUTH_PASSWORD,
    STEP_RSET,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_FINAL,
    STEPS
};

struct crowd;

struct expected {
    uint8_t step;
    uint32_t count; /* that many replies in a row */
    struct attempt *attempt;
};

enum { EXPECTED_MAX = 16 }; /* two transactions of five steps, and a RSET each */

/* What we ask of the next hop, and what it asks of us. */
struct terms {
    unsigned tls; /* enum conf_tls_out */
    struct slice user, password;
};

/* What was taken for one mail that is about to go, of the allowances of its egress and of the
 * address it leaves from (repute.h); its MAIL uses it, else it is given back. */
enum grant_part { GRANT_EGRESS, GRANT_SPILL, GRANT_V4, GRANT_V6, GRANT_PARTS };
struct grant {
    bool held;
    struct grant_of {
        uint64_t key; /* 0: nothing was taken of it */
        uint32_t per_hour;
    } of[GRANT_PARTS];
};

struct session {
    struct list link; /* of the target: idle or others; or delivery->dead */
    struct list lru;  /* delivery->idle */
    struct delivery *delivery;
    struct target *target;
    struct policies *policies; /* what it began with */
    const struct conf_route *route;
    int egress;         /* index in that configuration */
    bool via, relay;    /* through a proxy or relay; the latter: `hosts` is the relay */
    struct terms terms; /* of the next hop */
    enum session_state state;
    /* the way to the host */
    struct tolls *tolls; /* that it goes by; NULL: none */
    struct timer pause;  /* until a limit lets it go on */
    struct crowd *crowd; /* of its egress, at the target; NULL: none */
    uint32_t level;      /* sessions there when it began, itself included */
    struct hosts hosts;
    unsigned host_at;
    bool host_tried;                   /* hosts.at[host_at] has been resolved */
    bool last_resort;                  /* second round: addresses that failed lately, too */
    bool dialled;                      /* some address was tried */
    bool lacked;                       /* one could not be, for want of a descriptor of our own */
    struct addr addrs[HOST_ADDRS_MAX]; /* of that host, still to try */
    unsigned addrs_n;
    struct addr proxy[DIAL_VIA_ADDRS_MAX]; /* its addresses, once they are known */
    unsigned proxy_n;
    struct dns_query *query;
    struct dial *dial;
    struct way_out way;     /* how its egress was chosen */
    struct timer late;      /* the dial under way is overdue (race.c) */
    bool overdue;           /* and that has been told */
    bool greets_late;       /* the connection stands, and nobody has greeted for too long */
    bool is_rival;          /* opened beside another for its mail */
    struct session *rival;  /* tries another egress for the same mail; NULL: none */
    struct finding trouble; /* the most telling reason why no host worked so far */
    char trouble_text[256], trouble_host[256];
    /* the connection */
    struct stream *stream;
    struct addr address;
    struct addr source; /* as the other side sees us, ADDR_NONE: not known */
    struct reply_parser parser;
    struct ehlo_caps caps;
    uint64_t *domains; /* that it has named (delivery/domains) */
    struct expected expected[EXPECTED_MAX];
    uint8_t expected_at, expected_n;
    bool tls_under_way; /* between the 220 and the end of the handshake */
    bool esmtp, authed;
    bool need_rset;
    char tls[96];
    uint64_t transactions_max; /* MAIL commands this connection may carry */
    uint64_t transactions;
    uint32_t delivered; /* attempts carried before the running one */
    struct attempt *front, *behind;
    int64_t started_ms; /* monotonic */
    int64_t rests_ms;   /* IDLE: since then */
    int64_t opened_us, stage_at_us;
    int64_t stage_us[STAGES]; /* of the opening */
    struct buf out;           /* commands of the flight being written */
    /* what it tells about the path (sense.c); of the present connection */
    uint64_t path;                    /* observe_path(); 0: not ready for mail yet */
    int64_t greeting_us, app_rtt_us;  /* 0: not known */
    int64_t longest_us;               /* through a proxy: see probes/observation.h */
    int64_t tcp_at_ms;                /* when `tcp` was asked for; 0: never */
    struct stream_tcp_info tcp, told; /* the latest; as last told to control */
    int64_t stalled_ms;               /* its bytes do not arrive since; 0: they do (stall.c) */
    uint32_t domains_n;
    uint64_t paced[TRAFFIC_BYTES + 1]; /* opened for mail of a rate, counted as that much; 0: not */
    struct grant grant;                /* not used yet */
    bool tcp_known;
    bool sending_slowly; /* the body comes in slower than it goes out */
};

/* Opens one more by way->egress, with what was taken for its mail; `attempt` is what it is opened
 * for, NULL: a rival. Returns NULL when it is dead already. */
struct session *session_open(struct target *target, const struct conf_route *route,
                             const struct way_out *way, const struct grant *grant,
                             struct attempt *attempt);
/* Gives an attempt to an idle session, or to a working one that session_takes_more(). */
void session_give(struct session *s, struct attempt *attempt);
/* May another transaction travel behind the running one? */
bool session_takes_more(const struct session *s);
/* Has it had all the MAIL commands that it may carry? */
bool session_is_spent(const struct session *s);
/* Would mail of this route be sent by the same TLS level and identity? */
bool session_suits(const struct session *s, const struct conf_route *route);
/* The name of the host in use. */
struct slice session_mx(const struct session *s);
/* Its egress for what is remembered over a reload, where indexes change: a hash of the name. */
uint64_t session_egress(const struct session *s);

/* What the log and notices say about the session, when it may be gone already. */
struct hop {
    struct slice mx, egress, tls; /* valid until the loop waits */
    struct addr source, address;  /* source: as the other side sees it */
    const char *via; /* kind of proxy or relay, where rtt and retransmits end; NULL: none */
    bool connected, reused;
    const struct conf_route *route; /* NULL: of a configuration that is no longer in force */
    int64_t rtt_us, retransmits;
    int64_t stage_us[STAGES]; /* of the opening; negative: not part of this attempt */
};
void session_hop(struct session *s, struct hop *hop_r);

/* QUIT and goodbye; for idle ones. */
void session_quit(struct session *s);
/* Ends it at once. The running attempt gets `finding`; NULL, or when the peer ended a kept session
 * before it looked at the attempt: back to the queue, as the one behind in any case. */
void session_kill(struct session *s, const struct finding *finding);
/* From OPENING to ready for mail. */
void session_opened(struct session *s);
/* The connection of an OPENING session is over; the session goes on. */
void session_drop_stream(struct session *s);
void session_bury(struct loop_task *task); /* of struct delivery */
/* No transaction runs any more: next one, idle or QUIT. */
void session_rest(struct session *s);

/* ---- open.c ---- */
void open_next_address(struct session *s); /* the first, too */
/* This host (address) will not do: on to the next. Text is copied. */
void open_failed(struct session *s, const struct finding *finding);
/* The same address again, without TLS. */
void open_again_plain(struct session *s);
/* Its name could not be looked up for want of a descriptor of our own. */
void open_lacked(struct session *s, const char *text);

/* ---- open_via.c ---- */
struct terms session_terms(const struct conf_egress *e, const struct conf_route *route);
bool terms_same(const struct terms *a, const struct terms *b);
/* False: they are being looked up, or the session is over; else s->proxy is filled. */
bool open_find_proxy(struct session *s);
/* Do other sessions work at the same target, by the same egress at that? */
bool open_others_work(const struct session *s, bool same_egress);
void open_note_source(struct session *s, const struct dial_result *result);

/* Is nobody in between who could read a password: TLS, or both ends on this machine? */
bool session_hides_passwords(const struct session *s);

/* ---- steps.c: the dialogue ---- */
/* What a reply means. The text is the reply's. */
struct finding session_finding(const struct session *s, enum where where,
                               const struct reply *reply);
void session_expect(struct session *s, enum step step, uint32_t count, struct attempt *a);
/* Sends a line (given without CRLF) and expects its reply. */
void session_command(struct session *s, enum step step, const char *verb, struct slice argument);
void session_on_reply(struct session *s, const struct reply *reply);
/* The connection broke, or a deadline passed. */
void session_on_broken(struct session *s, enum fault fault, const char *text);
void session_set_deadline(struct session *s);
void session_flush_out(struct session *s); /* s->out to the stream */
extern const struct stream_ops session_stream_ops;

struct step_ops {
    const char *name;
    uint8_t where; /* enum where, for findings */
    void (*reply)(struct session *s, struct expected *e, const struct reply *reply);
};
extern const struct step_ops step_table[STEPS];

/* ---- handshake.c: from the greeting to a session that carries mail ---- */
void reply_greeting(struct session *s, struct expected *e, const struct reply *reply);
void reply_ehlo(struct session *s, struct expected *e, const struct reply *reply);
void reply_helo(struct session *s, struct expected *e, const struct reply *reply);
void reply_starttls(struct session *s, struct expected *e, const struct reply *reply);
void reply_auth(struct session *s, struct expected *e, const struct reply *reply);
void handshake_on_tls(struct session *s);
void handshake_tls_failed(struct session *s, const char *text);

/* ---- transact.c ---- */
/* Its mail has been answered to the end: notes how long that took. */
void target_note_times(struct session *s, struct attempt *a);

enum { FLIGHT_BODY_MAX = 64 * 1024 }; /* goes out with the commands */

/* Sends the commands of the attempt's next batch; the session is IDLE or takes more. */
void transact_start(struct session *s, struct attempt *a);
void transact_sent(struct session *s, struct attempt *a); /* body and end are queued */
/* A limit lets it go on with the next transaction of the mail under way. */
void transact_next(struct session *s);
/* Right before the end of data. False: it may not, and the session is dead. */
bool transact_may_send(struct session *s, struct attempt *a);
void transact_body_ready(struct session *s, struct attempt *a);
void transact_body_failed(struct session *s, struct attempt *a, const struct finding *finding);
void reply_rset(struct session *s, struct expected *e, const struct reply *reply);
void reply_mail(struct session *s, struct expected *e, const struct reply *reply);
void reply_rcpt(struct session *s, struct expected *e, const struct reply *reply);
void reply_data(struct session *s, struct expected *e, const struct reply *reply);
void reply_final(struct session *s, struct expected *e, const struct reply *reply);
/* A reply that nothing asked for, while the body is being sent. */
void transact_interrupted(struct session *s, const struct reply *reply);

/* ---- farewell.c ---- */

/* The kernel has the end of the message. */
bool transact_all_out(const struct session *s, const struct attempt *a);
/* A 421 came to a recipient. True: all of the message is out, so those that were accepted may have
 * it. That is still to be told: the reply is one for this recipient. If nothing else comes in a
 * while, or before the connection ends, it is for the others as well. */
bool transact_farewell(struct session *s);
/* The finding of that; NULL: there was none. */
const struct finding *transact_farewell_of(const struct session *s);

#endif
