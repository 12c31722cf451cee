/*
 * smtp/command — command lines, and the arguments of each (RFC 5321 section 4.1)
 *
 *   Pure: a line without CRLF in, a struct out, all slices into the line. Whatever is wrong comes
 * back as the complete reply line to send (code, enhanced code, text, no CRLF): a constant string,
 * never NULL when the return is not RC_OK.
 */
#ifndef WAYPOST_SMTP_COMMAND_H
#define WAYPOST_SMTP_COMMAND_H

#include "gateway/mail/address.h"
#include "gateway/mail/envelope.h"
#include "gateway/smtp/ehlo.h"

enum smtp_verb {
    VERB_UNKNOWN,
    VERB_EHLO,
    VERB_HELO,
    VERB_MAIL,
    VERB_RCPT,
    VERB_DATA,
    VERB_BDAT,
    VERB_RSET,
    VERB_NOOP,
    VERB_QUIT,
    VERB_STARTTLS,
    VERB_AUTH,
    VERB_VRFY,
    VERB_EXPN,
    VERB_HELP,
    VERB_COUNT
};

struct command {
    enum smtp_verb verb;
    struct slice args; /* behind the verb and its blank; trailing blanks cut */
};

struct mail_args {
    struct address from;
    bool size_given;
    uint64_t size;
    uint8_t body; /* enum body_kind; BODY_7BIT also when not given */
    bool smtputf8;
    uint8_t ret;         /* enum dsn_ret */
    struct slice env_id; /* checked xtext, not decoded */
    bool auth_given;
    struct slice auth; /* checked xtext; "<>" as given */
    bool mt_priority_given;
    int8_t mt_priority;
    uint8_t by_mode; /* enum by_mode; BY_NONE: not given */
    bool by_trace;
    int32_t by_s;          /* BY: from now; not above 0 only with BY_NOTIFY */
    uint32_t hold_for_s;   /* HOLDFOR; 0: not given */
    int64_t hold_until_ms; /* HOLDUNTIL; 0: not given. At most one of the two */
};

struct rcpt_args {
    struct address to;
    uint8_t notify;     /* set of enum dsn_notify, 0: not given */
    struct slice orcpt; /* checked, not decoded */
};

struct bdat_args {
    uint64_t size;
    bool last;
};

struct auth_args {
    struct slice mechanism;
    bool initial_given;   /* "=" gives an empty response */
    struct slice initial; /* base64, not decoded */
};

void command_parse(struct slice line, struct command *command_r); /* never fails: VERB_UNKNOWN */

/* For DATA, RSET, QUIT, STARTTLS: they stand alone. */
enum rc command_check_no_args(const struct command *command, const char **reply_r);

/* `offered`: the extensions (enum smtp_ext) this session announced; parameters of others are
 * unknown (555). For HELO sessions pass 0. */
enum rc command_parse_mail(struct slice args, unsigned offered, struct mail_args *mail_r,
                           const char **reply_r);
/* `smtputf8`: the transaction's MAIL had it; without, an address beyond ASCII is 553. */
enum rc command_parse_rcpt(struct slice args, unsigned offered, bool smtputf8,
                           struct rcpt_args *rcpt_r, const char **reply_r);
enum rc command_parse_bdat(struct slice args, struct bdat_args *bdat_r, const char **reply_r);
enum rc command_parse_auth(struct slice args, struct auth_args *auth_r, const char **reply_r);
/* EHLO/HELO: a domain, an address literal, or what hosts say in real life: any printable word. */
enum rc command_parse_helo(struct slice args, struct slice *name_r, const char **reply_r);

#endif
