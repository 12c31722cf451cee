/*
 * tests/web/invented_standing — addresses with a past that is made up, and what befalls them
 *
 *   The core is the real one. Texts are hostile. Included by one file.
 */
#ifndef WAYPOST_TESTS_WEB_INVENTED_STANDING_H
#define WAYPOST_TESTS_WEB_INVENTED_STANDING_H

#include "gateway/conf/conf.h"
#include "gateway/report/history.h"

enum { INVENTED_MAX = 16, INVENTED_HOURS = 6 };

/* A member for each address of the configuration. */
static struct standing *invented_standing(const struct conf *conf,
                                          const struct standing_hooks *hooks, int64_t now_ms)
{
    struct standing_member member[INVENTED_MAX];
    struct standing_config config = { .member = member, .min_active = 1 };
    static const struct addr none;
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        for (size_t k = 0; k < (e->addresses.n ? e->addresses.n : 1); k++)
            member[config.member_n++] =
                (struct standing_member){ .egress = e->name,
                                          .address = e->addresses.n ? e->addresses.at[k] : none };
    }
    struct standing *s = standing_new(hooks, now_ms);
    standing_configure(s, &config, now_ms);
    return s;
}

/* Points of the first egress that rose four hours ago, and fade. */
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
}

static int invented_member(const struct standing *s, const char *egress)
{
    struct standing_view v;
    for (int m = 0; standing_view(s, m, 0, &v); m++)
        if (slice_eq_str(v.egress, egress))
            return m;
    return STANDING_NONE;
}

static void invented_listing(struct standing *s, const char *egress, int64_t now_ms)
{
    struct standing_check check = { .source = slice_of("zen.spamhaus.org"),
                                    .text = slice_of("<img src=x onerror=alert(1)>"),
                                    .points = 100,
                                    .hard = true,
                                    .verdict = STANDING_IS_LISTED };
    standing_listing(s, invented_member(s, egress), &check, now_ms);
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

#endif
