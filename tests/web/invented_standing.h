/*
 * tests/web/invented_standing — addresses with a past that is made up, and what befalls them
 *
 *   The core is the real one. Texts are hostile. Included by one file.
 */
#ifndef WAYPOST_TESTS_WEB_INVENTED_STANDING_H
#define WAYPOST_TESTS_WEB_INVENTED_STANDING_H

#include <string.h>

#include "gateway/admin/web.h"

enum { INVENTED_MAX = 64, INVENTED_HOURS = 6 };

struct invented {
    struct standing *core;
    struct history *history;
    struct web *web;
};

static void invented_event(void *arg, const struct standing_event *e)
{
    struct invented *i = arg;
    char address[ADDR_TEXT_MAX];
    struct standing_note note = { .kind = STANDING_NOTE_STATE,
                                  .egress = e->egress,
                                  .address = slice_of(addr_host_text(&e->address, address)),
                                  .with = e->provider,
                                  .from = slice_of(standing_state_names[e->from]),
                                  .to = slice_of(standing_state_names[e->to]),
                                  .points = e->points,
                                  .reason = e->reason };
    history_standing(i->history, e->at_ms, &note);
    web_standing(i->web, e->at_ms, &note);
}

/* A member for each address of the configuration. */
static void invented_begin(struct invented *i, const struct conf *conf, int64_t now_ms)
{
    struct standing_member member[INVENTED_MAX];
    struct standing_config config = { .member = member, .min_active = 1 };
    struct standing_hooks hooks = { invented_event, i };
    static const struct addr none;
    for (size_t e = 0; e < conf->egress.n; e++) {
        const struct conf_egress *egress = &conf->egress.at[e];
        size_t n = egress->addresses.n ? egress->addresses.n : 1;
        for (size_t k = 0; k < n; k++)
            member[config.member_n++] =
                (struct standing_member){ .egress = egress->name,
                                          .address = egress->addresses.n ? egress->addresses.at[k]
                                                                         : none };
    }
    i->core = standing_new(&hooks, now_ms);
    standing_configure(i->core, &config, now_ms);
}

static struct standing_note invented_listing_note(struct slice egress, struct slice address)
{
    return (struct standing_note){ .kind = STANDING_NOTE_LISTING,
                                   .egress = egress,
                                   .address = address,
                                   .with = slice_of("zen.spamhaus.org"),
                                   .from = slice_of("clear"),
                                   .to = slice_of("listed"),
                                   .points = 100,
                                   .reason = slice_of("<img src=x onerror=alert(1)>") };
}

/* Points of the first egress that rose four hours ago, and fade; a listing of three hours ago. */
static void invented_past(struct history *history, struct slice egress, struct slice address,
                          int64_t now_ms)
{
    static const char *const states[] = { "clean", "suspect", "clean" };
    for (int hour = 0; hour < INVENTED_HOURS; hour++) {
        int phase = hour < 2 ? 0 : hour < 4 ? 1 : 2;
        struct standing_note note = { .kind = STANDING_NOTE_POINTS,
                                      .egress = egress,
                                      .address = address,
                                      .to = slice_of(states[phase]),
                                      .points = phase == 0 ? 0 : 30 - 5 * hour };
        int64_t at_ms = now_ms - (INVENTED_HOURS - hour) * 3600ll * 1000;
        if (hour == 2) {
            note.kind = STANDING_NOTE_STATE;
            note.from = slice_of("clean");
            note.reason = slice_of("evidence of 25 points <i>not italic</i>");
        }
        history_standing(history, at_ms, &note);
    }
    struct standing_note listing = invented_listing_note(egress, address);
    history_standing(history, now_ms - 3 * 3600ll * 1000, &listing);
}

static int invented_member(const struct standing *s, const char *egress)
{
    struct standing_view v;
    for (int m = 0; standing_view(s, m, 0, &v); m++)
        if (slice_eq_str(v.egress, egress))
            return m;
    return STANDING_NONE;
}

static void invented_listing(struct invented *i, const char *egress, int64_t now_ms)
{
    int member = invented_member(i->core, egress);
    struct standing_view v;
    char address[ADDR_TEXT_MAX];
    struct standing_check check = { .source = slice_of("zen.spamhaus.org"),
                                    .text = slice_of("<img src=x onerror=alert(1)>"),
                                    .points = 100,
                                    .hard = true,
                                    .verdict = STANDING_IS_LISTED };
    standing_listing(i->core, member, &check, now_ms);
    standing_view(i->core, member, now_ms, &v);
    struct standing_note note =
        invented_listing_note(v.egress, slice_of(addr_host_text(&v.address, address)));
    history_standing(i->history, now_ms, &note);
    web_standing(i->web, now_ms, &note);
}

static void invented_block(struct standing *s, const char *egress, const char *provider,
                           int64_t now_ms)
{
    for (uint64_t sender = 1; sender < 6; sender++) {
        struct standing_reply reply = { .reply_class = STANDING_IP_BLOCKED,
                                        .names_us = true,
                                        .sender_domain = sender,
                                        .text = slice_of("550 5.7.1 blocked <b>bold</b>") };
        standing_reply(s, invented_member(s, egress), slice_of(provider), &reply, now_ms);
    }
}

/* False: it is no command of this part. */
static bool invented_obey(struct invented *i, char *const *words, size_t n, int64_t now_ms)
{
    if (strcmp(words[0], "listed") == 0 && n == 2)
        invented_listing(i, words[1], now_ms);
    else if (strcmp(words[0], "blocked") == 0 && n == 3)
        invented_block(i->core, words[1], words[2], now_ms);
    else
        return false;
    return true;
}

#endif
