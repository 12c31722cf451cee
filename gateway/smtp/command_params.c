/*
 * smtp/command_params — MAIL and RCPT with the parameters of their extensions (smtp/command.h)
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/utf8.h"
#include "gateway/mail/xtext.h"
#include "gateway/smtp/command.h"
#include "gateway/smtp/limits.h"

struct value {
    bool given; /* there was a `=` */
    struct slice text;
    unsigned offered;
    bool utf8; /* the transaction is SMTPUTF8 */
};

/* Sets what the value says in `args`; false: the value is wrong. */
typedef bool param_set_fn(void *args, const struct value *value);

struct param {
    struct slice name;
    unsigned ext; /* offered by this extension */
    param_set_fn *set;
    const char *refusal; /* when `set` says false */
};

static bool set_size(void *args, const struct value *v)
{
    struct mail_args *m = args;
    m->size_given = true;
    return slice_to_u64(v->text, UINT64_MAX, &m->size);
}

static bool set_body(void *args, const struct value *v)
{
    struct mail_args *m = args;
    if (slice_ieq_str(v->text, "7BIT"))
        m->body = BODY_7BIT;
    else if (slice_ieq_str(v->text, "8BITMIME"))
        m->body = BODY_8BITMIME;
    else if (slice_ieq_str(v->text, "BINARYMIME") && (v->offered & EXT_BINARYMIME))
        m->body = BODY_BINARYMIME;
    else
        return false;
    return true;
}

static bool set_smtputf8(void *args, const struct value *v)
{
    struct mail_args *m = args;
    m->smtputf8 = true;
    return !v->given;
}

static bool set_ret(void *args, const struct value *v)
{
    struct mail_args *m = args;
    if (slice_ieq_str(v->text, "FULL"))
        m->ret = DSN_RET_FULL;
    else if (slice_ieq_str(v->text, "HDRS"))
        m->ret = DSN_RET_HDRS;
    return m->ret != DSN_RET_NONE;
}

static bool set_envid(void *args, const struct value *v)
{
    struct mail_args *m = args;
    m->env_id = v->text;
    return v->text.n <= SMTP_ENVID_MAX && xtext_is_valid(v->text);
}

static bool set_auth(void *args, const struct value *v)
{
    struct mail_args *m = args;
    m->auth_given = true;
    m->auth = v->text;
    return xtext_is_valid(v->text);
}

static bool set_mt_priority(void *args, const struct value *v)
{
    struct mail_args *m = args;
    bool negative = v->text.n && v->text.p[0] == '-';
    struct slice digit = slice_skip(v->text, negative);
    if (digit.n != 1 || digit.p[0] < '0' || digit.p[0] > '9' || (negative && digit.p[0] == '0'))
        return false;
    int level = digit.p[0] - '0';
    m->mt_priority_given = true;
    m->mt_priority = (int8_t)(negative ? -level : level);
    return true;
}

/* RFC 2852 section 4: at most nine digits. */
static bool set_by(void *args, const struct value *v)
{
    struct mail_args *m = args;
    struct slice time, mode;
    uint64_t seconds;
    bool negative = slice_istarts_with(v->text, "-");
    slice_cut(v->text, ';', &time, &mode);
    time = slice_skip(time, negative || slice_istarts_with(time, "+"));
    if (time.n > 9 || !slice_to_u64(time, SMTP_SECONDS_MAX, &seconds) || mode.n < 1 || mode.n > 2)
        return false;
    m->by_s = negative ? -(int32_t)seconds : (int32_t)seconds;
    m->by_mode = slice_istarts_with(mode, "R") ? BY_RETURN : BY_NOTIFY;
    m->by_trace = mode.n == 2;
    return (m->by_mode == BY_NOTIFY ? slice_istarts_with(mode, "N") : m->by_s > 0) &&
           (mode.n == 1 || slice_ieq_str(slice_skip(mode, 1), "T"));
}

static bool set_hold_for(void *args, const struct value *v)
{
    struct mail_args *m = args;
    uint64_t seconds;
    if (m->hold_until_ms || v->text.n > 9 || !slice_to_u64(v->text, SMTP_SECONDS_MAX, &seconds))
        return false;
    m->hold_for_s = (uint32_t)seconds;
    return seconds > 0 && v->text.p[0] != '0';
}

static bool set_hold_until(void *args, const struct value *v)
{
    struct mail_args *m = args;
    return !m->hold_for_s && clock_parse_rfc3339(v->text, &m->hold_until_ms) && m->hold_until_ms;
}

static unsigned notify_flag(struct slice word)
{
    if (slice_ieq_str(word, "SUCCESS"))
        return NOTIFY_SUCCESS;
    if (slice_ieq_str(word, "FAILURE"))
        return NOTIFY_FAILURE;
    return slice_ieq_str(word, "DELAY") ? NOTIFY_DELAY : 0;
}

static bool set_notify(void *args, const struct value *v)
{
    struct rcpt_args *r = args;
    unsigned set = 0;
    struct slice word, rest = v->text;
    bool more = !slice_ieq_str(v->text, "NEVER");
    if (!more)
        set = NOTIFY_NEVER;
    while (more) {
        more = slice_cut(rest, ',', &word, &rest);
        unsigned flag = notify_flag(word);
        if (flag == 0)
            return false;
        set |= flag;
    }
    r->notify = (uint8_t)set;
    return true;
}

static bool set_orcpt(void *args, const struct value *v)
{
    struct rcpt_args *r = args;
    r->orcpt = v->text;
    return v->text.n <= SMTP_ORCPT_MAX && orcpt_is_valid(v->text) &&
           (v->utf8 || utf8_is_ascii(v->text));
}

static const struct param mail_params[] = {
    { SLICE_INIT("SIZE"), EXT_SIZE, set_size, "501 5.5.4 Bad SIZE value" },
    { SLICE_INIT("BODY"), EXT_8BITMIME, set_body, "501 5.5.4 Bad BODY value" },
    { SLICE_INIT("SMTPUTF8"), EXT_SMTPUTF8, set_smtputf8, "501 5.5.4 SMTPUTF8 takes no value" },
    { SLICE_INIT("RET"), EXT_DSN, set_ret, "501 5.5.4 Bad RET value" },
    { SLICE_INIT("ENVID"), EXT_DSN, set_envid, "501 5.5.4 Bad ENVID value" },
    { SLICE_INIT("AUTH"), EXT_AUTH, set_auth, "501 5.5.4 Bad AUTH value" },
    { SLICE_INIT("MT-PRIORITY"), EXT_MT_PRIORITY, set_mt_priority,
      "501 5.5.4 Bad MT-PRIORITY value" },
    { SLICE_INIT("BY"), EXT_DELIVERBY, set_by,
      "501 5.5.4 Bad BY value: seconds;R or seconds;N, above 0 with R" },
    { SLICE_INIT("HOLDFOR"), EXT_FUTURERELEASE, set_hold_for,
      "501 5.5.4 Bad HOLDFOR value, or HOLDUNTIL is given too" },
    { SLICE_INIT("HOLDUNTIL"), EXT_FUTURERELEASE, set_hold_until,
      "501 5.5.4 Bad HOLDUNTIL value, or HOLDFOR is given too" },
};

static const struct param rcpt_params[] = {
    { SLICE_INIT("NOTIFY"), EXT_DSN, set_notify, "501 5.5.4 Bad NOTIFY value" },
    { SLICE_INIT("ORCPT"), EXT_DSN, set_orcpt, "501 5.5.4 Bad ORCPT value" },
};

enum {
    MAIL_PARAMS_N = sizeof mail_params / sizeof mail_params[0],
    RCPT_PARAMS_N = sizeof rcpt_params / sizeof rcpt_params[0]
};

/* esmtp-value of RFC 5321 section 4.1.2, with the UTF-8 of RFC 6531. */
static bool value_is_valid(struct slice s)
{
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == '=' || s.p[i] == 127)
            return false;
    return true;
}

static const char *take_param(struct slice word, const struct param *params, size_t params_n,
                              struct value *value, void *args, unsigned *seen)
{
    struct slice name;
    value->given = slice_cut(word, '=', &name, &value->text);
    if (value->given && !value_is_valid(value->text))
        return "501 5.5.4 Bad parameter syntax";
    for (size_t i = 0; i < params_n; i++) {
        if (!slice_ieq(name, params[i].name) || !(value->offered & params[i].ext))
            continue;
        if (*seen & 1u << i)
            return "501 5.5.4 Parameter given twice";
        *seen |= 1u << i;
        return params[i].set(args, value) ? NULL : params[i].refusal;
    }
    return "555 5.5.4 Parameter not recognized or not offered";
}

/* NULL, or the reply that refuses. `rest` is what follows the path. */
static const char *take_params(struct slice rest, const struct param *params, size_t params_n,
                               struct value *value, void *args)
{
    unsigned seen = 0;
    if (rest.n && rest.p[0] != ' ' && rest.p[0] != '\t')
        return "501 5.5.4 Bad syntax behind the address";
    for (rest = slice_trim(rest); rest.n; rest = slice_trim(rest)) {
        struct slice word;
        slice_cut(rest, ' ', &word, &rest);
        const char *refusal = take_param(word, params, params_n, value, args, &seen);
        if (refusal)
            return refusal;
    }
    return NULL;
}

/* "FROM:" or "TO:", then the path; blanks between are an old habit of clients. */
static bool take_path_word(struct slice *args, const char *word)
{
    size_t n = strlen(word);
    if (!slice_istarts_with(*args, word))
        return false;
    *args = slice_trim(slice_skip(*args, n));
    return true;
}

static enum rc refuse(const char *reply, const char **reply_r)
{
    *reply_r = reply;
    return RC_PARSE;
}

static const char utf8_refusal[] = "553 5.6.7 This address needs SMTPUTF8";

enum rc command_parse_mail(struct slice args, unsigned offered, struct mail_args *mail_r,
                           const char **reply_r)
{
    struct slice rest;
    *mail_r = (struct mail_args){ .size = 0 };
    if (!take_path_word(&args, "FROM:"))
        return refuse("501 5.5.4 Syntax: MAIL FROM:<address>", reply_r);
    enum rc rc = address_parse_path(args, &mail_r->from, &rest);
    if (rc == RC_LIMIT)
        return refuse("501 5.1.7 Sender address too long", reply_r);
    if (rc || (mail_r->from.text.n && mail_r->from.domain.n == 0))
        return refuse("501 5.1.7 Bad sender address syntax", reply_r);
    struct value value = { .offered = offered };
    const char *refusal = take_params(rest, mail_params, MAIL_PARAMS_N, &value, mail_r);
    if (!refusal && !mail_r->smtputf8 && !utf8_is_ascii(mail_r->from.text))
        refusal = utf8_refusal;
    return refusal ? refuse(refusal, reply_r) : RC_OK;
}

enum rc command_parse_rcpt(struct slice args, unsigned offered, bool smtputf8,
                           struct rcpt_args *rcpt_r, const char **reply_r)
{
    struct slice rest;
    *rcpt_r = (struct rcpt_args){ .notify = 0 };
    if (!take_path_word(&args, "TO:"))
        return refuse("501 5.5.4 Syntax: RCPT TO:<address>", reply_r);
    enum rc rc = address_parse_path(args, &rcpt_r->to, &rest);
    if (rc == RC_LIMIT)
        return refuse("501 5.1.3 Recipient address too long", reply_r);
    if (rc || address_is_null(&rcpt_r->to))
        return refuse("501 5.1.3 Bad recipient address syntax", reply_r);
    struct value value = { .offered = offered, .utf8 = smtputf8 };
    const char *refusal = take_params(rest, rcpt_params, RCPT_PARAMS_N, &value, rcpt_r);
    if (!refusal && !smtputf8 && !utf8_is_ascii(rcpt_r->to.text))
        refusal = utf8_refusal;
    return refusal ? refuse(refusal, reply_r) : RC_OK;
}
