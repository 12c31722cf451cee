#include "reputation/run_feeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/run_feeds_private.h"

enum {
    HOUR_MS = 60 * 60 * 1000,
    RETRY_MS = 5 * 60 * 1000,
    LOOK_MS = 5 * 60 * 1000,
    FETCH_MS = 2 * 60 * 1000,
    DOUBLINGS = 6
};

void run_feeds_take(struct run_feeds *run, struct slice path, struct slice bytes, const char *error)
{
    for (size_t i = 0; i < run->n; i++) {
        struct source *s = run->sources[i];
        if (!slice_eq(s->conf.file, path))
            continue;
        if (error)
            source_miss(s, error);
        else
            source_take(s, bytes);
    }
}

/* ---- URLs ---- */

static int64_t interval_of(const struct source *s)
{
    struct fetch_target target;
    int64_t interval = s->conf.interval;
    bool asks_for_patience = fetch_target_of(s->conf.url.p, &target, NULL) == RC_OK &&
                             slice_ends_with(slice_of(target.host), "spamhaus.org");
    return asks_for_patience && interval < HOUR_MS ? HOUR_MS : interval;
}

static void fetch_later(struct source *s, bool good)
{
    int64_t wait = interval_of(s);
    int64_t retry = (int64_t)RETRY_MS << s->failures;
    if (!good && retry < wait && interval_of(s) == s->conf.interval)
        wait = retry;
    s->failures = good ? 0 : s->failures + (s->failures < DOUBLINGS);
    wait = rnd_jitter(&s->run->rnd, wait, 5);
    s->next_ms = loop_now_ms(s->run->loop) + wait;
    timer_set(s->run->loop, &s->next, wait);
}

/* After a reload: when it was due, or sooner when the interval is shorter now. */
static void fetch_as_planned(struct source *s)
{
    int64_t left = s->next_ms - loop_now_ms(s->run->loop), most = interval_of(s);
    left = left < most ? left : most;
    timer_set(s->run->loop, &s->next, left > 0 ? left : 0);
}

static bool take_answer(struct source *s, const struct fetch_result *result)
{
    char why[256];
    if (result->rc == RC_OK && result->status == 304 && s->feed) {
        source_confirm(s);
        return true;
    }
    if (result->rc == RC_OK && result->status == 200) {
        if (!source_take(s, result->body))
            return false;
        snprintf(s->etag, sizeof s->etag, "%s", result->etag);
        snprintf(s->modified, sizeof s->modified, "%s", result->modified);
        return true;
    }
    if (result->rc == RC_OK)
        snprintf(why, sizeof why, "the server answers %d", result->status);
    else
        snprintf(why, sizeof why, "cannot be fetched: %s", result->error);
    source_miss(s, why);
    return false;
}

static void on_fetched(void *arg, const struct fetch_result *result)
{
    struct source *s = arg;
    s->fetch = NULL;
    fetch_later(s, take_answer(s, result));
}

static void on_next(struct timer *timer)
{
    struct source *s = CONTAINER_OF(timer, struct source, next);
    struct fetch_plan plan = { .url = s->conf.url.p,
                               .etag = s->feed ? s->etag : NULL,
                               .modified = s->feed ? s->modified : NULL,
                               .ca = s->run->ca,
                               .max = FEED_BYTES_MAX,
                               .timeout_ms = FETCH_MS };
    if (s->run->resolver)
        s->fetch =
            fetch_name_start(s->run->loop, s->run->fetcher, s->run->resolver, &plan, on_fetched, s);
}

/* ---- configuration ---- */

static void source_free(struct source *s)
{
    timer_stop(s->run->loop, &s->next);
    fetch_name_cancel(&s->fetch);
    feed_free(&s->feed);
    feed_free(&s->held);
    feed_free(&s->less);
    free((char *)(uintptr_t)s->conf.file.p);
    free((char *)(uintptr_t)s->conf.url.p);
    free(s->verdicts);
    free(s);
}

static bool same_feed(const struct conf_feed *a, const struct conf_feed *b)
{
    return slice_eq(a->file, b->file) && slice_eq(a->url, b->url) && a->format == b->format;
}

static struct slice copy_text(struct slice s)
{
    return (struct slice){ mem_strndup(s.n ? s.p : "", s.n), s.n };
}

/* Takes over what the source before knows (NULL: nothing). */
static struct source *source_new(struct run_feeds *run, const struct conf_feed *conf,
                                 struct source *before)
{
    struct source *s = mem_zero(sizeof *s);
    s->run = run;
    s->conf = *conf;
    s->conf.file = copy_text(conf->file);
    s->conf.url = copy_text(conf->url);
    timer_init(&s->next, on_next);
    s->lame_ms = before ? before->lame_ms : loop_now_ms(run->loop);
    if (!before)
        return s;
    s->dead = before->dead;
    s->many = before->many;
    s->told = before->told;
    s->last = before->last;
    s->feed = before->feed;
    s->held = before->held;
    s->held_until_ms = before->held_until_ms;
    s->less = before->less;
    before->feed = before->held = before->less = NULL;
    s->checked_ms = before->checked_ms;
    s->next_ms = before->next_ms;
    s->failures = before->failures;
    memcpy(s->problem, before->problem, sizeof s->problem);
    memcpy(s->etag, before->etag, sizeof s->etag);
    memcpy(s->modified, before->modified, sizeof s->modified);
    return s;
}

static void set_addresses(struct source *s, const struct run_feeds_config *config,
                          const struct source *before)
{
    s->n = config->address_n;
    s->verdicts = mem_array(s->n + 1, sizeof *s->verdicts);
    for (size_t i = 0; i < s->n; i++) {
        s->verdicts[i] = (struct verdict){ .address = config->addresses[i],
                                           .hit.text = "",
                                           .since_ms = loop_now_ms(s->run->loop) };
        for (size_t k = 0; s->feed && before && k < before->n; k++)
            if (addr_same_host(&before->verdicts[k].address, &s->verdicts[i].address))
                s->verdicts[i] = before->verdicts[k];
    }
}

static struct source *find(const struct run_feeds *run, const struct conf_feed *conf)
{
    for (size_t i = 0; i < run->n; i++)
        if (run->sources[i] && same_feed(&run->sources[i]->conf, conf))
            return run->sources[i];
    return NULL;
}

void run_feeds_configure(struct run_feeds *run, const struct run_feeds_config *config)
{
    struct source **made = mem_array(config->feed_n + 1, sizeof(struct source *));
    run->ca = config->ca;
    run->resolver = config->resolver;
    run->fetcher = config->fetcher;
    for (size_t i = 0; i < config->feed_n; i++) {
        struct source *before = find(run, &config->feeds[i]);
        made[i] = source_new(run, &config->feeds[i], before);
        set_addresses(made[i], config, before);
        if (!made[i]->conf.url.n)
            continue;
        if (made[i]->feed) /* as fresh as it was, and due when it was */
            fetch_as_planned(made[i]);
        else
            timer_set(run->loop, &made[i]->next, 0);
    }
    for (size_t i = 0; i < run->n; i++)
        source_free(run->sources[i]);
    free(run->sources);
    run->sources = made;
    run->n = config->feed_n;
    timer_set(run->loop, &run->look, 0);
}

void run_feeds_believed(struct run_feeds *run, struct slice source, const struct addr *address,
                        bool many)
{
    for (size_t i = 0; i < run->n; i++) {
        struct source *s = run->sources[i];
        for (size_t k = 0; k < s->n && slice_eq(source_name(s), source); k++) {
            struct verdict *v = &s->verdicts[k];
            if (v->state != LIST_UNKNOWN || !addr_same_host(&v->address, address))
                continue;
            v->before = true;
            v->many = many;
        }
    }
}

void run_feeds_look(struct run_feeds *run, int64_t now_ms)
{
    for (size_t i = 0; i < run->n; i++)
        source_look(run->sources[i], now_ms);
}

static void on_look(struct timer *timer)
{
    struct run_feeds *run = CONTAINER_OF(timer, struct run_feeds, look);
    timer_set(run->loop, timer, LOOK_MS);
    run_feeds_look(run, loop_now_ms(run->loop));
}

void run_feeds_each(const struct run_feeds *run,
                    void (*fn)(void *arg, const struct listing *listing), void *arg)
{
    for (size_t i = 0; i < run->n; i++) {
        const struct source *s = run->sources[i];
        for (size_t k = 0; k < s->n; k++) {
            struct listing listing = source_listing(s, &s->verdicts[k]);
            fn(arg, &listing);
        }
    }
}

/* ---- life ---- */

struct run_feeds *run_feeds_new(struct loop *loop, const struct run_feeds_hooks *hooks)
{
    struct run_feeds *run = mem_zero(sizeof *run);
    run->loop = loop;
    run->hooks = *hooks;
    timer_init(&run->look, on_look);
    rnd_seed_system(&run->rnd);
    return run;
}

void run_feeds_free(struct run_feeds **run_p)
{
    struct run_feeds *run = *run_p;
    if (!run)
        return;
    timer_stop(run->loop, &run->look);
    for (size_t i = 0; i < run->n; i++)
        source_free(run->sources[i]);
    free(run->sources);
    free(run);
    *run_p = NULL;
}
