/*
 * reputation/reply — what a remote SMTP reply means: whom it is about and what a router should do
 *
 *   reply_classify() compares one reply of a peer with ordered rules and names the first that
 *   matches. The shipped rules are data (reputation/data/), compiled into the program; the
 *   operator's `replies:` come before them: policies/reply.h finds the one that matches, and
 *   reply_overrule() puts it over the judgement.
 *
 *   Only what peers said belongs here, never a text of our own making. A reply that is no refusal
 *   (2yz, 3yz) is of class none.
 *
 * Guarantees: total (any bytes, any code), pure, allocates nothing; tens of microseconds (28 on a
 *             busy machine). The rules are constant once made and may be used by many threads.
 * See:        RFC 5321 section 4.2, RFC 3463; docs/REPLIES.md for the form of the data.
 */
#ifndef WAYPOST_REPUTATION_REPLY_H
#define WAYPOST_REPUTATION_REPLY_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/conf/rules.h"
#include "gateway/mail/status.h"

enum {
    REPLY_TEXT_MAX = 4096,    /* bytes of the normal text that are looked at */
    REPLY_PROVIDER_MAX = 255, /* bytes of an organisation's name */
    REPLY_RULES_BYTES = 1 << 20,
    REPLY_REASONS = 4
};

/* The step of the dialogue that was answered. */
enum reply_at {
    REPLY_AT_UNKNOWN,
    REPLY_AT_GREETING,
    REPLY_AT_EHLO,
    REPLY_AT_TLS,
    REPLY_AT_AUTH,
    REPLY_AT_MAIL,
    REPLY_AT_RCPT,
    REPLY_AT_DATA,
    REPLY_AT_FINAL,
    REPLY_ATS
};
extern const char *const reply_at_names[REPLY_ATS + 1]; /* "unknown" ..., ends with NULL */

/* Whom the reply is about. */
enum reply_scope {
    REPLY_SCOPE_NONE,
    REPLY_SCOPE_ADDRESS, /* our address */
    REPLY_SCOPE_NETWORK, /* the network our address is in */
    REPLY_SCOPE_SENDER,  /* the sender: address, domain, or what signs for it */
    REPLY_SCOPE_MESSAGE,
    REPLY_SCOPE_RECIPIENT,
    REPLY_SCOPE_RECEIVER, /* the other side, or what it demands of everybody */
    REPLY_SCOPES
};
extern const char *const reply_scope_names[REPLY_SCOPES + 1]; /* "none" ..., ends with NULL */

struct reply_facts {
    struct slice mx;           /* host name of the peer; empty: not known */
    const struct addr *source; /* our address as the peer sees it; NULL: not known */
    struct slice ehlo;         /* our host name as EHLO gave it; this and the next two: or empty */
    struct slice sender;       /* of the envelope: the address, or its domain alone */
    struct slice recipient;    /* the address */
    uint16_t code;
    struct enhanced status; /* class_ 0: none was sent */
    struct slice text;      /* as received, lines joined by '\n'; codes at their start do no harm */
    enum reply_at at;
};

/* A weighed line that speaks for the class, and by how much more than for the next one. */
struct reply_reason {
    const char *line; /* as written; NULL: none; lives as long as the rules */
    int points;
};

struct reply_judgement {
    enum reply_class class;
    enum reply_scope scope;
    struct slice provider; /* reply_provider() of the MX */
    const char *rule;      /* its stable name; lives as long as the rules */
    struct slice zone;     /* the DNS list the text names (lower case when it is a known one), else
                              empty; in facts->text or in the rules */
    bool names_us;         /* the text has our address */
    bool names_other;      /* it has addresses, and ours is none of them */
    bool names_ehlo;       /* it has the name of our host */
    bool names_sender;     /* the sender's address or domain, or a name in that domain */
    bool names_recipient;  /* the recipient's address, or its domain alone */
    bool ends_by_itself;   /* a 5yz that is over in a while: may be tried again */
    struct reply_reason because[REPLY_REASONS]; /* of the rule "weighed": the heaviest first */
};

struct reply_rules;

/* What the program was built with. Never fails: a unit test reads the same bytes. */
struct reply_rules *reply_rules_shipped(void);
/* Providers and rules as text; RC_PARSE or RC_LIMIT with "replies:12: ..." in *err. */
enum rc reply_rules_read(struct slice providers, struct slice rules, struct reply_rules **rules_r,
                         struct err *err);
void reply_rules_free(struct reply_rules **rules);

void reply_classify(const struct reply_rules *rules, const struct reply_facts *facts,
                    struct reply_judgement *judgement_r);

/* The operator's word for it: class and rule are his, scope and ends_by_itself follow the class;
 * what the text names stays. `rule` must outlive the judgement. */
void reply_overrule(struct reply_judgement *judgement, const struct reply_facts *facts,
                    enum reply_class class, const char *rule);

/* The provider of an MX host: a name of the data ("google"), for unknown hosts the organisation's
 * domain ("example.co.uk"), empty for none. Points into the rules or into `mx`. */
struct slice reply_provider(const struct reply_rules *rules, struct slice mx);

/* The text as rules see it: lower case, one line, single blanks, without the reply's own codes.
 * What does not fit is cut. Doing it twice changes nothing. */
struct slice reply_normal(const struct reply_facts *facts, char text[REPLY_TEXT_MAX]);

/* What becomes of the mail. About our address: another egress may do better. A 5yz ends it, unless
 * it is over in a while or was about the session and not about this mail. */
enum reply_next { REPLY_NEXT_WAITS, REPLY_NEXT_ELSEWHERE, REPLY_NEXT_RETURNED };
enum reply_next reply_next(const struct reply_judgement *judgement,
                           const struct reply_facts *facts);

/* What one such reply costs the egress (design of the egress states): points of evidence. */
unsigned reply_points(enum reply_class class);

#endif
