/*
 * conf/docs — docs/CONFIG.md from the tables, so that it cannot fall behind them
 */
#include "gateway/conf/schema.h"

static void put_range(const struct conf_key *key, struct buf *out)
{
    if (key->max == 0)
        return;
    bool time = key->type == &type_duration, size = key->type == &type_size;
    const uint64_t ends[2] = { key->min, key->max };
    for (size_t i = 0; i < 2; i++) {
        buf_puts(out, i ? " to " : ", ");
        if (time)
            units_put_duration(out, (int64_t)ends[i]);
        else if (size)
            units_put_size(out, ends[i]);
        else
            buf_put_u64(out, ends[i]);
    }
}

static void put_form(const struct conf_key *key, struct buf *out)
{
    if (key->type != &type_enum) {
        buf_puts(out, key->type->name);
        put_range(key, out);
        return;
    }
    const char *const *names = key->more;
    for (size_t i = 0; names[i]; i++)
        buf_printf(out, "%s`%s`", i ? ", " : "", names[i]);
}

static void put_key(const struct conf_key *key, struct buf *out)
{
    buf_printf(out, "| `%s` | ", key->name);
    put_form(key, out);
    buf_puts(out, " | ");
    if (key->flags & KEY_REQUIRED)
        buf_puts(out, "required");
    else if (key->value)
        buf_printf(out, "`%s`", key->value);
    buf_printf(out, " | %s |\n", key->help);
}

static bool has_section(const struct conf_key *key)
{
    return key->type == &type_section || key->type == &type_sections || key->type == &type_dict;
}

static void put_section(const struct conf_section *s, const char *level, struct buf *out)
{
    buf_printf(out, "\n%s %s\n\n%s", level, s->name, s->help);
    if (s->single)
        buf_printf(out, " Each entry is `%s: %s`.\n", s->label->name, s->keys[0].name);
    else
        buf_puts(out, "\n\n| key | form | default | meaning |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; !s->single && i < s->n; i++)
        put_key(&s->keys[i], out);
    const struct conf_section *last = NULL; /* several keys may have one form: told once */
    for (size_t i = 0; i < s->n; i++) {
        const struct conf_section *inner = has_section(&s->keys[i]) ? s->keys[i].more : NULL;
        if (inner && inner != last)
            put_section(inner, "###", out);
        last = inner;
    }
}

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "This page is printed from the tables that read the files; a test fails when they differ.\n"
    "\n"
    "`waypost check` shows every error as `file:line:column`, not only the first; `waypost "
    "reload`\n"
    "checks, shows what changes and applies it, or keeps the running configuration.\n"
    "\n"
    "The smallest useful file:\n"
    "\n"
    "```yaml\n"
    "hostname: gw1.example.net\n"
    "listen: [ { address: \"127.0.0.1:25\" } ]\n"
    "clients: [ { network: 127.0.0.0/8 } ]\n"
    "```\n"
    "\n"
    "Times are written `500ms 30s 5m 4h 5d`, sizes `64KiB 50MiB 2GiB`, rates `2/s 500/min 1000/h\n"
    "20000/day`. Relative paths start at the folder of the file they stand in. Where a list is "
    "asked\n"
    "for, one value will do.\n"
    "Anchors, aliases and tags of YAML are not used.\n";

static const char patterns[] =
    "\n## Conditions and patterns\n"
    "\n"
    "A `when` is a map; its keys are joined by and, `not: { ... }` negates. A value is one pattern "
    "or\n"
    "a list (any of). An empty or absent `when` matches all mail.\n"
    "\n"
    "| key | matches | patterns |\n"
    "| --- | --- | --- |\n"
    "| `sender` `recipient` | the address; the null sender is `<>` | text |\n"
    "| `sender_domain` `recipient_domain` | what follows the `@` | text |\n"
    "| `client` | the name of the matching `clients` entry, or the address | text, network |\n"
    "| `user` | the authenticated user | text |\n"
    "| `header` | a map of header names; any header of that name | text |\n"
    "| `size` | the size of the message | size, range |\n"
    "| `mx` | any MX host name of the destination | text |\n"
    "| `site` | the name of the destination's set of MX hosts | text |\n"
    "| `recipient_carrier` `recipient_region` | where the destination's first mail exchanger is, "
    "by "
    "`geo` | text |\n"
    "| `priority` | the lane: urgent, high, normal, bulk | text |\n"
    "| `time` | the time of the week, UTC | window |\n"
    "| `provider` | in `traffic`: whose the MX hosts are, as `waypost report reputation` names "
    "them | text |\n"
    "| `egress` | in `traffic`: the egress that the mail leaves by | text |\n"
    "\n"
    "Texts match without regard to case, `*` stands for any run of characters: "
    "`ceo@corp.example`,\n"
    "`*@corp.example`, `*.bank.example`. Networks: `10.0.0.0/8`, `2001:db8::1`. Ranges: `>1MiB`,\n"
    "`<=10KiB`, `1MiB..5MiB`. Windows: `08:00-18:00`, `mon-fri 22:00-06:00`, `sat,sun`.\n";

void conf_put_docs(struct buf *out)
{
    buf_puts(out, introduction);
    put_section(&section_root, "##", out);
    put_section(&section_users_file, "##", out);
    put_section(&section_policies, "##", out);
    buf_puts(out, patterns);
}
