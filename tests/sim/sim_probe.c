/*
 * tests/sim/sim_probe — probes on their way, and their budgets where they arrive
 *
 *   Probes that leave evenly by paths of different length arrive closer together: the limits of a
 *   second are asserted where they leave, the longer ones where they arrive. Of two packets sent
 *   apart the first may be lost and come with the second; so arrivals are connections whose first
 *   packet got through.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_internal.h"

static void broken(const struct sim *s, const char *limit, const struct arrival *a)
{
    fprintf(stderr, "budget broken at %lld ms: %s, egress %d group %d address %d\n",
            (long long)s->now_ms, limit, a->egress, a->group, a->address);
    abort();
}

/* More than `most` within any time of that length? */
static bool too_many(struct numbers *n, int64_t now_ms, size_t most, double window_ms)
{
    numbers_add(n, (double)now_ms);
    return n->n > most && n->at[n->n - 1] - n->at[n->n - 1 - most] < window_ms;
}

void sim_probe(void *arg, const struct links_probe *probe)
{
    struct sim *s = arg;
    int egress = (int)probe->egress, group = probe->group, address = probe->address.bytes[3] - 1;
    int64_t connected = sim_connect(s, egress, group, address, probe->timeout_ms);
    double rtt = sim_jitter(s, world_rtt(s->world, egress, group, s->now_ms));
    rtt *= s->world->offset[group][address];
    s->probes += s->now_ms >= WORLD_START_MS;
    struct arrival leaving = { egress, group, address };
    if (too_many(&s->egress_sent[egress], s->now_ms, 2, 1000))
        broken(s, "2/s of the egress", &leaving);
    if (too_many(&s->all_sent, s->now_ms, 10, 1000))
        broken(s, "10/s of all", &leaving);
    if (connected == 0) {
        struct sim_event event = { .at_ms = s->now_ms + (int64_t)(rtt / 2), .kind = EVENT_ARRIVAL };
        event.arrival = (struct arrival){ egress, group, address };
        sim_push(s, &event);
    }
    int64_t end = s->now_ms + probe->timeout_ms;
    struct observation o = sim_observation(s, egress, group, address, probe->kind, end);
    if (connected >= 0 && (double)connected + rtt < probe->timeout_ms) {
        double greet = sim_jitter(s, s->world->greet_ms[group]) + rtt;
        end = s->now_ms + connected + (int64_t)(rtt + greet);
        o.at_us = end * 1000;
        o.connect_us = (int64_t)(1000 * ((double)connected + rtt));
        o.greeting_us = (int64_t)(1000 * greet);
        o.rtt_us = (int64_t)(1000 * rtt);
        o.segments = 4;
        o.retransmits =
            sim_lost(s, 3, world_loss(s->world, egress, group, s->now_ms)) + (connected > 0);
    } else {
        o.result = OBS_TIMEOUT;
        o.connect_us = (int64_t)probe->timeout_ms * 1000;
    }
    sim_observe_later(s, group, &o, end);
}

void sim_arrival(struct sim *s, const struct arrival *a)
{
    int64_t now = s->now_ms;
    int64_t *pair = &s->pair_ms[a->egress][a->group][a->address];
    int64_t *any = &s->address_ms[a->group][a->address];
    if (too_many(&s->egress_arrivals[a->egress], now, 20, 10000))
        broken(s, "20 in 10 s of the egress", a);
    if (too_many(&s->all_arrivals, now, 100, 10000))
        broken(s, "100 in 10 s of all", a);
    if (*pair && now - *pair < LINKS_PAIR_MS)
        broken(s, "one a minute from an egress to an address", a);
    if (*any && now - *any < LINKS_ADDRESS_MS)
        broken(s, "one in 10 s to an address", a);
    *pair = *any = now;
}
