/*
 * reputation/run_feeds_set — what a feed's content is worth, and what it says of our addresses
 */
#include <stdio.h>
#include <string.h>

#include "reputation/run_feeds_private.h"

enum {
    SWEEP_FROM = 3, /* addresses */
    HOLD_MS = 15 * 60 * 1000,
    DEAD_MS = 3 * 60 * 60 * 1000, /* as a blocklist's */
    LESS_MS = 24 * 60 * 60 * 1000 /* by then what the set before said is forgotten, too */
};

struct slice source_name(const struct source *s)
{
    return s->conf.file.n ? s->conf.file : s->conf.url;
}

/* ---- what a set says ---- */

struct listing source_listing(const struct source *s, const struct verdict *v)
{
    bool listed = v->state == LIST_LISTED;
    enum zone_kind kind = listing_kind_of((unsigned)s->conf.points);
    return (struct listing){ .source = source_name(s),
                             .is_feed = true,
                             .address = v->address,
                             .state = v->state,
                             .was = v->state,
                             .since_ms = v->since_ms,
                             .checked_ms = s->checked_ms,
                             .problem = s->problem[0] ? s->problem : NULL,
                             .dead = s->dead,
                             .points = listed ? (unsigned)s->conf.points : 0,
                             .kind = v->many && kind == ZONE_HARD ? ZONE_SOFT : kind,
                             .many = v->many,
                             .what = listed ? v->what : "",
                             .text = listed ? v->hit.text : "",
                             .link = "" };
}

static void look(const struct source *s, struct verdict *v, int64_t now_ms)
{
    struct feed_hit hit = { .text = "" };
    bool listed = feed_find(s->feed, &v->address, &hit);
    enum listing_state state = listed ? LIST_LISTED : LIST_CLEAR;
    bool same = v->state == state && (!listed || feed_hit_same(&hit, &v->hit));
    v->hit = hit; /* its text lies in the new set */
    enum listing_state was = v->state;
    if (was != state)
        v->since_ms = now_ms;
    if (was != state && !v->before)
        v->many = listed && s->many;
    if (!listed)
        v->before = v->many = false;
    v->state = state;
    if (!same)
        feed_hit_what(listed ? &v->hit : NULL, v->what, sizeof v->what);
    struct listing listing = source_listing(s, v);
    listing.was = was;
    listing.changed = !same;
    s->run->hooks.listing(s->run->hooks.arg, &listing);
}

static void look_at_all(const struct source *s, int64_t now_ms)
{
    for (size_t i = 0; s->feed && i < s->n; i++)
        look(s, &s->verdicts[i], now_ms);
}

/* ---- what is wrong with it ---- */

static void say(struct source *s, enum list_fault fault, const char *text)
{
    if (s->told && fault == s->last && fault != LIST_REFUSED)
        return;
    s->run->hooks.fault(s->run->hooks.arg, source_name(s), fault, text);
    s->told = true;
    s->last = fault;
}

static void complain(struct source *s, enum list_fault fault, const char *why)
{
    if (strcmp(s->problem, why) == 0)
        return;
    snprintf(s->problem, sizeof s->problem, "%s", why);
    say(s, fault, s->problem);
}

/* What is in use is what it has: less than that has not stayed. */
static void recover(struct source *s)
{
    feed_free(&s->less);
    s->lame_ms = 0;
    s->dead = false;
    s->problem[0] = '\0';
}

/* Its content is in use, and as it should be. */
static void say_well(struct source *s)
{
    if (s->many)
        say(s, LIST_MANY, "still has most of our addresses: it counts as soft evidence");
    else
        say(s, LIST_FINE, s->told ? "it can be believed again" : "");
}

/* ---- one that is lame ---- */

/* What an old set says bears nothing out: only addresses that were never looked up are. */
static void look_up_new(const struct source *s, int64_t now_ms)
{
    for (size_t i = 0; s->feed && i < s->n; i++)
        if (s->verdicts[i].state == LIST_UNKNOWN)
            look(s, &s->verdicts[i], now_ms);
}

/* Also without a set, for what an earlier process believed of it. */
static void tell_dead(const struct source *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct listing listing = source_listing(s, &s->verdicts[i]);
        s->run->hooks.listing(s->run->hooks.arg, &listing);
    }
}

static void look_lamely(struct source *s, int64_t now_ms)
{
    bool was_dead = s->dead;
    char text[sizeof s->problem + 64];
    look_up_new(s, now_ms);
    s->dead = now_ms - s->lame_ms >= DEAD_MS;
    if (!s->dead)
        return;
    tell_dead(s);
    if (was_dead)
        return;
    snprintf(text, sizeof text, "has had no usable content for three hours: %s",
             s->problem[0] ? s->problem : "none has come");
    say(s, LIST_SILENT, text);
}

/* ---- what comes ---- */

/* A set that suddenly has most of our addresses is rather a fault of the set. Two addresses may
 * well be listed together. */
static bool is_sweep(const struct source *s, const struct feed *next)
{
    size_t sudden = 0;
    struct feed_hit hit;
    for (size_t i = 0; i < s->n; i++) {
        const struct verdict *v = &s->verdicts[i];
        sudden += (v->many || (v->state != LIST_LISTED && !v->before)) &&
                  feed_find(next, &v->address, &hit);
    }
    return s->n >= SWEEP_FROM && 2 * sudden > s->n;
}

/* It has been held back long enough: a set before this one, or what this one adds to. */
static bool has_waited(const struct source *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->verdicts[i].many)
            return true;
    return s->held && loop_now_ms(s->run->loop) >= s->held_until_ms;
}

/* What is held back would have to be in this one, too. */
void source_miss(struct source *s, const char *why)
{
    if (s->held) /* the next answer must bring a content again */
        s->etag[0] = s->modified[0] = '\0';
    feed_free(&s->held);
    feed_free(&s->less);
    s->lame_ms = s->lame_ms ? s->lame_ms : loop_now_ms(s->run->loop);
    complain(s, LIST_REFUSED, why);
}

static void weigh(struct source *s, const struct feed *set)
{
    s->many = is_sweep(s, set);
    for (size_t i = 0; i < s->n && !s->many; i++)
        s->verdicts[i].many = false;
}

static void adopt(struct source *s, struct feed *next, int64_t now_ms)
{
    struct feed *before = s->feed;
    weigh(s, next);
    s->feed = next;
    recover(s);
    s->checked_ms = now_ms;
    look_at_all(s, now_ms); /* leaves no pointer into the old set */
    feed_free(&before);
    say_well(s);
}

static void adopt_kept(struct source *s, struct feed **kept, int64_t now_ms)
{
    struct feed *next = *kept;
    *kept = NULL;
    adopt(s, next, now_ms);
}

void source_confirm(struct source *s)
{
    s->checked_ms = loop_now_ms(s->run->loop);
    if (s->held && has_waited(s))
        adopt_kept(s, &s->held, s->checked_ms);
    else if (!s->held) {
        if (s->many) /* there may be more addresses by now */
            weigh(s, s->feed);
        recover(s);
        say_well(s);
    }
}

static void hold(struct source *s, struct feed *next)
{
    if (!s->held)
        s->held_until_ms = loop_now_ms(s->run->loop) + HOLD_MS;
    feed_free(&s->held);
    s->held = next;
    recover(s);
    complain(s, LIST_HELD,
             "it has more than half of our addresses: not believed before it has them in 15 "
             "minutes");
}

bool source_take(struct source *s, struct slice bytes)
{
    struct err err;
    struct feed *next = NULL;
    enum rc rc = feed_parse(bytes, (enum feed_format)s->conf.format, source_name(s).p, &next, &err);
    if (rc == RC_OK)
        rc = feed_accept(next, s->feed, &err);
    if (rc != RC_OK) {
        source_miss(s, err.text);
        if (rc == RC_AGAIN) { /* the next answer must bring a content, whichever it is */
            s->less = next;
            s->etag[0] = s->modified[0] = '\0';
        } else
            feed_free(&next);
        return false;
    }
    if (is_sweep(s, next) && !has_waited(s)) {
        hold(s, next);
        return true;
    }
    feed_free(&s->held);
    adopt(s, next, loop_now_ms(s->run->loop));
    return true;
}

void source_look(struct source *s, int64_t now_ms)
{
    bool is_file = s->conf.file.n > 0; /* one that is still the same; a URL has to be asked */
    if (s->held && is_file && now_ms >= s->held_until_ms) {
        adopt_kept(s, &s->held, now_ms);
    } else if (s->less && now_ms - s->lame_ms >= LESS_MS) {
        adopt_kept(s, &s->less, now_ms);
    } else if (s->lame_ms) {
        look_lamely(s, now_ms);
    } else {
        look_at_all(s, now_ms);
    }
}
