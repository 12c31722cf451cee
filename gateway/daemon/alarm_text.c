#include "gateway/daemon/alarm_text.h"

#include "gateway/base/json.h"

/* ---- lists ---- */

struct fault_words {
    const char *what, *todo;
};

/* By enum list_fault, and one more. */
static const struct fault_words fault_words[LIST_FAULTS + 1] = {
    { "can be believed again", "" },
    { "suddenly lists most of our addresses",
      "nothing at once: mail goes on by all of them. Look some up at the list's own site; if the "
      "list is at fault, take it out of the configuration and reload" },
    { "goes on listing most of our addresses",
      "mail goes on by at least half of the addresses of each route. If the list is right, find "
      "out what was sent, stop it, and have the addresses removed there; if it is at fault, take "
      "it out of the configuration and reload" },
    { "says nothing usable",
      "see whether the resolvers or the URL can be reached; a list that was closed is to be taken "
      "out of the configuration. Mail goes on" },
    { "has content that cannot be used",
      "see to the file or URL; what it said before counts for another day. Mail goes on" },
    { "cannot be believed", "" }, /* kept by a version that did not say why */
};

static const struct fault_words *words_of(const struct alarm *a)
{
    size_t i = 0;
    while (i < LIST_FAULTS && !slice_eq_str(a->state, list_fault_names[i]))
        i++;
    return &fault_words[i];
}

/* ---- one alarm ---- */

static void put_who(struct buf *out, const struct alarm *a)
{
    char address[ADDR_TEXT_MAX];
    buf_put_slice(out, a->egress);
    if (a->address.family != ADDR_NONE)
        buf_printf(out, " (%s)", addr_host_text(&a->address, address));
}

/* Good news. */
static bool is_over(const struct alarm *a)
{
    return (a->kind == ALARM_POOL && slice_eq_str(a->state, "back")) ||
           (a->kind == ALARM_LIST && words_of(a) == &fault_words[LIST_FINE]);
}

static void put_what(struct buf *out, const struct alarm *a)
{
    switch ((enum alarm_kind)a->kind) {
    case ALARM_ADDRESS:
        put_who(out, a);
        buf_printf(out, " is %.*s", SLICE_FMT(a->state));
        break;
    case ALARM_ACKNOWLEDGE:
        put_who(out, a);
        buf_puts(out, " is quarantined and waits to be acknowledged");
        break;
    case ALARM_PROVIDER:
        put_who(out, a);
        buf_printf(out, " is blocked by %.*s again", SLICE_FMT(a->with));
        break;
    case ALARM_POOL:
        buf_printf(out,
                   is_over(a) ? "route %.*s has an address again that may carry mail"
                              : "no address of route %.*s may carry mail",
                   SLICE_FMT(a->with));
        break;
    case ALARM_LIST:
        buf_printf(out, "the list %.*s %s", SLICE_FMT(a->with), words_of(a)->what);
        break;
    case ALARM_NAMES:
        put_who(out, a);
        buf_puts(out, " has broken names");
        break;
    case ALARM_STATE:
        buf_puts(out, "the standing of the addresses is lost");
        break;
    case ALARM_KINDS:
        break;
    }
}

/* What to do about it; about an address as things are now. */
static const char *todo_of(const struct alarm_message *m, const struct alarm *a)
{
    static const char *const of_kind[ALARM_KINDS] = {
        [ALARM_POOL] =
            "see who is out, and why: waypost egress list. Mend what it names, add an egress to "
            "the "
            "route, or vouch for an address: waypost egress reset NAME. What waits leaves as soon "
            "as one is back",
        [ALARM_PROVIDER] =
            "read its replies: waypost report reputation; they often name a page to ask for "
            "removal. Its mail goes by other addresses, or waits; one mail is tried in some hours",
        [ALARM_STATE] = "give the orders that were in force again: waypost egress disable NAME",
    };
    struct standing_view view;
    if (a->kind == ALARM_LIST)
        return words_of(a)->todo;
    const char *todo = a->kind < ALARM_KINDS ? of_kind[a->kind] : NULL;
    if (todo)
        return is_over(a) ? "" : todo;
    int member = a->egress.n ? standing_find(m->standing, a->egress, &a->address) : STANDING_NONE;
    return standing_view(m->standing, member, m->now_ms, &view) ? view.todo : "";
}

static void put_alarm(struct buf *out, const struct alarm_message *m, const struct alarm *a)
{
    const char *todo = todo_of(m, a);
    buf_puts(out, "- ");
    put_what(out, a);
    if (a->reason.n)
        buf_printf(out, ": %.*s", SLICE_FMT(a->reason));
    buf_putc(out, '\n');
    if (todo[0])
        buf_printf(out, "  What to do: %s.\n", todo);
}

static void put_alarms(struct buf *out, const struct alarm_message *m, const struct alarm *at,
                       uint32_t n, uint32_t more)
{
    for (uint32_t i = 0; i < n; i++)
        put_alarm(out, m, &at[i]);
    if (more)
        buf_printf(out, "- and %u more\n", (unsigned)more);
}

/* ---- the message ---- */

void alarm_put_subject(struct buf *out, const struct alarm_message *m)
{
    const struct alarm_digest *d = m->digest;
    uint32_t n = d->fresh_n + d->fresh_more + d->held_n + d->held_more;
    buf_printf(out, "Waypost %.*s: ", SLICE_FMT(m->hostname));
    put_what(out, d->fresh_n ? &d->fresh[0] : &d->held[0]);
    if (n > 1)
        buf_printf(out, ", and %u more", (unsigned)(n - 1));
}

void alarm_put_text(struct buf *out, const struct alarm_message *m)
{
    const struct alarm_digest *d = m->digest;
    bool over = true;
    for (uint32_t i = 0; i < d->fresh_n + d->held_n; i++)
        over = over && is_over(i < d->fresh_n ? &d->fresh[i] : &d->held[i - d->fresh_n]);
    buf_printf(out, "The gateway %.*s %s:\n\n", SLICE_FMT(m->hostname),
               over ? "has got over something" : "asks for a person");
    put_alarms(out, m, d->fresh, d->fresh_n, d->fresh_more);
    if (d->held_n) {
        buf_puts(out, d->fresh_n ? "\nSince the message before, also:\n\n" : "");
        put_alarms(out, m, d->held, d->held_n, d->held_more);
    }
    buf_puts(out, "\nEverything about it: waypost report reputation; orders: waypost help egress.\n"
                  "The same thing is told once an hour at most.\n");
}

static void put_object(struct buf *out, const struct alarm_message *m, const struct alarm *a)
{
    char address[ADDR_TEXT_MAX];
    const char *todo = todo_of(m, a);
    struct buf what;
    buf_init(&what, 2048);
    put_what(&what, a);
    json_open(out, '{');
    json_cstr(out, "kind", alarm_kind_names[a->kind]);
    if (a->egress.n)
        json_str(out, "egress", a->egress);
    if (a->address.family != ADDR_NONE)
        json_cstr(out, "address", addr_host_text(&a->address, address));
    if (a->with.n)
        json_str(out, "with", a->with);
    if (a->state.n)
        json_str(out, "state", a->state);
    json_str(out, "what", buf_slice(&what));
    json_str(out, "reason", a->reason);
    if (todo[0])
        json_cstr(out, "todo", todo);
    json_close(out, '}');
    buf_free(&what);
}

static void put_objects(struct buf *out, const char *key, const struct alarm_message *m,
                        const struct alarm *at, uint32_t n)
{
    json_key(out, key);
    json_open(out, '[');
    for (uint32_t i = 0; i < n; i++)
        put_object(out, m, &at[i]);
    json_close(out, ']');
}

void alarm_put_json(struct buf *out, const struct alarm_message *m)
{
    const struct alarm_digest *d = m->digest;
    struct buf subject;
    buf_init(&subject, 2048);
    alarm_put_subject(&subject, m);
    json_open(out, '{');
    json_str(out, "hostname", m->hostname);
    json_time(out, "time", m->now_ms);
    json_str(out, "text", buf_slice(&subject));
    put_objects(out, "alarms", m, d->fresh, d->fresh_n);
    put_objects(out, "withheld", m, d->held, d->held_n);
    json_int(out, "more", (int64_t)d->fresh_more + d->held_more);
    json_close(out, '}');
    buf_free(&subject);
}
