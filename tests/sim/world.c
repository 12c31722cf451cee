#include "tests/sim/world.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static const int64_t SECOND = 1000, MINUTE = 60 * 1000, HOUR = 3600 * 1000;
static const int64_t FLAP_DEAD_MS = 15 * 1000, FLAP_CYCLE_MS = 50 * 1000;
static const double SYN_RTO_MS = 1000, RTO_MS = 200, FIRST_WINDOW = 14600, SEGMENT = 1460;
enum { GONE_OF = 4 }; /* addresses of which one is gone */
static const double SETUP_EXCHANGES = 5, DIALOGUE_EXCHANGES = 2; /* besides the SYN */

static double between(struct rnd *r, double low, double high)
{
    return low + (high - low) * rnd_unit(r);
}

static double log_between(struct rnd *r, double low, double high)
{
    return low * pow(high / low, rnd_unit(r));
}

struct addr world_address(int group, int index)
{
    return (struct addr){ .family = ADDR_V4,
                          .bytes = { 198, 18, (uint8_t)group, (uint8_t)(index + 1) },
                          .port = 25 };
}

/* ---- what is true at a moment ---- */

static bool concerns(const struct episode *e, int egress, int group, int64_t now_ms)
{
    return now_ms >= e->from_ms && now_ms < e->to_ms && (e->egress < 0 || e->egress == egress) &&
           (e->group < 0 || e->group == group);
}

bool world_path_alive(const struct world *w, int egress, int group, int64_t now_ms)
{
    for (int i = 0; i < w->episodes; i++) {
        const struct episode *e = &w->episode[i];
        if (!concerns(e, egress, group, now_ms))
            continue;
        if (e->kind == EPISODE_BLACKHOLE ||
            (e->kind == EPISODE_FLAP && (now_ms - e->from_ms) % FLAP_CYCLE_MS < FLAP_DEAD_MS))
            return false;
    }
    return true;
}

bool world_group_alive(const struct world *w, int group, int64_t now_ms)
{
    for (int i = 0; i < w->episodes; i++)
        if (w->episode[i].kind == EPISODE_OUTAGE && concerns(&w->episode[i], -1, group, now_ms))
            return false;
    return true;
}

bool world_address_alive(const struct world *w, int group, int address, int64_t now_ms)
{
    for (int i = 0; i < w->episodes; i++)
        if (w->episode[i].kind == EPISODE_ADDRESS && w->episode[i].address == address &&
            concerns(&w->episode[i], -1, group, now_ms))
            return false;
    return world_group_alive(w, group, now_ms);
}

double world_rtt(const struct world *w, int egress, int group, int64_t now_ms)
{
    double wave =
        sin(2 * PI * (double)now_ms / w->period_ms[egress][group] + w->phase[egress][group]);
    double rtt = w->rtt[egress][group] * (1 + w->drift[egress][group] * wave);
    for (int i = 0; i < w->episodes; i++)
        if (w->episode[i].kind == EPISODE_BROWNOUT &&
            concerns(&w->episode[i], egress, group, now_ms))
            rtt *= w->episode[i].slower;
    return rtt;
}

double world_loss(const struct world *w, int egress, int group, int64_t now_ms)
{
    double pass = 1 - w->loss[egress][group];
    for (int i = 0; i < w->episodes; i++)
        if (w->episode[i].kind == EPISODE_BROWNOUT &&
            concerns(&w->episode[i], egress, group, now_ms))
            pass *= 1 - w->episode[i].loss;
    return 1 - pass;
}

/* Waiting for one exchange whose loss is repeated with doubled time-outs. */
static double waiting(double loss, double rto)
{
    return loss * rto / (1 - fmin(2 * loss, 0.9));
}

double world_time(const struct world *w, int egress, int group, double bytes, bool warm,
                  int64_t now_ms)
{
    double rtt = world_rtt(w, egress, group, now_ms), loss = world_loss(w, egress, group, now_ms);
    double rto = fmax(RTO_MS, 2 * rtt);
    double ms = DIALOGUE_EXCHANGES * (rtt + waiting(loss, rto)) + w->final_ms[group];
    if (!warm)
        ms += rtt + waiting(loss, SYN_RTO_MS) + SETUP_EXCHANGES * (rtt + waiting(loss, rto)) +
              w->greet_ms[group];
    double bound = SEGMENT / rtt * sqrt(1.5 / fmax(loss, 1e-7));
    double rate = fmin(w->bandwidth[egress][group], bound);
    ms += bytes / rate;
    if (!warm)
        ms += rtt * log2(1 + fmin(bytes, rate * rtt) / FIRST_WINDOW);
    return ms;
}

int world_best(const struct world *w, int group, double bytes, int64_t now_ms)
{
    int best = -1;
    double least = HUGE_VAL;
    for (int e = 0; e < WORLD_EGRESS; e++) {
        double ms = world_time(w, e, group, bytes, false, now_ms);
        if (world_path_alive(w, e, group, now_ms) && ms < least) {
            best = e;
            least = ms;
        }
    }
    return best;
}

/* ---- making one ---- */

static struct episode *add(struct world *w, enum episode_kind kind, int64_t from_ms, int64_t ms)
{
    static struct episode spare;
    struct episode *e = w->episodes < WORLD_EPISODES ? &w->episode[w->episodes++] : &spare;
    *e = (struct episode){ .kind = kind,
                           .egress = -1,
                           .group = -1,
                           .address = -1,
                           .from_ms = from_ms,
                           .to_ms = from_ms + ms };
    return e;
}

static int64_t moment(struct world *w, struct rnd *r)
{
    return WORLD_START_MS + (int64_t)(rnd_unit(r) * (double)(w->end_ms - WORLD_START_MS));
}

/* A path: more often one that mail uses than any. */
static void some_path(struct world *w, struct rnd *r, struct episode *e)
{
    e->group = (int)rnd_below(r, WORLD_GROUPS);
    e->egress = (int)rnd_below(r, WORLD_EGRESS);
    if (rnd_unit(r) < 0.5)
        e->egress = world_best(w, e->group, 20000, e->from_ms);
    if (e->egress < 0)
        e->egress = 0;
}

static void brownout(struct world *w, struct rnd *r)
{
    struct episode *e =
        add(w, EPISODE_BROWNOUT, moment(w, r), (int64_t)between(r, 180, 600) * SECOND);
    int64_t to = e->to_ms;
    e->to_ms = e->from_ms; /* not yet */
    some_path(w, r, e);
    e->loss = between(r, 0.04, 0.15);
    e->slower = between(r, 1.5, 3.5);
    e->to_ms = to;
}

static void path_blackhole(struct world *w, struct rnd *r, enum episode_kind kind, int64_t ms)
{
    struct episode *e = add(w, kind, moment(w, r), 0);
    some_path(w, r, e);
    e->to_ms = e->from_ms + ms;
}

static void outage(struct world *w, struct rnd *r, double least_s, double most_s)
{
    struct episode *e = add(w, EPISODE_OUTAGE, moment(w, r),
                            (int64_t)(between(r, least_s, most_s) * (double)SECOND));
    e->group = (int)rnd_below(r, WORLD_GROUPS);
}

/* So many in three hours: in a part of them as many on average. */
static int times(struct rnd *r, double n, double hours)
{
    double want = n * fmin(hours, 3) / 3;
    return (int)want + (rnd_unit(r) < want - floor(want));
}

static void mixed(struct world *w, double hours, struct rnd *r)
{
    for (int i = times(r, 2, hours); i > 0; i--)
        add(w, EPISODE_BLACKHOLE, moment(w, r), 240 * SECOND)->egress =
            (int)rnd_below(r, WORLD_EGRESS);
    for (int i = times(r, 8, hours); i > 0; i--)
        path_blackhole(w, r, EPISODE_BLACKHOLE, (int64_t)between(r, 90, 300) * SECOND);
    for (int i = times(r, 10, hours); i > 0; i--)
        brownout(w, r);
    for (int i = times(r, 2, hours); i > 0; i--)
        outage(w, r, 60, 300);
    for (int i = times(r, 1, hours); i > 0; i--)
        path_blackhole(w, r, EPISODE_FLAP, 15 * MINUTE);
    for (int i = times(r, 4, hours); i > 0; i--) {
        struct episode *e = add(w, EPISODE_ADDRESS, moment(w, r), 5 * MINUTE);
        e->group = (int)rnd_below(r, WORLD_GROUPS);
        e->address = (int)rnd_below(r, (uint64_t)w->addresses[e->group]);
    }
}

/* A server of its own is away more often, mostly for the seconds that a restart takes. */
static void single(struct world *w, double hours, struct rnd *r)
{
    for (int i = times(r, 12, hours); i > 0; i--)
        path_blackhole(w, r, EPISODE_BLACKHOLE, (int64_t)between(r, 90, 300) * SECOND);
    for (int i = times(r, 40, hours); i > 0; i--)
        outage(w, r, 1, 20);
    for (int i = times(r, 6, hours); i > 0; i--)
        outage(w, r, 60, 300);
}

/* Whoever has many correspondents writes to many hosts that are no more. */
static void hosts(struct world *w, double hours, struct rnd *r)
{
    for (int g = 0; g < WORLD_GROUPS; g++)
        for (int a = 0; a < w->addresses[g] / GONE_OF; a++) {
            struct episode *e = add(w, EPISODE_ADDRESS, 0, w->end_ms);
            e->group = g;
            e->address = a;
        }
    for (int i = times(r, 8, hours); i > 0; i--)
        path_blackhole(w, r, EPISODE_BLACKHOLE, (int64_t)between(r, 90, 300) * SECOND);
}

/* In each hour the best path of every group flaps for a quarter. */
static void flapping(struct world *w, struct rnd *r)
{
    for (int64_t at = WORLD_START_MS; at + HOUR <= w->end_ms; at += HOUR)
        for (int g = 0; g < WORLD_GROUPS; g++) {
            int64_t from = at + (int64_t)between(r, 1, 40) * MINUTE;
            int best = world_best(w, g, 20000, from);
            struct episode *e = add(w, EPISODE_FLAP, from, 15 * MINUTE);
            e->group = g;
            e->egress = best;
        }
}

static void episodes(struct world *w, double hours, struct rnd *r)
{
    switch (w->scenario) {
    case SCENARIO_MIXED:
    case SCENARIO_SPARSE:
        for (double left = hours; left > 0; left -= 3)
            mixed(w, left, r);
        break;
    case SCENARIO_SINGLE:
        for (double left = hours; left > 0; left -= 3)
            single(w, left, r);
        break;
    case SCENARIO_HOSTS:
        for (double left = hours; left > 0; left -= 3)
            hosts(w, left, r);
        break;
    case SCENARIO_FLAP:
        flapping(w, r);
        break;
    case SCENARIO_OUTAGE:
        for (double left = 4 * hours; left > 0; left -= 1)
            outage(w, r, 60, 300);
        break;
    case SCENARIO_QUIET:
        break;
    }
}

static void make_path(struct world *w, int e, int g, struct rnd *r)
{
    bool still = w->scenario == SCENARIO_QUIET || w->scenario == SCENARIO_FLAP ||
                 w->scenario == SCENARIO_SINGLE || w->scenario == SCENARIO_HOSTS;
    w->rtt[e][g] = log_between(r, 8, 180);
    w->loss[e][g] = between(r, 0, 0.003);
    w->bandwidth[e][g] = log_between(r, 1250, 12500);
    w->drift[e][g] = still ? 0 : between(r, 0, 0.25);
    w->phase[e][g] = between(r, 0, 2 * PI);
    w->period_ms[e][g] = between(r, 0.5, 3) * (double)HOUR;
}

void world_make(struct world *w, enum scenario scenario, double hours, double rate, uint64_t seed)
{
    struct rnd r;
    rnd_seed(&r, seed);
    memset(w, 0, sizeof *w);
    w->scenario = scenario;
    w->rate = rate;
    w->end_ms = WORLD_START_MS + (int64_t)(hours * (double)HOUR);
    for (int g = 0; g < WORLD_GROUPS; g++) {
        w->greet_ms[g] = between(&r, 5, 60);
        w->final_ms[g] = between(&r, 20, 150);
        w->addresses[g] = scenario == SCENARIO_SINGLE ? 1 : 16 + (int)rnd_below(&r, 24);
        for (int a = 0; a < w->addresses[g]; a++)
            w->offset[g][a] = between(&r, 0.96, 1.04);
        for (int e = 0; e < WORLD_EGRESS; e++)
            make_path(w, e, g, &r);
    }
    episodes(w, hours, &r);
}
