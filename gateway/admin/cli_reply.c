/*
 * admin/cli_reply — `waypost explain-reply`: what a remote reply means, and what follows from it
 *
 *   Needs no daemon, and no configuration unless one is named. The operator's `replies` come before
 *   the shipped rules; our address is, without --ip, the one of the configuration that is named,
 *   and so is, without --ehlo, our host's name.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/admin/cli.h"
#include "gateway/base/json.h"
#include "gateway/conf/conf.h"
#include "gateway/smtp/limits.h"
#include "policies/reply.h"
#include "reputation/reply.h"

struct question {
    struct reply_facts facts;
    struct addr source;
    struct slice mx;
    const char *from, *to; /* NULL: not given */
    struct buf text;
};

/* ---- reading ---- */

/* The next line: up to a line break or the two characters \n. */
static bool next_line(struct slice *rest, struct slice *line_r)
{
    size_t n = 0;
    if (rest->n == 0)
        return false;
    while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r' &&
           !(rest->p[n] == '\\' && n + 1 < rest->n && rest->p[n + 1] == 'n'))
        n++;
    *line_r = (struct slice){ rest->p, n };
    size_t used = n < rest->n ? n + (rest->p[n] == '\\' ? 2 : 1) : n;
    *rest = slice_skip(*rest, used);
    return true;
}

static void skip_code(struct slice *line, uint16_t code)
{
    uint64_t found;
    struct slice digits = { line->p, 3 };
    if (line->n < 3 || !slice_to_u64(digits, 599, &found) || found != code)
        return;
    if (line->n > 3 && line->p[3] != ' ' && line->p[3] != '-')
        return;
    *line = slice_skip(*line, line->n > 3 ? 4 : 3);
}

static bool read_reply(struct question *q, const char *text)
{
    struct slice line, rest = slice_trim(slice_of(text));
    struct enhanced status;
    uint64_t code;
    if (rest.n < 3 || !slice_to_u64((struct slice){ rest.p, 3 }, 599, &code) || code < 200)
        return false;
    if (rest.n > 3 && !strchr(" -\\\r\n", rest.p[3]))
        return false;
    q->facts.code = (uint16_t)code;
    while (next_line(&rest, &line)) {
        line = slice_trim(line);
        skip_code(&line, q->facts.code);
        if (!q->facts.status.class_ && enhanced_parse(line, &status, NULL) &&
            status.class_ == code / 100)
            q->facts.status = status;
        if (buf_len(&q->text))
            buf_putc(&q->text, '\n');
        buf_put_slice(&q->text, line);
    }
    q->facts.text = buf_slice(&q->text);
    return !q->text.full;
}

static bool read_step(const char *name, enum reply_at *at_r)
{
    for (unsigned i = 0; reply_at_names[i]; i++) {
        if (strcmp(reply_at_names[i], name) == 0) {
            *at_r = (enum reply_at)i;
            return true;
        }
    }
    return false;
}

static int read_question(struct cli *cli, struct question *q)
{
    const char *mx = cli_option(cli, "mx"), *ip = cli_option(cli, "ip");
    const char *at = cli_option(cli, "at");
    q->from = cli_option(cli, "from");
    q->to = cli_option(cli, "to");
    if (!mx || cli->word_count == 0)
        return cli_usage(cli, "--mx HOST and the reply are needed");
    if (ip && (addr_parse(slice_of(ip), &q->source) != RC_OK || q->source.port))
        return cli_usage(cli, "--ip %.60s is no address", ip);
    if (q->to && !strchr(q->to, '@'))
        return cli_usage(cli, "--to %.100s is no address", q->to);
    if (q->from && !strchr(q->from, '@'))
        return cli_usage(cli, "--from %.100s is no address", q->from);
    if (at && !read_step(at, &q->facts.at))
        return cli_usage(cli, "--at %.40s is no step of the dialogue", at);
    if (!read_reply(q, cli->words[0]))
        return cli_usage(cli,
                         "the reply must begin with its code, such as 550, and have at most "
                         "%d bytes",
                         SMTP_REPLY_KEEP_MAX);
    q->mx = q->facts.mx = slice_of(mx);
    q->facts.ehlo = slice_of(cli_option(cli, "ehlo"));
    /* As in a delivery: until MAIL and RCPT the peer knows of neither. */
    if (q->facts.at == REPLY_AT_UNKNOWN || q->facts.at >= REPLY_AT_MAIL)
        q->facts.sender = slice_of(q->from);
    if (q->facts.at == REPLY_AT_UNKNOWN || q->facts.at >= REPLY_AT_RCPT)
        q->facts.recipient = slice_of(q->to);
    if (ip)
        q->facts.source = &q->source;
    return CLI_OK;
}

/* ---- judging ---- */

static void ask_operator(const struct policies *policies, const struct question *q,
                         struct reply_judgement *j)
{
    char text[REPLY_TEXT_MAX];
    struct facts facts = { .known = FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_TEXT),
                           .mx = &q->mx,
                           .mx_count = 1,
                           .text = reply_normal(&q->facts, text) };
    if (q->from)
        facts_set_sender(&facts, slice_of(q->from));
    if (q->to)
        facts_set_recipient(&facts, slice_of(q->to));
    struct reply_choice choice = policies_reply(policies, &facts);
    if (choice.rule)
        reply_overrule(j, &q->facts, choice.class, choice.rule);
}

/* ---- telling ---- */

static const char *const next_names[] = { "waits", "elsewhere", "returned" };

static const char *next_text(enum reply_next next, const struct question *q,
                             const struct reply_judgement *j)
{
    if (q->facts.code < 400)
        return "goes on: this is no refusal";
    if (next == REPLY_NEXT_ELSEWHERE)
        return "is tried over another egress; refused there too, it is returned to its sender";
    if (next == REPLY_NEXT_RETURNED)
        return "is returned to its sender";
    return j->class == REPLY_GREYLIST ? "waits, and is tried again from the same address"
                                      : "waits, and is tried again";
}

/* The weighed lines that speak most for the class. */
static void put_json_reasons(const struct reply_judgement *j, struct buf *out)
{
    json_key(out, "because");
    json_open(out, '[');
    for (size_t i = 0; i < REPLY_REASONS && j->because[i].line; i++) {
        json_open(out, '{');
        json_cstr(out, "line", j->because[i].line);
        json_int(out, "points", j->because[i].points);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_json(const struct question *q, const struct reply_judgement *j, struct buf *out)
{
    json_open(out, '{');
    json_cstr(out, "class", reply_class_names[j->class]);
    json_cstr(out, "rule", j->rule);
    if (j->because[0].line)
        put_json_reasons(j, out);
    json_cstr(out, "scope", reply_scope_names[j->scope]);
    json_str(out, "provider", j->provider);
    if (j->zone.n)
        json_str(out, "list", j->zone);
    json_bool(out, "names_us", j->names_us);
    json_bool(out, "names_other", j->names_other);
    json_bool(out, "names_ehlo", j->names_ehlo);
    json_bool(out, "names_sender", j->names_sender);
    json_bool(out, "names_recipient", j->names_recipient);
    json_bool(out, "ends_by_itself", j->ends_by_itself);
    json_int(out, "points", reply_points(j->class));
    if (q->facts.code >= 400)
        json_cstr(out, "mail", next_names[reply_next(j, &q->facts)]);
    json_close(out, '}');
    buf_putc(out, '\n');
}

static void put_text(const struct question *q, const struct reply_judgement *j, struct buf *out)
{
    unsigned points = reply_points(j->class);
    buf_printf(out, "class     %s%s\n", reply_class_names[j->class],
               j->ends_by_itself ? ", for a while only" : "");
    buf_printf(out, "rule      %s\n", j->rule);
    for (size_t i = 0; i < REPLY_REASONS && j->because[i].line; i++)
        buf_printf(out, "because   %s (+%d)\n", j->because[i].line, j->because[i].points);
    buf_printf(out, "about     %s%s%s%s%s\n", reply_scope_names[j->scope],
               j->names_us      ? " (names our address)"
               : j->names_other ? " (names another address)"
                                : "",
               j->names_ehlo ? " (names our host)" : "",
               j->names_sender ? " (names the sender)" : "",
               j->names_recipient ? " (names the recipient)" : "");
    buf_printf(out, "provider  %.*s\n", SLICE_FMT(j->provider));
    if (j->zone.n)
        buf_printf(out, "list      %.*s\n", SLICE_FMT(j->zone));
    if (points)
        buf_printf(out, "costs     %u points of evidence against the egress\n", points);
    else
        buf_puts(out, "costs     the egress nothing\n");
    buf_printf(out, "mail      %s\n", next_text(reply_next(j, &q->facts), q, j));
}

static bool names(const struct reply_rules *rules, struct question *q, const struct addr *address)
{
    struct reply_judgement j;
    q->source = *address;
    q->facts.source = &q->source;
    reply_classify(rules, &q->facts, &j);
    return j.names_us;
}

/* Without --ip: the address of the configuration that the reply names; none is asked for then. */
static void find_source(const struct reply_rules *rules, const struct conf *conf,
                        struct question *q)
{
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        for (size_t k = 0; k < e->addresses.n; k++)
            if (names(rules, q, &e->addresses.at[k]))
                return;
        if (e->via.source.family != ADDR_NONE && names(rules, q, &e->via.source))
            return;
    }
    q->facts.source = NULL;
}

/* Without --ehlo: what the egress of our address calls itself, else the host. */
static struct slice find_ehlo(const struct conf *conf, const struct addr *source)
{
    for (size_t i = 0; source && i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        bool ours = addr_same_host(&e->via.source, source);
        for (size_t k = 0; !ours && k < e->addresses.n; k++)
            ours = addr_same_host(&e->addresses.at[k], source);
        if (ours)
            return e->ehlo;
    }
    return conf->hostname;
}

/* policies NULL: there is no configuration. */
static int tell(struct cli *cli, struct question *q, const struct policies *policies)
{
    struct reply_rules *rules = reply_rules_shipped();
    struct reply_judgement j;
    struct buf out;
    if (policies && !q->facts.source)
        find_source(rules, policies_conf(policies), q);
    if (policies && !q->facts.ehlo.n)
        q->facts.ehlo = find_ehlo(policies_conf(policies), q->facts.source);
    reply_classify(rules, &q->facts, &j);
    if (policies && q->facts.code >= 400)
        ask_operator(policies, q, &j);
    buf_init(&out, 64 << 10);
    if (cli->json)
        put_json(q, &j, &out);
    else
        put_text(q, &j, &out);
    fwrite(buf_slice(&out).p, 1, buf_len(&out), stdout);
    buf_free(&out);
    reply_rules_free(&rules);
    return CLI_OK;
}

/* A file that was named must be there. */
static bool is_without_file(const struct cli *cli)
{
    return strcmp(cli->conf_path, CLI_CONF_PATH) == 0 && access(cli->conf_path, F_OK) != 0;
}

static int load_and_tell(struct cli *cli, struct question *q)
{
    if (is_without_file(cli))
        return tell(cli, q, NULL);
    struct bundle *bundle = bundle_new_disk();
    struct conf_errors *errors = conf_errors_new();
    struct policies *policies = NULL;
    int status = CLI_CONFIGURATION;
    if (policies_load(bundle, cli->conf_path, &policies, errors) == RC_OK) {
        status = tell(cli, q, policies);
    } else {
        struct buf text;
        buf_init(&text, 4 << 20);
        conf_errors_put_text(errors, &text);
        fwrite(buf_slice(&text).p, 1, buf_len(&text), stderr);
        buf_free(&text);
    }
    policies_unref(&policies);
    conf_errors_free(&errors);
    bundle_free(&bundle);
    return status;
}

int cli_explain_reply(struct cli *cli)
{
    struct question q = { 0 };
    buf_init(&q.text, SMTP_REPLY_KEEP_MAX);
    int status = read_question(cli, &q);
    if (status == CLI_OK)
        status = load_and_tell(cli, &q);
    buf_free(&q.text);
    return status;
}
