/*
 * probes/links_observe — what one observation says about its path
 *
 *   A handshake of 0.9 s and more had its first packet lost: a loss, no round trip (Karn). Behind
 *   a proxy TCP_INFO is about the first leg, and setting up a connection takes several round trips
 *   of it, so the round trip is that of the dialogue, and a handshake each of those waits. What a
 *   destination needs beyond round trips is its think time, not the path's.
 *
 *   What goes to a relay says nothing of the destination: neither is the relay in its group, nor is
 *   the reply the destination's. It is about the way to the relay and kept apart (struct slot).
 */
#include <math.h>

#include "gateway/base/mem.h"
#include "probes/links_internal.h"

static const double SYN_LOST_MS = 900;
static const int64_t SYN_REPEATED_MS = 1000;
static const int64_t DEAF_MS = 60 * 1000; /* and twice as long each time in a row */
enum { DEAF_DOUBLINGS = 6 };
static const double THINK_GAIN = 0.05;
static const double GREET_KEPT = 0.8;   /* of the longest, with each that took less */
static const double SEGMENTS_MOST = 64; /* of one observation: a long body is one experience */
static const uint64_t BULK_BYTES = 256 * 1024;

static double ms_of(int64_t us)
{
    return (double)us / 1000;
}

static int16_t slot_of(const struct links *l, uint64_t hash)
{
    for (uint32_t i = 0; i < l->egress_n; i++)
        if (l->slot[l->order[i]].hash == hash)
            return l->order[i];
    return NO_SLOT;
}

static void mean_of(double *mean, double sample)
{
    double s = fmax(sample, 0);
    *mean = *mean > 0 ? *mean + THINK_GAIN * (s - *mean) : s;
}

/* What a probe found the workers are asked about, by the advice: only who holds an egress to be out
 * looks at it until it is back, and it is not probed meanwhile. Where they deny it, something is
 * wrong with the probes (control alone does not find the name of a proxy, for example): the egress
 * would be out for a moment at each of them. The workers notice by themselves what mail meets. */
static void egress_out(struct links *l, int16_t slot, const struct observation *o, uint8_t fault,
                       const char *reason, int64_t now_ms)
{
    struct slot *s = &l->slot[slot];
    bool probed = o->kind != OBS_EGRESS;
    if (probed && (s->fault == fault || now_ms < s->deaf_ms))
        return;
    if (!probed)
        s->denials = 0;
    fault_set(l, slot, fault, reason, now_ms);
    uint8_t word = probed ? WORD_OF_PROBE : WORD_OF_WORKER;
    l->changed |= s->fault_word != word;
    s->fault_word = word;
}

static void egress_denied(struct slot *s, int64_t now_ms)
{
    s->deaf_ms = now_ms + (DEAF_MS << s->denials);
    s->denials = (uint8_t)(s->denials + (s->denials < DEAF_DOUBLINGS));
}

static void observe_egress(struct links *l, int16_t slot, const struct observation *o,
                           int64_t now_ms)
{
    struct slot *s = &l->slot[slot];
    if (o->result == OBS_UNPLUMBED) {
        egress_out(l, slot, o, EGRESS_UNPLUMBED,
                   "its address, interface or mark is not available here", now_ms);
    } else if (o->result == OBS_PROXY_DOWN) {
        egress_out(
            l, slot, o, EGRESS_PROXY_DOWN,
            "its proxy or relay does not answer or serve us; egress_down in the log says why",
            now_ms);
    } else if (o->result == OBS_OK &&
               (s->fault == EGRESS_UNPLUMBED || s->fault == EGRESS_PROXY_DOWN)) {
        if (s->fault_word == WORD_OF_PROBE)
            egress_denied(s, now_ms);
        fault_set(l, slot, EGRESS_FINE, "it is back", now_ms);
        s->fault_word = WORD_OF_WORKER;
    }
}

/* The round trip of the path in ms, or negative when this one does not tell. */
static double round_trip(const struct observation *o)
{
    if (!o->proxied && o->rtt_us > 0)
        return ms_of(o->rtt_us);
    if (o->app_rtt_us > 0)
        return ms_of(o->app_rtt_us);
    if (o->kind != OBS_MAIL && !o->proxied && o->connect_us > 0 &&
        ms_of(o->connect_us) < SYN_LOST_MS)
        return ms_of(o->connect_us);
    return -1;
}

static bool syn_lost(const struct observation *o)
{
    return o->kind != OBS_MAIL && ms_of(o->proxied ? o->longest_us : o->connect_us) >= SYN_LOST_MS;
}

static void take_loss(struct cell *c, const struct observation *o, int64_t at_ms)
{
    double sent = 0, lost = 0;
    if (!o->proxied && o->segments > 0) {
        sent = fmin(o->segments, SEGMENTS_MOST * (1.0 + o->more_sessions + o->more_mails));
        lost = o->retransmits * sent / o->segments;
    } else if (o->kind != OBS_MAIL) {
        sent = 1;
    }
    if (syn_lost(o) && lost < 1) {
        lost = 1;
        sent = fmax(sent, 1);
    }
    estimate_loss(&c->est, lost, sent, at_ms);
}

/* Returns the round trip, of before when this one does not tell. */
static double take_figures(struct cell *c, const struct observation *o, bool of_loss, int64_t at_ms)
{
    double rtt = round_trip(o), base = rtt > 0 ? rtt : c->est.rtt_ms;
    if (rtt > 0)
        estimate_rtt(&c->est, rtt, at_ms);
    if (of_loss)
        take_loss(c, o, at_ms);
    if (o->kind == OBS_MAIL && o->bytes >= BULK_BYTES && o->data_us > 0 && !o->app_limited)
        estimate_goodput(&c->est, (double)o->bytes / ms_of((int64_t)o->data_us), at_ms);
    if (o->kind != OBS_MAIL && o->connect_us > 0) {
        if (!c->minute.connect)
            c->minute.connect = mem_zero(sizeof *c->minute.connect);
        spread_add(c->minute.connect, ms_of(o->connect_us));
    }
    return base;
}

static void take_think(struct group *g, const struct observation *o, double rtt_ms)
{
    if (o->kind == OBS_CONNECT && o->greeting_us >= 0)
        mean_of(&g->greet_ms, ms_of(o->greeting_us) - rtt_ms);
    if (o->kind == OBS_MAIL && o->final_us >= 0)
        mean_of(&g->final_ms, ms_of(o->final_us) - rtt_ms);
}

/* Returns how many mails it tells of. */
static uint32_t count(struct minute *m, const struct observation *o)
{
    uint32_t tries = o->more_sessions + (o->kind == OBS_CONNECT);
    uint32_t mails = o->more_mails + (o->kind == OBS_MAIL && o->code);
    m->samples += 1 + o->more_sessions + o->more_mails;
    m->tries += tries;
    m->first_ok += tries - (o->kind == OBS_CONNECT && observation_is_path_failure(o));
    m->mails += mails;
    return mails;
}

static void count_rate(struct group *g, uint32_t mails, int64_t at_ms)
{
    if (!mails)
        return;
    double since = fmax((double)(at_ms - g->rate_ms), 0);
    g->rate = g->rate * exp(-since / LINKS_RATE_TAU_MS) + 1000.0 * mails / LINKS_RATE_TAU_MS;
    g->rate_ms = at_ms;
}

/* Our own probes are known by their start; others say how long they took. */
static int64_t start_of(struct links *l, uint32_t group, int16_t slot, const struct observation *o,
                        int64_t at_ms)
{
    int64_t took = o->connect_us > 0 ? o->connect_us / 1000 : 0;
    if (o->kind == OBS_CONNECT)
        return at_ms - took - (o->greeting_us > 0 ? o->greeting_us / 1000 : 0);
    if (o->kind == OBS_MAIL)
        return at_ms - (o->app_rtt_us > 0 ? o->app_rtt_us / 1000 : 0);
    return probe_finished(l, group, slot, &o->address, at_ms - took);
}

/* When the packet left that set the connection up, at the latest: the first one, or one of its
 * repetitions. These are whole seconds later: 1, 3, 7 (RFC 6298), or 1, 2, 3, 4, 5, 7 (Linux since
 * 6.5). Before then nothing is known to have got through. */
static int64_t through_since(const struct observation *o, int64_t start_ms)
{
    int64_t wait_us = o->proxied ? o->longest_us : o->connect_us;
    if (wait_us < 1000 * SYN_REPEATED_MS)
        return start_ms;
    return start_ms + o->connect_us / 1000 / SYN_REPEATED_MS * SYN_REPEATED_MS;
}

/* There is no other way to it, so it is never judged DOWN: when it cannot be reached, that is a
 * fault of the egress. */
static void observe_leg(struct links *l, int16_t slot, const struct observation *of, int64_t at_ms)
{
    struct slot *s = &l->slot[slot];
    struct observation o = *of;
    bool overdue = o.result == OBS_OVERDUE, failed = observation_is_path_failure(&o);
    int64_t start_ms = at_ms - (o.connect_us > 0 ? o.connect_us / 1000 : 0);
    s->leg = s->leg ? s->leg : mem_zero(sizeof *s->leg);
    o.proxied = 0; /* of this way TCP_INFO tells */
    double doubt = path_doubt(&s->leg->path);
    if (overdue || failed)
        (void)path_failure(&s->leg->path, 0, failed, start_ms, at_ms);
    else
        l->changed |= path_success(&s->leg->path, start_ms, at_ms) == PATH_NOW_UP;
    l->changed |= path_doubt(&s->leg->path) > doubt;
    if (overdue)
        return;
    if (!failed)
        (void)take_figures(s->leg, &o, true, at_ms);
    estimate_session(&s->leg->est, failed, at_ms);
    (void)count(&s->leg->minute, &o);
    s->leg->sample_ms = at_ms > s->leg->sample_ms ? at_ms : s->leg->sample_ms;
    l->dirty = true;
}

/* Hosts that keep everybody waiting for their greeting are no failure of a path, and one that began
 * to is none for long: once nothing gets through any more, its past does not count. */
static bool is_failure(struct group *g, int16_t slot, const struct observation *o)
{
    struct target *t = target_find(g, &o->address);
    bool greets = t && t->greets;
    if (t && o->kind == OBS_PROBE && o->code) {
        target_answered(t, slot, o->code >= 400);
        t->greets = true;
        t->greet_ms = fmax(ms_of(o->greeting_us), GREET_KEPT * t->greet_ms);
    } else if (t && o->result == OBS_SILENT && g->destination_suspect) {
        t->greets = false;
    }
    return observation_is_path_failure(o) || (o->result == OBS_SILENT && greets);
}

static void observe_path(struct links *l, struct group *g, int16_t slot,
                         const struct observation *o, int64_t start_ms, int64_t at_ms)
{
    struct cell *c = links_cell(g, slot);
    bool failed = is_failure(g, slot, o);
    if (!failed && o->result == OBS_SILENT && l->slot[slot].blind) {
        l->dirty = true; /* nobody knows who is silent */
    } else if (failed) {
        judge_failure(l, g, slot, &o->address, true, start_ms, at_ms);
    } else {
        bool away = g->destination_suspect || blips_shared(c) || start_ms < g->fine_ms ||
                    start_ms < g->blink_ms;
        take_think(g, o, take_figures(c, o, !away, at_ms));
        l->dirty = true;
        judge_success(l, g, slot, &o->address, through_since(o, start_ms), at_ms);
    }
    count_rate(g, count(&c->minute, o), at_ms);
}

void links_observe(struct links *l, const struct observation *o, int group, int64_t now_ms)
{
    int16_t slot = slot_of(l, o->egress);
    int index = links_group_index(l, group);
    if (slot == NO_SLOT || o->kind >= OBS_KINDS || o->result >= OBS_RESULTS)
        return;
    if (o->kind == OBS_EGRESS || observation_is_egress_fault(o) || o->result == OBS_UNSENT) {
        if (o->kind != OBS_EGRESS && index != NO_GROUP) /* answered: its path is not to blame */
            (void)probe_finished(l, (uint32_t)index, slot, &o->address, 0);
        observe_egress(l, slot, o, now_ms);
        return;
    }
    bool mail = o->kind == OBS_CONNECT || o->kind == OBS_MAIL;
    if (!mail && now_ms >= l->slot[slot].deaf_ms) /* probes can be believed again */
        l->slot[slot].denials = 0;
    int64_t at_ms = o->at_us / 1000;
    at_ms = at_ms > now_ms ? now_ms : at_ms;
    struct group *g = index != NO_GROUP ? l->group[index] : NULL;
    if (g && mail)
        g->used_ms = at_ms;
    if (l->slot[slot].relay) {
        observe_leg(l, slot, o, at_ms);
        return;
    }
    if (!g) /* it has given its place to another */
        return;
    if (o->result == OBS_CONNECTED) {
        probe_connected(l, (uint32_t)index, slot, &o->address, at_ms);
        return;
    }
    if (mail)
        (void)target_learn(l, g, slot, &o->address, at_ms);
    int64_t start_ms = start_of(l, (uint32_t)index, slot, o, at_ms);
    if (o->result == OBS_OVERDUE)
        judge_failure(l, g, slot, &o->address, false, start_ms, at_ms);
    else
        observe_path(l, g, slot, o, start_ms, at_ms);
    if (mail)
        g->mail_ms = at_ms;
}
