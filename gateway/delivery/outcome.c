#include "gateway/delivery/outcome.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/rc.h"

const char *where_name(enum where where)
{
    static const char *const names[] = { "nowhere",  "queue", "spool", "dns",  "connect",
                                         "greeting", "ehlo",  "tls",   "auth", "hop",
                                         "mail",     "rcpt",  "data",  "final" };
    assert((size_t)where < sizeof names / sizeof names[0]);
    return names[where];
}

/* `word` is lower case. */
static bool mentions(struct slice text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++)
        if (slice_ieq_str((struct slice){ text.p + i, n }, word))
            return true;
    return false;
}

static enum retry_cause cause_of_reply(const struct finding *f)
{
    if (f->where == WHERE_TLS && f->code != 421)
        return RETRY_TLS;
    if (f->class == REPLY_GREYLIST)
        return RETRY_GREYLIST;
    if (f->class == REPLY_TLS)
        return RETRY_TLS;
    if (f->class == REPLY_IP_THROTTLED || f->code == 421 || outcome_too_many_rcpt(f))
        return RETRY_THROTTLED;
    /* Policy (4.7.x) that no rule knows the words of; before the data it is mostly greylisting. */
    if (f->status.class_ == 4 && f->status.subject == 7)
        return f->status.detail == 1 && f->where == WHERE_RCPT ? RETRY_GREYLIST : RETRY_THROTTLED;
    return RETRY_REMOTE;
}

static const char *class_of(enum retry_cause cause, bool broken)
{
    switch (cause) {
    case RETRY_GREYLIST:
        return "greylisted";
    case RETRY_DNS:
        return "dns";
    case RETRY_THROTTLED:
        return "throttled";
    case RETRY_TLS:
        return "tls";
    case RETRY_REMOTE:
    case RETRY_CAUSES:
        break;
    }
    return broken ? "connection" : "temporary";
}

/* An enhanced code whose class fits the verdict: the peer's when it does, else x.0.0. */
static struct enhanced status_for(struct enhanced said, uint8_t class_)
{
    if (said.class_ == class_)
        return said;
    return (struct enhanced){ class_, 0, 0 };
}

static struct verdict deferred(enum retry_cause cause, struct enhanced status, bool broken)
{
    return (struct verdict){ .kind = VERDICT_DEFERRED,
                             .cause = cause,
                             .status = status_for(status, 4),
                             .class = class_of(cause, broken) };
}

/* A refusal for good that is about the session, not about this mail. */
static bool about_session(enum where where)
{
    return where == WHERE_GREETING || where == WHERE_EHLO || where == WHERE_TLS ||
           where == WHERE_AUTH;
}

bool outcome_too_many_rcpt(const struct finding *f)
{
    if (f->fault != FAULT_NONE || f->where != WHERE_RCPT || (f->code != 452 && f->code != 552))
        return false;
    if (f->status.class_ && !(f->status.subject == 5 && f->status.detail == 3))
        return false;
    return f->status.class_ || f->code == 452 || mentions(f->text, "too many");
}

bool outcome_not_now(const struct finding *f)
{
    return f->fault == FAULT_NONE && f->code / 100 == 4 && f->where >= WHERE_MAIL &&
           !outcome_too_many_rcpt(f);
}

bool outcome_is_address(const struct finding *f)
{
    return f->fault == FAULT_NONE && f->code >= 400 && f->class == REPLY_IP_BLOCKED;
}

static const char *class_of_reply(const struct finding *f, const char *otherwise)
{
    return f->class == REPLY_NONE ? otherwise : reply_class_names[f->class];
}

static struct verdict judge_reply(const struct finding *f)
{
    if (f->code >= 200 && f->code < 300 && f->where == WHERE_FINAL)
        return (struct verdict){ .kind = VERDICT_DELIVERED, .status = status_for(f->status, 2) };
    if (f->code >= 500 && !about_session(f->where) && !outcome_too_many_rcpt(f) &&
        !f->ends_by_itself)
        return (struct verdict){ .kind = VERDICT_FAILED,
                                 .status = status_for(f->status, 5),
                                 .class = class_of_reply(f, "permanent") };
    struct verdict v = deferred(cause_of_reply(f), f->status, false);
    v.class = class_of_reply(f, v.class);
    return v;
}

static struct verdict judge_broken(const struct finding *f)
{
    enum retry_cause cause = f->where == WHERE_TLS ? RETRY_TLS : RETRY_REMOTE;
    /* RFC 3463: 4.4.1 no answer from host, 4.4.2 bad connection, 4.5.0 protocol. */
    struct enhanced status = { 4, 4, f->where == WHERE_CONNECT ? 1 : 2 };
    if (f->fault == FAULT_PROTOCOL)
        status = (struct enhanced){ 4, 5, 0 };
    struct verdict v = deferred(cause, f->status.class_ == 4 ? f->status : status, true);
    v.may_duplicate = f->where == WHERE_FINAL;
    return v;
}

static struct verdict judge_own(const struct finding *f)
{
    if (f->status.class_ == 5)
        return (
            struct verdict){ .kind = VERDICT_FAILED, .status = f->status, .class = "permanent" };
    enum retry_cause cause = f->where == WHERE_DNS   ? RETRY_DNS
                             : f->where == WHERE_TLS ? RETRY_TLS
                                                     : RETRY_REMOTE;
    return deferred(cause, f->status, f->where == WHERE_CONNECT);
}

struct finding outcome_elsewhere(void)
{
    return (struct finding){ .where = WHERE_HOP,
                             .fault = FAULT_ELSEWHERE,
                             .status = { 4, 5, 3 },
                             .text = SLICE_LIT("no more of it may go in one session") };
}

struct verdict outcome_judge(const struct finding *f)
{
    switch ((enum fault)f->fault) {
    case FAULT_NONE:
        return judge_reply(f);
    case FAULT_OURS:
        return judge_own(f);
    case FAULT_ELSEWHERE:
        return (
            struct verdict){ .kind = VERDICT_REROUTED, .status = f->status, .class = "session" };
    case FAULT_CLOSED:
    case FAULT_TIMEOUT:
    case FAULT_PROTOCOL:
        return judge_broken(f);
    }
    return judge_broken(f);
}
