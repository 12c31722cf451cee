#include "gateway/smtp/command.h"

#include "gateway/base/utf8.h"
#include "gateway/smtp/limits.h"

/* The verbs of every message come first: the table is searched from the top. */
static const struct verb_name {
    struct slice name;
    enum smtp_verb verb;
} verbs[] = {
    { SLICE_INIT("MAIL"), VERB_MAIL }, { SLICE_INIT("RCPT"), VERB_RCPT },
    { SLICE_INIT("DATA"), VERB_DATA }, { SLICE_INIT("BDAT"), VERB_BDAT },
    { SLICE_INIT("RSET"), VERB_RSET }, { SLICE_INIT("EHLO"), VERB_EHLO },
    { SLICE_INIT("QUIT"), VERB_QUIT }, { SLICE_INIT("HELO"), VERB_HELO },
    { SLICE_INIT("NOOP"), VERB_NOOP }, { SLICE_INIT("STARTTLS"), VERB_STARTTLS },
    { SLICE_INIT("AUTH"), VERB_AUTH }, { SLICE_INIT("VRFY"), VERB_VRFY },
    { SLICE_INIT("EXPN"), VERB_EXPN }, { SLICE_INIT("HELP"), VERB_HELP },
};

enum { VERBS_N = sizeof verbs / sizeof verbs[0] };

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

void command_parse(struct slice line, struct command *command_r)
{
    size_t n = 0;
    while (n < line.n && !blank(line.p[n]))
        n++;
    struct slice word = { line.p, n };
    command_r->args = slice_trim(slice_skip(line, n));
    command_r->verb = VERB_UNKNOWN;
    for (size_t i = 0; i < VERBS_N; i++) {
        if (slice_ieq(word, verbs[i].name)) {
            command_r->verb = verbs[i].verb;
            return;
        }
    }
}

static enum rc refuse(const char *reply, const char **reply_r)
{
    *reply_r = reply;
    return RC_PARSE;
}

enum rc command_check_no_args(const struct command *command, const char **reply_r)
{
    if (command->args.n)
        return refuse("501 5.5.4 This command takes no argument", reply_r);
    return RC_OK;
}

enum rc command_parse_bdat(struct slice args, struct bdat_args *bdat_r, const char **reply_r)
{
    static const char syntax[] = "501 5.5.4 Syntax: BDAT size [LAST]";
    struct slice size, last;
    slice_cut(args, ' ', &size, &last);
    last = slice_trim(last);
    *bdat_r = (struct bdat_args){ .last = last.n > 0 };
    if (last.n && !slice_ieq_str(last, "LAST"))
        return refuse(syntax, reply_r);
    if (!slice_to_u64(size, UINT64_MAX, &bdat_r->size))
        return refuse(syntax, reply_r);
    return RC_OK;
}

enum rc command_parse_auth(struct slice args, struct auth_args *auth_r, const char **reply_r)
{
    static const char syntax[] = "501 5.5.4 Syntax: AUTH mechanism [initial-response]";
    struct slice rest;
    *auth_r = (struct auth_args){ .initial_given = false };
    auth_r->initial_given = slice_cut(args, ' ', &auth_r->mechanism, &rest);
    if (auth_r->mechanism.n == 0)
        return refuse(syntax, reply_r);
    if (!auth_r->initial_given)
        return RC_OK;
    auth_r->initial = slice_trim(rest);
    for (size_t i = 0; i < auth_r->initial.n; i++)
        if (blank(auth_r->initial.p[i]))
            return refuse(syntax, reply_r);
    if (slice_eq_str(auth_r->initial, "="))
        auth_r->initial.n = 0; /* RFC 4954 section 4: an empty response, not an absent one */
    return RC_OK;
}

enum rc command_parse_helo(struct slice args, struct slice *name_r, const char **reply_r)
{
    if (args.n == 0)
        return refuse("501 5.5.4 Syntax: EHLO hostname", reply_r);
    if (args.n > SMTP_HELO_MAX)
        return refuse("501 5.5.4 Hostname too long", reply_r);
    bool word = utf8_is_valid(args);
    for (size_t i = 0; i < args.n; i++)
        word &= (unsigned char)args.p[i] > ' ' && args.p[i] != 127;
    if (!word)
        return refuse("501 5.5.4 Bad hostname", reply_r);
    *name_r = args;
    return RC_OK;
}
