/*
 * tests/web/invented_minutes — six hours of figures that are made up, as control writes them
 *
 *   Of the first egresses and the first groups. What goes by a relay has the rows of the way to it,
 *   as in links_minutes(). Included by one file.
 */
#ifndef WAYPOST_TESTS_WEB_INVENTED_MINUTES_H
#define WAYPOST_TESTS_WEB_INVENTED_MINUTES_H

#include <math.h>

#include "gateway/conf/conf.h"
#include "gateway/report/history.h"

enum { WITH_PAST = 4, GROUPS_WITH_PAST = 6, MINUTES = 360, MINUTE_MS = 60 * 1000 };

/* `p` tells the paths apart, `i` is the minute. */
static void invented_row(struct history_minute *minute, const struct advice_path *now,
                         struct slice egress, struct slice carrier, struct slice region, uint32_t p,
                         int i)
{
    double bump = 1 + 0.25 * sin(i / 19.0 + p) + (i > 200 && i < 230 && p == 0 ? 1.5 : 0);
    struct spread connect = { 0 };
    for (int k = 0; k < 8; k++)
        spread_add(&connect, (double)now->rtt_ms * bump * (1 + k * k / 60.0));
    struct links_minute row = { .egress = egress,
                                .carrier = carrier,
                                .region = region,
                                .connect = &connect,
                                .rtt_ms = (double)now->rtt_ms * bump,
                                .loss = (double)now->loss * bump,
                                .goodput = (double)now->goodput / bump,
                                .cost_ms = (double)now->rtt_ms * bump * 11,
                                .cost_large_ms = (double)now->rtt_ms * bump * 90,
                                .samples = 8,
                                .tries = 6,
                                .first_ok = 6,
                                .mails = 9,
                                .probes = 4,
                                .state = now->state };
    if (now->rtt_ms > 0)
        history_row(minute, &row);
}

static void invented_minute(struct history_minute *minute, const struct advice *a,
                            const struct conf *conf, int i)
{
    uint32_t n = a->egress_n < WITH_PAST ? a->egress_n : WITH_PAST;
    for (uint32_t p = 0; p < n * GROUPS_WITH_PAST; p++) {
        uint32_t e = p % n, g = p / n;
        const struct advice_path *now = &a->path[e * a->group_n + g];
        if (conf->egress.at[e].via.kind != CONF_VIA_RELAY)
            invented_row(minute, now, a->egress[e].name, a->group[g].carrier, a->group[g].region, p,
                         i);
        else if (g == 0)
            invented_row(minute, now, a->egress[e].name, slice_of(LINKS_LEG_CARRIER),
                         slice_of(LINKS_LEG_REGION), p, i);
    }
}

static void invented_minutes(struct history *history, const struct advice *a,
                             const struct conf *conf, int64_t now_ms)
{
    for (int i = 0; i < MINUTES; i++) {
        struct history_minute *minute =
            history_begin(history, now_ms - (int64_t)(MINUTES - i) * MINUTE_MS);
        invented_minute(minute, a, conf, i);
        history_write(&minute);
    }
}

#endif
