/*
 * ingress/internal — the worker's SMTP server as its own files see it
 *
 *   session.c      a connection: input, waiting, replies, its end
 *   admit.c        connection limits and relay permission
 *   proxy.c        the PROXY header in front of a session
 *   verbs.c        the table of commands; cmd_*.c one file a verb
 *   transaction.c  MAIL to the end of the message; intake.c its content; pressure.c what is taken
 *                  when we fill up; accept.c its commit
 *
 *   A session waits for one thing at a time (enum session_wait), with its stream paused: so replies
 *   leave in the order of the commands without a queue of them.
 */
#ifndef WAYPOST_INGRESS_INTERNAL_H
#define WAYPOST_INGRESS_INTERNAL_H

#include "gateway/ingress/ingress.h"
#include "gateway/ingress/ruleset.h"
#include "gateway/io/stream.h"
#include "gateway/smtp/bdat.h"
#include "gateway/smtp/data.h"
#include "gateway/smtp/line.h"

struct auth_exchange;
struct transaction;

enum {
    INLINE_MAX = 256 * 1024,
    TRANSACTIONS_KEPT = 64,   /* unused ones kept for the next message */
    INPUT_MAX = 16 * 1024,    /* kept between two reads: the longest line fits */
    REPLIES_MAX = 16 * 1024,  /* replies the client has not taken: it is not read until it does */
    OUTPUT_MAX = 256 * 1024,  /* never reached: a turn of commands answers less */
    TURN_COMMANDS = 64,       /* commands of one session before the others have their turn */
    ERRORS_MAX = 100,         /* points since the last accepted message: 5 a bad command, */
    ERROR_POINTS = 5,         /* 1 a refused recipient */
    IDLE_COMMANDS_MAX = 1000, /* NOOP, RSET and the like since the last accepted message */
    STRANGER_IDLE_MS = 60 * 1000, /* for clients we would not relay for */
    HANDSHAKE_MS = 30 * 1000,
    PROXY_HEADER_MS = 10 * 1000,
    LINGER_MS = 5 * 1000,
    CONTENT_RATE_MIN = 500 /* bytes a second of a message, on average, beyond limits.idle */
};

struct ingress {
    struct ingress_env env; /* policies and tls are held in the two fields below instead */
    struct ruleset *rules;
    struct tls_server *tls;
    struct counters *counters;
    struct list sessions, ended, proxies, idle_transactions;
    size_t sessions_n, proxies_n, receiving, committing, checking, idle_transactions_n;
    struct loop_task tidy; /* frees ended sessions, tells that draining is done */
    struct buf scratch;    /* for replies and headers made in one go */
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
};

enum session_mode { MODE_COMMAND, MODE_AUTH, MODE_DATA, MODE_BDAT, MODE_COUNT };

enum session_wait {
    WAIT_NONE,
    WAIT_COMMIT,   /* the spool's answer */
    WAIT_SPOOL,    /* the spool has enough to write for now */
    WAIT_PASSWORD, /* a password thread */
    WAIT_PENALTY,  /* a wrong password is answered late */
    WAIT_TLS,      /* the handshake */
    WAIT_REPLIES   /* the client does not read our replies */
};

/* What a session keeps of its listener. */
struct listener_rules {
    uint8_t tls, auth; /* enum conf_listen_tls, enum conf_listen_auth */
};

/* How fast the content of a message comes, from DATA or the first BDAT to its end. */
struct pace {
    int64_t since_ms;
    int64_t stopped_ms; /* not read since then, because of the spool; 0: it is read */
    uint64_t bytes;
};

struct session {
    struct list node; /* of ingress->sessions, then ->ended */
    struct ingress *in;
    struct stream *stream; /* NULL once ended */
    struct ruleset *rules;
    const struct conf_client *client; /* of `rules`; NULL: not listed */
    const struct conf_user *user;     /* of `rules`; NULL: not authenticated */
    struct client_counter *entry;     /* of `client`, whose rate counts */
    struct client_counter *admitted;  /* holds one of its connections; NULL: none */
    uint64_t client_hash;             /* counted in the hub while `counted` */
    struct transaction *tx;
    struct auth_exchange *auth;
    char *helo; /* NULL: not said yet */
    char *tls;  /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; NULL: plain */
    struct addr peer;
    struct line_reader lines;
    struct bdat bdat;
    const char *bdat_refusal; /* the chunk under way is read, dropped and answered so */
    struct pace pace;
    size_t behind;      /* bytes that came with the command line being run, behind it */
    unsigned offered;   /* enum smtp_ext of the last EHLO */
    uint8_t mode, wait; /* enum session_mode, enum session_wait */
    struct listener_rules listener;
    bool counted, stranger, esmtp, greeted, progress;
    uint8_t wrong_passwords;
    uint16_t errors, idle_commands;
};

/* ---- session.c ---- */
/* Takes over fd and its place in hub->connections. */
void session_begin(struct ingress *in, int fd, struct listener_rules rules,
                   const struct addr *peer);
void session_end(struct session *s);   /* behind the replies queued so far */
void session_leave(struct session *s); /* the same after QUIT: the client has nothing left to say */
void session_drop(struct session *s);  /* at once */
void session_free_ended(struct ingress *in);
bool session_ended(const struct session *s);
void session_wait(struct session *s, enum session_wait why, int64_t delay_ms); /* 0: no limit */
void session_go_on(struct session *s);
/* The content of a message begins: from here on it must keep up a pace, see session.c. */
void session_content_begins(struct session *s);
void session_content(struct session *s, size_t n); /* bytes of it came */
/* Forgets all that was said before (RFC 3207 section 4.2). */
void session_forget(struct session *s);
void session_drain(struct session *s); /* 421, unless it sends a message */
/* Takes on a configuration loaded since. False: its user is gone, the session was ended. */
bool session_renew(struct session *s);

/* ---- reply.c ---- */
void session_reply(struct session *s, const char *line); /* without CRLF */
/* "code enhanced text"; text has no line end. */
void session_reply_text(struct session *s, unsigned code, const char *enhanced, struct slice text);
void session_refuse(struct session *s, const char *line, unsigned points); /* and counts */
void session_refuse_mail(struct session *s, const char *line); /* a sender, recipient or message */
void session_bye(struct session *s, const char *line);         /* and ends the session */
/* The answer to the end of a message: counts 4yz and 5yz. */
void session_answer(struct session *s, const char *line);

/* ---- admit.c ---- */
const char *admit_client(struct session *s); /* NULL, or the 421 it is turned away with */
void admit_known(struct session *s);         /* it authenticated: counts as a stranger no more */
void admit_release(struct session *s);
void admit_refuse_fd(int fd, const char *line); /* sends if it can, closes */
bool admit_total(struct ingress *in);           /* takes a place in hub->connections */
void admit_total_release(struct ingress *in);
/* May mail of this session go to this address? */
bool admit_recipient(const struct session *s, struct slice recipient);
bool admit_stranger(const struct session *s); /* nothing of it would be relayed */

/* ---- proxy.c ---- */
void proxy_wait(struct ingress *in, int fd, struct listener_rules rules, const struct addr *peer);
bool proxy_expected(const struct conf_listener *listener, const struct addr *peer);
void proxy_drop_all(struct ingress *in);

/* ---- verbs.c and cmd_*.c ---- */
void verbs_run(struct session *s, struct slice line);
void cmd_ehlo(struct session *s, struct slice args);
/* Whose parameters MAIL may have now: of the last EHLO, and by who it is (enum smtp_ext). */
unsigned session_mail_params(const struct session *s);
void cmd_helo(struct session *s, struct slice args);
void cmd_mail(struct session *s, struct slice args);
void cmd_rcpt(struct session *s, struct slice args);
void cmd_data(struct session *s, struct slice args);
void cmd_bdat(struct session *s, struct slice args);
void cmd_rset(struct session *s, struct slice args);
void cmd_noop(struct session *s, struct slice args);
void cmd_quit(struct session *s, struct slice args);
void cmd_starttls(struct session *s, struct slice args);
void cmd_auth(struct session *s, struct slice args);
void cmd_vrfy(struct session *s, struct slice args);
void cmd_expn(struct session *s, struct slice args);
void cmd_help(struct session *s, struct slice args);

/* Input of the modes. They use a prefix of `in`; false: go on when more has come, or when the
 * session's wait is over. */
bool data_take(struct session *s, struct slice in, size_t *used_r);
bool bdat_take_input(struct session *s, struct slice in, size_t *used_r);
bool auth_take(struct session *s, struct slice in, size_t *used_r);
void auth_abandon(struct session *s); /* drops the exchange under way, if any */
void auth_penalty_over(struct session *s);

#endif
