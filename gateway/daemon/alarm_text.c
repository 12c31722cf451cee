#include "gateway/daemon/alarm_text.h"

#include "gateway/base/json.h"
#include "gateway/conf/zones.h"

enum {
    LINK_MAX = 1024,
    SHOWN_REASON_MAX = 160,
    TEXT_ENOUGH = 40 << 10 /* then no alarm begins: a letter takes LINK_LETTER_MAX */
};

/* ---- lists ---- */

struct fault_words {
    const char *what, *does, *todo;
};

/* By enum list_fault, and one more. */
static const struct fault_words fault_words[LIST_FAULTS + 1] = {
    { "can be believed again", "", "" },
    { "suddenly lists most of our addresses",
      "mail goes on by all of them; it is believed if it still says so in 15 minutes",
      "nothing at once. Look some up at the list's own site; if the list is at fault, take it out "
      "of the configuration and reload" },
    { "goes on listing most of our addresses",
      "mail goes on by at least half of the addresses of each route",
      "if the list is right, find out what was sent, stop it, and have the addresses removed "
      "there; if it is at fault, take it out of the configuration and reload" },
    { "says nothing usable",
      "mail goes on; what the list said before counts for a day, and nothing new is learnt of it",
      "see whether the resolvers or the URL can be reached; a list that was closed is to be taken "
      "out of the configuration" },
    { "has content that cannot be used",
      "mail goes on; what the list said before counts for another day", "see to the file or URL" },
    { "cannot be believed", "", "" }, /* kept by a version that did not say why */
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

/* In few words: what a state means. */
static const char *state_words(struct slice state)
{
    if (slice_eq_str(state, standing_state_names[STANDING_DRAINING]))
        return "carries no new mail (draining)";
    return slice_eq_str(state, standing_state_names[STANDING_LISTED]) ? "carries no mail (listed)"
                                                                      : "carries no mail "
                                                                        "(quarantined)";
}

static void put_what(struct buf *out, const struct alarm *a)
{
    switch ((enum alarm_kind)a->kind) {
    case ALARM_ADDRESS:
        put_who(out, a);
        buf_printf(out, " %s", state_words(a->state));
        break;
    case ALARM_ACKNOWLEDGE:
        put_who(out, a);
        buf_puts(out, " is quarantined and waits to be acknowledged");
        break;
    case ALARM_PROVIDER:
        put_who(out, a);
        buf_printf(out, " is blocked by %.*s", SLICE_FMT(a->with));
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

static void put_reason(struct buf *out, const struct alarm *a, size_t max)
{
    if (a->reason.n)
        buf_printf(out, ": %.*s%s", (int)(a->reason.n < max ? a->reason.n : max), a->reason.p,
                   a->reason.n > max ? "..." : "");
}

/* ---- what is made of it, and what to do ---- */

struct advice_words {
    const char *does, *todo;
};

static bool any_last_resort(const struct alarm_message *m)
{
    struct standing_view view;
    for (int i = 0; standing_view(m->standing, i, m->now_ms, &view); i++)
        if (view.last_resort)
            return true;
    return false;
}

static int member_of(const struct alarm_message *m, const struct alarm *a)
{
    return a->egress.n ? standing_find(m->standing, a->egress, &a->address) : STANDING_NONE;
}

/* Where that is not what the state says. */
static const char *does_there(const struct alarm_message *m, const struct alarm *a)
{
    struct standing_provider_view view;
    bool found = standing_provider_find(m->standing, member_of(m, a), a->with, m->now_ms, &view);
    return found ? view.does : "";
}

/* About an address as things are now. */
static struct advice_words words_about(const struct alarm_message *m, const struct alarm *a)
{
    static const struct advice_words of_kind[ALARM_KINDS] = {
        [ALARM_POOL] = { "its mail waits, and senders are told of the delay; it leaves as soon as "
                         "an address is back",
                         "see who is out, and why: waypost egress list. Mend what it names, add an "
                         "egress to the route, or vouch for an address: waypost egress reset "
                         "NAME" },
        [ALARM_PROVIDER] = { "its mail there goes by other addresses, or waits; one mail is tried "
                             "in some hours, and more when that is taken",
                             "read its replies: waypost report reputation; they often name a page "
                             "to ask for removal" },
        [ALARM_STATE] = { "all addresses carry mail, and lists are asked about them each minute",
                          "give the orders that were in force again: waypost egress disable NAME" },
    };
    struct standing_view view;
    if (is_over(a))
        return (struct advice_words){ "", "" };
    if (a->kind == ALARM_LIST)
        return (struct advice_words){ words_of(a)->does, words_of(a)->todo };
    if (a->kind < ALARM_KINDS && of_kind[a->kind].todo) {
        struct advice_words words = of_kind[a->kind];
        if (a->kind == ALARM_POOL && any_last_resort(m))
            words.does = "its mail leaves by the least bad of them (last_resort: send)";
        if (a->kind == ALARM_PROVIDER && does_there(m, a)[0])
            words.does = does_there(m, a);
        return words;
    }
    if (!standing_view(m->standing, member_of(m, a), m->now_ms, &view))
        return (struct advice_words){ "", "" };
    return (struct advice_words){ view.does, view.todo };
}

/* The lists that have the address, each with its way out. */
struct listings {
    struct standing_evidence at[STANDING_LISTINGS_MAX];
    uint32_t n;
};

static void find_listings(const struct alarm_message *m, const struct alarm *a,
                          struct listings *list)
{
    bool of_address = a->kind == ALARM_ADDRESS || a->kind == ALARM_ACKNOWLEDGE;
    int member = of_address ? member_of(m, a) : STANDING_NONE;
    uint32_t n = member == STANDING_NONE ? 0
                                         : standing_evidence(m->standing, member, m->now_ms,
                                                             list->at, STANDING_LISTINGS_MAX);
    for (list->n = 0; list->n < n; list->n++)
        if (list->at[list->n].kind != STANDING_EV_LISTED || !list->at[list->n].standing)
            break; /* they come first */
}

static const char *ending_of(const struct zone *zone)
{
    return !zone           ? "see there how entries end"
           : zone->expires ? "the entry ends by itself when nothing new comes"
                           : "look it up: what does not end by itself is removed there on request";
}

/* One list that has the address, how that ends, and where; `link` may be empty. */
typedef void put_listing_fn(struct buf *out, const struct standing_evidence *e, const char *ends,
                            struct slice link);

static void put_listings(struct buf *out, const struct listings *list, const struct addr *address,
                         put_listing_fn *put)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const struct zone *zone = zones_find(zones_builtin(), list->at[i].source);
        struct buf link;
        buf_init(&link, LINK_MAX);
        if (zone)
            zone_put_link(zone->link, address, &link);
        put(out, &list->at[i], ending_of(zone), buf_slice(&link));
        buf_free(&link);
    }
}

static void put_listing_text(struct buf *out, const struct standing_evidence *e, const char *ends,
                             struct slice link)
{
    buf_printf(out, "  Listed by %.*s", SLICE_FMT(e->source));
    if (e->text.n)
        buf_printf(out, " (%.*s)", SLICE_FMT(e->text));
    buf_printf(out, ": %s%s%.*s\n", ends, link.n ? ": " : "", SLICE_FMT(link));
}

static void put_alarm(struct buf *out, const struct alarm_message *m, const struct alarm *a)
{
    struct advice_words words = words_about(m, a);
    struct listings list;
    find_listings(m, a, &list);
    buf_puts(out, "- ");
    put_what(out, a);
    put_reason(out, a, SIZE_MAX);
    buf_putc(out, '\n');
    if (words.does[0])
        buf_printf(out, "  What Waypost does: %s.\n", words.does);
    put_listings(out, &list, &a->address, put_listing_text);
    if (words.todo[0])
        buf_printf(out, "  What to do: %s.\n", words.todo);
}

static void put_alarms(struct buf *out, const struct alarm_message *m, const struct alarm *at,
                       uint32_t n, uint32_t more)
{
    uint32_t i = 0;
    for (; i < n && buf_len(out) < TEXT_ENOUGH; i++)
        put_alarm(out, m, &at[i]);
    more += n - i;
    if (more)
        buf_printf(out, "- and %u more\n", (unsigned)more);
}

/* ---- the message ---- */

void alarm_put_subject(struct buf *out, const struct alarm_message *m)
{
    const struct alarm_digest *d = m->digest;
    const struct alarm *first = d->fresh_n ? &d->fresh[0] : &d->held[0];
    uint32_t n = d->fresh_n + d->fresh_more + d->held_n + d->held_more;
    buf_printf(out, "Waypost %.*s: ", SLICE_FMT(m->hostname));
    put_what(out, first);
    put_reason(out, first, SHOWN_REASON_MAX);
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

static void put_listing_json(struct buf *out, const struct standing_evidence *e, const char *ends,
                             struct slice link)
{
    json_open(out, '{');
    json_str(out, "list", e->source);
    if (link.n)
        json_str(out, "link", link);
    json_cstr(out, "ends", ends);
    json_close(out, '}');
}

static void put_ways_out(struct buf *out, const struct alarm_message *m, const struct alarm *a)
{
    struct listings list;
    find_listings(m, a, &list);
    if (!list.n)
        return;
    json_key(out, "listed_by");
    json_open(out, '[');
    put_listings(out, &list, &a->address, put_listing_json);
    json_close(out, ']');
}

static void put_object(struct buf *out, const struct alarm_message *m, const struct alarm *a)
{
    char address[ADDR_TEXT_MAX];
    struct advice_words words = words_about(m, a);
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
    if (words.does[0])
        json_cstr(out, "does", words.does);
    put_ways_out(out, m, a);
    if (words.todo[0])
        json_cstr(out, "todo", words.todo);
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
