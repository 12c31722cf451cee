#include "gateway/daemon/webhook.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/dns/fetch_name.h"
#include "gateway/io/timer.h"

enum {
    TIMEOUT_MS = 20 * 1000,
    ANSWER_MAX = 64 << 10,
    JOINED_MAX = 384 << 10, /* as long as one may be */
    SECOND = 1000,
    MINUTE = 60 * SECOND
};

static const int64_t pauses[] = { 10 * SECOND, MINUTE, 5 * MINUTE, 20 * MINUTE };
enum {
    PAUSES = sizeof pauses / sizeof pauses[0],
    REFUSALS_BORNE = 4,
    APART_MS = SECOND,
    PATIENCE_MS = 24 * 60 * MINUTE
};

struct post {
    struct list node;
    char *json;
    size_t n;
    unsigned tries, refusals; /* refusals: of the tries, answers that it is not wanted */
    int64_t since_ms;         /* monotonic; before this process began it may be negative */
};

struct webhook {
    struct loop *loop;
    const struct webhook_ops *ops;
    void *arg;
    char *url, *ca; /* url: NULL: none */
    size_t ca_n;
    struct resolver *resolver; /* NULL: not configured yet */
    struct fetcher *fetcher;
    struct fetch_name *fetch; /* NULL: none is under way */
    struct list posts;
    unsigned n;
    bool down; /* the last answer was none, or not about the message */
    struct timer next;
};

static struct post *first(struct webhook *w)
{
    return list_empty(&w->posts) ? NULL : CONTAINER_OF(w->posts.next, struct post, node);
}

static void post_free(struct webhook *w, struct post *p)
{
    list_del(&p->node);
    w->n--;
    free(p->json);
    free(p);
}

static void drop_all(struct webhook *w)
{
    LIST_EACH (node, &w->posts)
        post_free(w, CONTAINER_OF(node, struct post, node));
}

/* ---- those that wait for one that is down ---- */

/* The older one is a part of the newer one now; its pauses go on. */
static bool join(struct webhook *w, const struct post *older, struct post *newer)
{
    struct buf out;
    buf_init(&out, JOINED_MAX);
    bool joined = w->ops->join((struct slice){ older->json, older->n },
                               (struct slice){ newer->json, newer->n }, &out);
    if (joined) {
        newer->tries = older->tries;
        free(newer->json);
        newer->json = buf_take(&out, &newer->n);
    }
    buf_free(&out);
    return joined;
}

static void gather(struct webhook *w)
{
    struct list apart = LIST_INIT(apart);
    struct post *sum = NULL;
    if (!w->down || w->fetch)
        return;
    list_splice_back(&apart, &w->posts);
    for (struct list *node; (node = list_pop_front(&apart));) {
        struct post *p = CONTAINER_OF(node, struct post, node);
        if (sum && join(w, sum, p)) {
            post_free(w, sum);
            w->ops->gone(w->arg, false);
        } else if (sum) {
            list_push_back(&w->posts, &sum->node);
        }
        sum = p;
    }
    if (sum)
        list_push_back(&w->posts, &sum->node);
}

/* ---- one after the other ---- */

static void on_answer(void *arg, const struct fetch_result *result);

static void start(struct webhook *w)
{
    struct post *p = first(w);
    if (!p || w->fetch || !w->url || !w->resolver || timer_is_set(&w->next))
        return;
    struct fetch_plan plan = { .url = w->url,
                               .content_type = "application/json",
                               .body = { p->json, p->n },
                               .ca = { w->ca, w->ca_n },
                               .max = ANSWER_MAX,
                               .timeout_ms = TIMEOUT_MS };
    p->tries++;
    w->fetch = fetch_name_start(w->loop, w->fetcher, w->resolver, &plan, on_answer, w);
}

static void on_next(struct timer *timer)
{
    start(CONTAINER_OF(timer, struct webhook, next));
}

static void complain(const struct webhook *w, const struct fetch_result *result, bool final)
{
    struct fetch_target target;
    char why[256];
    bool known = fetch_target_of(w->url, &target, NULL) == RC_OK;
    if (result->rc == RC_OK)
        snprintf(why, sizeof why, "it answers %d", result->status);
    else
        snprintf(why, sizeof why, "%s", result->error);
    log_warning(NULL, final ? "webhook_given_up" : "webhook_failed", "host",
                known ? target.host : "", "reason", why, NULL);
}

/* It is there and does not want this one: those behind must not wait a day for that. */
static bool is_refused(const struct fetch_result *result)
{
    return result->rc == RC_OK && result->status / 100 == 4 && result->status != 408 &&
           result->status != 429;
}

static void on_answer(void *arg, const struct fetch_result *result)
{
    struct webhook *w = arg;
    struct post *p = first(w);
    assert(p);                             /* whose answer it is */
    bool good = result->status / 100 == 2; /* however long what it has to say about it is */
    p->refusals += is_refused(result);
    bool final = loop_now_ms(w->loop) - p->since_ms >= PATIENCE_MS || p->refusals > REFUSALS_BORNE;
    unsigned at = p->tries < PAUSES ? p->tries : PAUSES;
    w->fetch = NULL;
    w->down = !good && !is_refused(result);
    if (!good)
        complain(w, result, final);
    timer_set(w->loop, &w->next, good || final ? APART_MS : pauses[at - 1]);
    if (!good && !final) {
        gather(w);
        return;
    }
    post_free(w, p);
    w->ops->gone(w->arg, !good);
}

/* Newer ones tell more; the one under way stays. */
static void make_room(struct webhook *w)
{
    struct list *oldest = w->fetch ? w->posts.next->next : w->posts.next;
    log_warning(NULL, "webhook_given_up", "reason", "too many are waiting", NULL);
    post_free(w, CONTAINER_OF(oldest, struct post, node));
    w->ops->gone(w->arg, true);
}

void webhook_post(struct webhook *w, struct slice json, int64_t age_ms)
{
    struct post *p = mem_zero(sizeof *p);
    p->json = mem_copy(json.p, json.n);
    p->n = json.n;
    p->since_ms = loop_now_ms(w->loop) - age_ms;
    list_init(&p->node);
    list_push_back(&w->posts, &p->node);
    w->n++;
    gather(w);
    start(w);
    if (w->n > WEBHOOK_WAITING_MAX)
        make_room(w);
}

void webhook_each(const struct webhook *w, void (*fn)(void *arg, struct slice json, int64_t age_ms),
                  void *arg)
{
    LIST_EACH (node, &w->posts) {
        const struct post *p = CONTAINER_OF(node, struct post, node);
        fn(arg, (struct slice){ p->json, p->n }, loop_now_ms(w->loop) - p->since_ms);
    }
}

/* ---- life ---- */

/* Like the relay's, it stays as it is until the next start. */
static void open_resolver(struct webhook *w, const struct conf *conf)
{
    struct resolver_conf rc = resolver_defaults;
    struct err err;
    rc.servers = conf->dns.servers.at;
    rc.server_count = conf->dns.servers.n;
    rc.timeout_ms = conf->dns.timeout;
    rc.allow_loopback = true; /* it may be served by this very machine */
    if (resolver_new(w->loop, &rc, &w->resolver, &err) != RC_OK)
        log_error(NULL, "webhook_without_dns", "error", err.text, NULL);
}

/* A request under way has the URL and certificates that it began with: it is made anew. */
static void stop(struct webhook *w)
{
    struct post *p = first(w);
    if (w->fetch && p)
        p->tries--;
    fetch_name_cancel(&w->fetch);
    free(w->url);
    free(w->ca);
    w->url = w->ca = NULL;
}

void webhook_configure(struct webhook *w, const struct conf *conf)
{
    struct slice url = conf->reputation.notify.webhook, ca = conf->delivery.ca_file.data;
    if (!w->resolver && url.n)
        open_resolver(w, conf);
    stop(w);
    w->url = url.n ? mem_strndup(url.p, url.n) : NULL;
    w->ca = ca.n ? mem_copy(ca.p, ca.n) : NULL;
    w->ca_n = ca.n;
    if (w->url)
        start(w);
    else
        drop_all(w); /* nobody wants them any more */
}

struct webhook *webhook_new(struct loop *loop, const struct webhook_ops *ops, void *arg)
{
    struct webhook *w = mem_zero(sizeof *w);
    w->loop = loop;
    w->ops = ops;
    w->arg = arg;
    w->fetcher = fetcher_new(loop);
    list_init(&w->posts);
    timer_init(&w->next, on_next);
    return w;
}

void webhook_free(struct webhook **webhook)
{
    struct webhook *w = *webhook;
    if (!w)
        return;
    stop(w);
    timer_stop(w->loop, &w->next);
    drop_all(w);
    fetcher_free(&w->fetcher);
    resolver_free(&w->resolver);
    free(w);
    *webhook = NULL;
}
