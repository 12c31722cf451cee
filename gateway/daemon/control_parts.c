#include "gateway/daemon/control_parts.h"

#include <stdio.h>

/* After a start each egress learns its own: not one by one. */
enum { LEARNED_MS = 1000 };

static void on_links_event(void *arg, const struct links_event *event)
{
    struct control_parts *c = arg;
    control_report_event(c->report, event);
}

static void on_advise(void *arg, struct advice *advice)
{
    struct control_parts *c = arg;
    control_standing_advise(c->standing, advice);
    control_drains_advise(c->drains, advice);
}

static void on_report(void *arg, const struct reply_report *report)
{
    struct control_parts *c = arg;
    control_standing_report(c->standing, report);
}

static void on_letter(void *arg, uint64_t ticket, enum letter_fate fate)
{
    struct control_parts *c = arg;
    if (c->alarm)
        control_alarm_letter(c->alarm, ticket, fate);
}

static void on_standing_changed(void *arg)
{
    struct control_parts *c = arg;
    if (c->links)
        control_links_renew(c->links);
}

static void note_standing(struct control_links *links, const struct standing_event *e)
{
    struct link_note note = { .kind = NOTE_EGRESS_STATE,
                              .source = e->address,
                              .egress = e->egress,
                              .provider = e->provider,
                              .state = slice_of(standing_state_names[e->to]),
                              .reason = e->reason };
    control_links_note(links, &note);
}

/* Looked at more often than others. */
static bool is_suspect(enum standing_state state)
{
    return state != STANDING_CLEAN && state != STANDING_PROBATION;
}

static void on_standing_event(void *arg, const struct standing_event *event)
{
    struct control_parts *c = arg;
    control_report_standing(c->report, event);
    if (c->alarm)
        control_alarm_standing(c->alarm, event);
    if (event->kind != STANDING_TRANSITION || !c->links)
        return;
    note_standing(c->links, event);
    struct control_lists_subject subject = { event->egress, event->address };
    if (c->lists && !event->provider.n)
        control_lists_suspect(c->lists, &subject, is_suspect(event->to));
}

/* What is not clean from the start, or by another configuration, is no event. */
static void tell_suspects(const struct control_parts *c)
{
    const struct standing *core = control_standing_core(c->standing);
    struct standing_view v;
    for (int m = 0; standing_view(core, m, 0, &v); m++)
        if (is_suspect(v.state))
            control_lists_suspect(c->lists, &(struct control_lists_subject){ v.egress, v.address },
                                  true);
}

/* Lists that an earlier process believed: nothing that happens now. */
static void tell_believed(const struct control_parts *c)
{
    const struct standing *core = control_standing_core(c->standing);
    struct standing_evidence e[STANDING_LISTINGS_MAX];
    struct standing_view v;
    for (int m = 0; standing_view(core, m, 0, &v); m++) {
        struct control_lists_subject subject = { v.egress, v.address };
        uint32_t n = standing_evidence(core, m, 0, e, STANDING_LISTINGS_MAX);
        for (uint32_t i = 0; i < n && e[i].kind == STANDING_EV_LISTED && e[i].standing; i++)
            control_lists_believed(c->lists, &subject, e[i].source, e[i].many);
    }
}

static void tell_lists(const struct control_parts *c)
{
    tell_suspects(c);
    tell_believed(c);
}

static size_t on_ask_learned(void *arg, struct slice egress, struct addr address_r[LEARNED_EACH])
{
    const struct control_parts *c = arg;
    return learned_of(control_standing_learned(c->standing), egress, address_r);
}

static void tell_learned(struct timer *timer)
{
    struct control_parts *c = CONTAINER_OF(timer, struct control_parts, learned);
    control_lists_renew(c->lists);
    tell_lists(c);
}

static void on_learned(void *arg)
{
    struct control_parts *c = arg;
    if (!timer_is_set(&c->learned))
        timer_set(c->loop, &c->learned, LEARNED_MS);
}

static void note_listing(struct control_links *links, struct slice egress, const struct listing *l)
{
    char reason[STANDING_TEXT_MAX];
    snprintf(reason, sizeof reason, "%.*s%s%s", SLICE_FMT(l->source), l->text[0] ? ": " : "",
             l->text);
    struct link_note note = { .kind = NOTE_LISTING,
                              .source = l->address,
                              .egress = egress,
                              .state = slice_of(listing_state_names[l->state]),
                              .reason = slice_of(reason) };
    control_links_note(links, &note);
}

static void tell_listing(struct control_parts *c, struct slice egress, const struct listing *l)
{
    note_listing(c->links, egress, l);
    control_report_listing(c->report, egress, l);
}

static void on_listing(void *arg, struct slice egress, const struct listing *l, bool counts)
{
    struct control_parts *c = arg;
    if (counts)
        control_standing_listing(c->standing, egress, l);
    if (l->changed && (l->state == LIST_LISTED || l->was == LIST_LISTED))
        tell_listing(c, egress, l);
}

static void on_hygiene(void *arg, struct slice egress, const struct hygiene *hygiene)
{
    struct control_parts *c = arg;
    control_standing_hygiene(c->standing, egress, hygiene);
    control_alarm_hygiene(c->alarm, egress, hygiene);
}

static void on_list_fault(void *arg, struct slice source, enum list_fault fault, const char *text)
{
    const struct control_parts *c = arg;
    control_alarm_list(c->alarm, source, fault, text);
}

/* ---- life ---- */

void control_parts_start(struct control_parts *c, struct loop *loop, const char *relay_path,
                         const char *history, const char *reputation)
{
    struct control_standing_env standing = { .loop = loop,
                                             .folder = reputation,
                                             .changed = on_standing_changed,
                                             .event = on_standing_event,
                                             .learned = on_learned,
                                             .arg = c };
    struct control_links_env links = { .loop = loop,
                                       .relay_path = relay_path,
                                       .folder = history,
                                       .event = on_links_event,
                                       .advise = on_advise,
                                       .report = on_report,
                                       .letter = on_letter,
                                       .arg = c };
    struct control_lists_hooks lists = { .listing = on_listing,
                                         .hygiene = on_hygiene,
                                         .fault = on_list_fault,
                                         .learned = on_ask_learned,
                                         .arg = c };
    c->loop = loop;
    timer_init(&c->learned, tell_learned);
    c->report = control_report_new(loop, relay_path, history);
    c->standing = control_standing_new(&standing);
    c->links = control_links_new(&links);
    struct control_alarm_env alarm = { loop, c->links, control_standing_core(c->standing),
                                       reputation };
    c->alarm = control_alarm_new(&alarm);
    c->lists = control_lists_new(loop, &lists);
    c->drains = control_drains_new(loop, relay_path, c->standing);
    control_report_watch(c->report, c);
}

/* Once, and not before it is known whom to tell. */
static void tell_of_loss(struct control_parts *c)
{
    if (control_standing_lost(c->standing) && !c->loss_told)
        control_alarm_loss(c->alarm);
    c->loss_told = true;
}

void control_parts_configure(struct control_parts *c, struct policies *policies)
{
    control_alarm_configure(c->alarm, policies);
    tell_of_loss(c);
    control_links_configure(c->links, policies);
    control_standing_configure(c->standing, policies);
    control_lists_configure(c->lists, policies);
    control_drains_configure(c->drains);
    tell_lists(c);
}

void control_parts_free(struct control_parts *c)
{
    if (!c->links)
        return;
    timer_stop(c->loop, &c->learned);
    control_report_watch(c->report, NULL);
    control_drains_free(&c->drains);
    control_lists_free(&c->lists);
    control_alarm_free(&c->alarm);
    control_links_free(&c->links);
    control_standing_free(&c->standing);
    control_report_free(&c->report);
}
