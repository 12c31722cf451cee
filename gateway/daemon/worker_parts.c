#include "gateway/daemon/worker_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"

enum { SCAN_PAGE = 256 };

/* ---- doors ---- */

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    struct door *door = arg;
    ingress_accept(door->worker->ingress, fd, door->listener, peer, local);
}

void worker_unlisten(struct worker *w)
{
    for (size_t i = 0; i < w->door_count; i++)
        listener_free(&w->doors[i].socket);
    free(w->doors);
    w->doors = NULL;
    w->door_count = 0;
}

/* The descriptors of unchanged listeners are new, the sockets behind them the same. */
void worker_listen(struct worker *w, const struct workplan *plan)
{
    worker_unlisten(w);
    w->doors = mem_array(plan->listener_count, sizeof *w->doors);
    for (size_t i = 0; i < plan->listener_count; i++) {
        struct door *door = &w->doors[i];
        *door = (struct door){ .worker = w, .listener = (unsigned)i };
        door->socket = listener_new(w->loop, plan->listeners[i][w->index], on_accept, door);
    }
    w->door_count = plan->listener_count;
}

/* ---- the spool's items ---- */

static void on_page(void *arg, enum spool_rc rc, const struct spool_item *items, unsigned n)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < n; i++) {
        queue_load(w->queue, item_new(&items[i]));
        w->scanned++;
    }
    if (n > 0)
        return;
    if (rc == SPOOL_OK)
        log_info(NULL, "spool_scanned", "items", LOG_INT(w->scanned), NULL);
    else
        log_error(NULL, "spool_scan_failed", "reason", spool_rc_name(rc), "items",
                  LOG_INT(w->scanned), NULL);
    mailbox_post(loop_mailbox(w->workers->env.home), &w->scan_ended);
}

static void on_scan_ended(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, scan_ended);
    w->workers->env.scanned(w->workers->env.arg);
}

void worker_scan(struct worker *w)
{
    w->scan_ended.fn = on_scan_ended;
    spool_scan(w->port, SCAN_PAGE, on_page, w);
}

/* ---- the parts ---- */

/* A gateway that listens on loopback only is a laboratory: there mail exchangers may be on loopback
 * too. Anywhere else such an MX is an attempt to reach what trusts this host. */
static bool is_laboratory(const struct conf *conf)
{
    for (size_t i = 0; i < conf->listen.n; i++) {
        if (!addr_is_loopback(&conf->listen.at[i].address))
            return false;
    }
    return true;
}

static enum rc make_resolver(struct worker *w, const struct conf *conf, struct err *err)
{
    struct resolver_conf rc = resolver_defaults;
    rc.servers = conf->dns.servers.at;
    rc.server_count = conf->dns.servers.n;
    rc.timeout_ms = conf->dns.timeout;
    rc.allow_loopback = is_laboratory(conf);
    enum rc result = resolver_new(w->loop, &rc, &w->resolver, err);
    w->workers->resolvers[w->index] = w->resolver;
    return result;
}

static void on_advice(void *worker, struct advice *advice)
{
    struct worker *w = worker;
    if (w->delivery)
        delivery_advise(w->delivery, advice);
    else
        advice_unref(&advice);
}

static void on_letter_done(void *arg, enum rc rc)
{
    relay_letter_done(arg, rc == RC_OK      ? LETTER_KEPT
                           : rc == RC_AGAIN ? LETTER_LATER
                                            : LETTER_NEVER);
}

static void on_letter(void *worker, const struct link_letter *letter, struct errand *errand)
{
    struct worker *w = worker;
    if (w->delivery)
        delivery_letter(w->delivery, letter->to, letter->subject, letter->text, on_letter_done,
                        errand);
    else
        relay_letter_done(errand, LETTER_LATER);
}

static void on_geo(struct mail *mail)
{
    struct worker *w = CONTAINER_OF(mail, struct worker, geo_order);
    struct geo *geo = atomic_exchange(&w->geo_next, NULL);
    geo_cache_use(w->geo, geo);
    geo_unref(&geo);
}

/* One that comes before the last was taken up takes its place. */
void worker_use_geo(struct worker *w, struct geo *geo)
{
    w->geo_order.fn = on_geo;
    struct geo *old = atomic_exchange(&w->geo_next, geo_ref(geo));
    if (!old)
        mailbox_post(loop_mailbox(w->loop), &w->geo_order);
    geo_unref(&old);
}

static void drop_geo(struct worker *w)
{
    struct geo *geo = atomic_exchange(&w->geo_next, NULL);
    geo_unref(&geo);
}

static void make_queue(struct worker *w, const struct workplan *plan)
{
    struct workers *ws = w->workers;
    struct queue_events events;
    struct delivery_env delivery = { .loop = w->loop,
                                     .resolver = w->resolver,
                                     .spool = w->port,
                                     .policies = plan->policies,
                                     .log = w->log,
                                     .rnd = &w->rnd,
                                     .geo = w->geo,
                                     .count = ws->env.count,
                                     .observe = relay_links_observe,
                                     .observe_arg = relay_links_outbox(ws->env.links, w->index),
                                     .replies = ws->replies,
                                     .allowances = ws->allowances,
                                     .honesties = ws->honesties,
                                     .gauges = ws->gauges,
                                     .report = relay_links_report,
                                     .report_arg = relay_links_outbox(ws->env.links, w->index) };
    w->delivery = delivery_new(&delivery);
    relay_links_worker(ws->env.links, w->index, loop_mailbox(w->loop), on_advice, on_letter, w);
    delivery_events(w->delivery, &events);
    struct queue_env queue = { .loop = w->loop,
                               .resolver = w->resolver,
                               .spool = w->port,
                               .policies = plan->policies,
                               .rnd = &w->rnd,
                               .geo = w->geo,
                               .replies = ws->replies,
                               .index = w->index,
                               .count = ws->env.count,
                               .all = ws->queues };
    w->queue = ws->queues[w->index] = queue_new(&queue, &events);
    delivery_set_queue(w->delivery, w->queue);
}

enum rc worker_make(struct worker *w, const struct workplan *plan, struct err *err)
{
    struct workers *ws = w->workers;
    w->loop = loop_new();
    rnd_seed_system(&w->rnd);
    enum rc rc = make_resolver(w, policies_conf(plan->policies), err);
    if (rc != RC_OK)
        return rc;
    w->geo = geo_cache_new(GEO_GROUPS_MAX);
    geo_cache_use(w->geo, plan->geo);
    w->port = spool_port_new(ws->env.spool, w->loop, (uint16_t)w->index);
    w->log = delivery_writer_new(ws->env.log, w->loop, &w->counters, &w->reasons);
    make_queue(w, plan);
    struct ingress_env ingress = { .loop = w->loop,
                                   .hub = ws->hub,
                                   .policies = plan->policies,
                                   .tls = plan->tls,
                                   .spool = ws->env.spool,
                                   .port = w->port,
                                   .queue = w->queue,
                                   .log = w->log };
    w->ingress = ingress_new(&ingress);
    return RC_OK;
}

void worker_unmake(struct worker *w, int step)
{
    if (!w->loop)
        return;
    switch (step) {
    case 0:
        worker_unlisten(w);
        ingress_free(&w->ingress);
        break;
    case 1:
        spool_port_free(&w->port);
        break;
    case 2:
        delivery_free(&w->delivery);
        queue_free(&w->queue);
        break;
    default:
        delivery_writer_free(&w->log);
        resolver_free(&w->resolver);
        drop_geo(w);
        geo_cache_free(&w->geo);
        loop_free(&w->loop);
    }
}
