/*
 * tests/sim/sim_mail — what the relay does with a mail, how long it takes, what it reports
 */
#include <assert.h>
#include <math.h>

#include "tests/sim/sim_internal.h"

static const int64_t WARM_MS = 15000; /* a session is kept that long */
/* As in delivery/stall: bytes sent again twice, seen at the next look; then the mail moves on. */
static const int64_t STALL_LEAST_MS = 500, STALL_LOOK_MS = 300, STALL_CUT_MS = 4000;
static const double RTO_LEAST_MS = 200;

static bool is_warm(const struct sim *s, int egress, const struct mail *m)
{
    int64_t last = s->warm_ms[egress][m->group][m->address];
    return last && s->now_ms - last < WARM_MS;
}

int sim_choose(struct sim *s, const struct mail *m, bool explore, struct rnd *rnd)
{
    struct egress_facts facts[WORLD_EGRESS];
    for (int e = 0; e < WORLD_EGRESS; e++)
        facts[e] = (struct egress_facts){ .usable = true,
                                          .excluded = m->excluded & 1u << e,
                                          .warm = m->address >= 0 && is_warm(s, e, m) };
    struct choice_request q = { .conf = s->conf,
                                .allowed = { s->all, WORLD_EGRESS },
                                .facts = facts,
                                .advice = s->advice,
                                .rows = s->advice ? &s->rows : NULL,
                                .group = s->advice ? s->row_of_group[m->group] : ADVICE_NONE,
                                .now_ms = s->now_ms,
                                .bytes = (uint64_t)m->bytes,
                                .lane = LANE_NORMAL,
                                .tls = true,
                                .sender = m->sender,
                                .sticky = EGRESS_NONE,
                                .incumbent = EGRESS_NONE,
                                .explore_ms = explore ? &s->explore_ms[m->group] : NULL,
                                .sharers = 1 };
    int chosen = choose(&q, rnd, &s->choice);
    assert(chosen == EGRESS_NONE || !(m->excluded & 1u << chosen));
    return chosen;
}

/* The best of this moment for this mail, with the sessions there are. */
static double oracle(const struct sim *s, const struct mail *m)
{
    double least = HUGE_VAL;
    for (int e = 0; e < WORLD_EGRESS; e++)
        if (world_path_alive(s->world, e, m->group, s->now_ms))
            least = fmin(least,
                         world_time(s->world, e, m->group, m->bytes, is_warm(s, e, m), s->now_ms));
    return least;
}

/* The mail arrives `ms` from now. */
static void arrives(struct sim *s, const struct mail *m, double ms)
{
    if (m->oracle_ms < 0 || s->now_ms < WORLD_START_MS)
        return;
    double extra = m->waited_ms + ms - m->oracle_ms;
    bool large = m->bytes > 500000;
    s->oracle_ms[large] += m->oracle_ms;
    s->extra_ms[large] += extra;
    if (!large)
        numbers_add(&s->extra, extra);
    int reason = s->choice.chosen >= 0 ? s->choice.at[s->choice.chosen].reason : 0;
    if (m->waited_ms > 0 || ms > 5000 + m->oracle_ms)
        reason = CHOSEN_LAST_RESORT;
    s->part[reason][large].extra_ms += extra;
    s->part[reason][large].mails++;
}

static void report_session(struct sim *s, const struct mail *m, int egress, int64_t connected)
{
    double rtt = sim_jitter(s, world_rtt(s->world, egress, m->group, s->now_ms));
    rtt *= s->world->offset[m->group][m->address];
    double greet = sim_jitter(s, s->world->greet_ms[m->group]) + rtt;
    int64_t end = s->now_ms + connected + (int64_t)(rtt + greet);
    struct observation o = sim_observation(s, egress, m->group, m->address, OBS_CONNECT, end);
    o.connect_us = (int64_t)(1000 * ((double)connected + rtt));
    o.greeting_us = (int64_t)(1000 * greet);
    o.rtt_us = (int64_t)(1000 * rtt);
    o.segments = 8;
    o.retransmits =
        sim_lost(s, 7, world_loss(s->world, egress, m->group, s->now_ms)) + (connected > 0);
    sim_observe_later(s, m->group, &o, end);
}

static void report_mail(struct sim *s, const struct mail *m, int egress, int64_t end)
{
    double loss = world_loss(s->world, egress, m->group, s->now_ms);
    double rtt = sim_jitter(s, world_rtt(s->world, egress, m->group, s->now_ms));
    rtt *= s->world->offset[m->group][m->address];
    unsigned segments = 4 + (unsigned)fmin(m->bytes / 1460, 196);
    struct observation o = sim_observation(s, egress, m->group, m->address, OBS_MAIL, end);
    o.code = 250;
    o.rtt_us = o.app_rtt_us = (int64_t)(1000 * rtt);
    o.final_us = (int64_t)(1000 * (rtt + sim_jitter(s, s->world->final_ms[m->group])));
    o.segments = segments;
    o.retransmits = sim_lost(s, segments, loss);
    if (m->bytes >= 262144) {
        double bound = 1460 / rtt * sqrt(1.5 / fmax(loss, 1e-7));
        double rate = fmin(s->world->bandwidth[egress][m->group], bound);
        o.bytes = (uint64_t)m->bytes;
        o.data_us = (uint64_t)(1000 * sim_jitter(s, m->bytes / rate));
    }
    sim_observe_later(s, m->group, &o, end);
}

static void report_failure(struct sim *s, const struct mail *m, int egress, uint8_t kind,
                           uint8_t result, int64_t after)
{
    int64_t end = s->now_ms + after;
    struct observation o = sim_observation(s, egress, m->group, m->address, kind, end);
    o.result = result;
    o.connect_us = after * 1000;
    sim_observe_later(s, m->group, &o, end);
}

/* How long after its bytes began to get lost a session is known to hang. */
static int64_t stalled_after(struct sim *s, const struct mail *m, int egress)
{
    double rto = fmax(RTO_LEAST_MS, 2 * world_rtt(s->world, egress, m->group, s->now_ms));
    int64_t twice = (int64_t)(rto + 2 * rto);
    return (twice > STALL_LEAST_MS ? twice : STALL_LEAST_MS) +
           (int64_t)rnd_below(&s->rnd, (uint64_t)STALL_LOOK_MS);
}

static void goes(struct sim *s, const struct mail *m, int egress, bool warm, int64_t connected)
{
    double ms = world_time(s->world, egress, m->group, m->bytes, warm, s->now_ms);
    if (!warm)
        report_session(s, m, egress, connected);
    int64_t end = s->now_ms + connected + (int64_t)ms;
    if (world_path_alive(s->world, egress, m->group, end) &&
        world_group_alive(s->world, m->group, end))
        report_mail(s, m, egress, end);
    else
        report_failure(s, m, egress, OBS_MAIL, OBS_TIMEOUT,
                       end - s->now_ms + stalled_after(s, m, egress));
    s->warm_ms[egress][m->group][m->address] = s->now_ms + connected + (int64_t)ms;
}

static void try_again(struct sim *s, const struct mail *m, int egress, int64_t after)
{
    struct sim_event event = { .at_ms = s->now_ms + after, .kind = EVENT_RETRY, .mail = *m };
    event.mail.waited_ms += (double)after;
    event.mail.excluded |= 1u << egress;
    if (event.mail.excluded == (1u << WORLD_EGRESS) - 1)
        return; /* every way tried: it would be deferred */
    sim_push(s, &event);
}

/* A new connection is opened; when it is slow and the path doubtful, a second one races it. */
static void open_session(struct sim *s, const struct mail *m, int egress)
{
    int64_t overdue =
        choice_overdue_ms(s->choice.chosen >= 0 ? s->choice.at[s->choice.chosen].path : NULL);
    int64_t race = choice_race_ms(&s->choice);
    int64_t connected = sim_connect(s, egress, m->group, m->address, WORLD_CONNECT_MS);
    double rtt = world_rtt(s->world, egress, m->group, s->now_ms);
    if (connected < 0 || (double)connected + rtt > (double)overdue)
        report_failure(s, m, egress, OBS_CONNECT, OBS_OVERDUE, overdue);
    if (race >= 0 && (connected < 0 || connected > race)) {
        int second = s->choice.at[s->choice.second].egress;
        int64_t other = sim_connect(s, second, m->group, m->address, WORLD_CONNECT_MS);
        if (other >= 0 && (connected < 0 || race + other < connected)) {
            arrives(s, m,
                    (double)(race + other) +
                        world_time(s->world, second, m->group, m->bytes, false, s->now_ms));
            goes(s, m, second, false, race + other);
            return;
        }
    }
    if (connected < 0) {
        report_failure(s, m, egress, OBS_CONNECT, OBS_TIMEOUT, WORLD_CONNECT_MS);
        try_again(s, m, egress, WORLD_CONNECT_MS);
        return;
    }
    /* A lost SYN of a living path is part of its expected time already. */
    bool alive = world_path_alive(s->world, egress, m->group, s->now_ms);
    arrives(s, m,
            (alive ? 0 : (double)connected) +
                world_time(s->world, egress, m->group, m->bytes, false, s->now_ms));
    goes(s, m, egress, false, connected);
}

/* A session that stands, on a path that swallows everything. */
static void hang(struct sim *s, const struct mail *m, int egress)
{
    int64_t stalled = stalled_after(s, m, egress);
    s->warm_ms[egress][m->group][m->address] = 0;
    report_failure(s, m, egress, OBS_MAIL, OBS_TIMEOUT, stalled);
    try_again(s, m, egress, stalled + STALL_CUT_MS);
}

void sim_mail(struct sim *s, const struct mail *mail)
{
    int egress = sim_choose(s, mail, mail->waited_ms <= 0, &s->rnd);
    if (egress == EGRESS_NONE)
        return;
    bool counted = mail->oracle_ms >= 0 && s->now_ms >= WORLD_START_MS;
    bool alive = world_path_alive(s->world, egress, mail->group, s->now_ms);
    bool there = world_address_alive(s->world, mail->group, mail->address, s->now_ms);
    if (counted && mail->waited_ms <= 0) {
        s->mails++;
        s->first_failures += !alive;
    }
    if (!is_warm(s, egress, mail)) {
        open_session(s, mail, egress);
    } else if (alive && there) {
        arrives(s, mail, world_time(s->world, egress, mail->group, mail->bytes, true, s->now_ms));
        goes(s, mail, egress, true, 0);
    } else {
        hang(s, mail, egress);
    }
}

void sim_new_mail(struct sim *s, int group)
{
    struct mail m = { .group = group, .sender = rnd_u64(&s->rnd) };
    double wait = -log(1 - rnd_unit(&s->rnd)) / s->world->rate * 1000;
    struct sim_event next = { .at_ms = s->now_ms + (int64_t)wait,
                              .kind = EVENT_MAIL,
                              .group = group };
    sim_push(s, &next);
    m.address = (int)rnd_below(&s->rnd, (uint64_t)s->world->addresses[group]);
    m.bytes = 2000 * pow(100, rnd_unit(&s->rnd)); /* 2 to 200 KB */
    if (rnd_unit(&s->rnd) < 0.01)
        m.bytes = 1e6 * pow(8, rnd_unit(&s->rnd));
    m.oracle_ms = oracle(s, &m);
    if (!world_address_alive(s->world, group, m.address, s->now_ms) || !isfinite(m.oracle_ms))
        m.oracle_ms = -1;
    sim_mail(s, &m);
}
