/*
 * spool/spool — see spool.h; passes calls on to the engine
 */
#include "gateway/spool/spool.h"

#include <assert.h>
#include <string.h>

#include "gateway/base/rnd.h"
#include "gateway/io/loop.h"
#include "gateway/spool/engine.h"

static const struct spool_engine *const engines[] = { &spool_local };

enum rc spool_open(const struct spool_conf *conf, struct spool **spool_r, struct err *err)
{
    const char *name = conf->engine ? conf->engine : engines[0]->name;
    *spool_r = NULL;
    for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
        if (strcmp(name, engines[i]->name) != 0)
            continue;
        enum rc rc = engines[i]->open(conf, spool_r, err);
        if (rc == RC_OK) {
            (*spool_r)->engine = engines[i];
            (*spool_r)->node = conf->node;
        }
        return rc;
    }
    return err_set(err, RC_NOT_FOUND, "no spool engine is called \"%s\"", name);
}

void spool_close(struct spool **spool)
{
    if (*spool)
        (*spool)->engine->close(*spool);
    *spool = NULL;
}

enum rc spool_key_check(struct spool *spool, const unsigned char *key, struct err *err)
{
    return spool->engine->key_check(spool, key, err);
}

struct spool_port *spool_port_new(struct spool *spool, struct loop *loop, uint16_t shard)
{
    struct spool_port *port = spool->engine->port_new(spool, loop);
    struct rnd rnd;
    rnd_seed_system(&rnd);
    port->spool = spool;
    port->loop = loop;
    spool_id_gen_init(&port->ids, spool->node, shard, (uint32_t)rnd_u64(&rnd));
    return port;
}

void spool_port_free(struct spool_port **port)
{
    if (*port)
        (*port)->spool->engine->port_free(*port);
    *port = NULL;
}

enum spool_gate spool_gate(const struct spool *spool)
{
    return spool->engine->gate(spool);
}

const char *spool_gate_name(enum spool_gate gate)
{
    switch (gate) {
    case SPOOL_GATE_OPEN:
        return "open";
    case SPOOL_GATE_SICK:
        return "sick";
    case SPOOL_GATE_DISK_LOW:
        return "disk_low";
    case SPOOL_GATE_BUSY:
        return "busy";
    case SPOOL_GATE_CLOSING:
        return "closing";
    }
    return "unknown";
}

const char *spool_rc_name(enum spool_rc rc)
{
    switch (rc) {
    case SPOOL_OK:
        return "ok";
    case SPOOL_LATER:
        return "later";
    case SPOOL_UNKNOWN:
        return "unknown";
    case SPOOL_LOST_LEASE:
        return "lost_lease";
    case SPOOL_NOT_FOUND:
        return "not_found";
    case SPOOL_CORRUPT:
        return "corrupt";
    case SPOOL_TOO_BIG:
        return "too_big";
    case SPOOL_FAILED:
        return "failed";
    }
    return "undefined";
}

struct spool_id spool_new_id(struct spool_port *port)
{
    return spool_id_next(&port->ids, loop_wall_ms(port->loop));
}

static void check_items(const struct spool_item *items, unsigned n)
{
    assert(n > 0 && n <= SPOOL_ITEMS_MAX);
    for (unsigned i = 0; i < n; i++) {
        assert(items[i].sub == i);
        assert(items[i].dest.n <= SPOOL_DEST_MAX && items[i].env.n <= SPOOL_ENV_MAX);
    }
}

void spool_commit(struct spool_port *port, struct spool_id id, struct body *body,
                  const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg)
{
    assert(body && cb);
    check_items(items, n);
    port->spool->engine->commit(port, id, body, items, n, cb, arg);
}

struct spool_writer *spool_writer_begin(struct spool_port *port, struct spool_id id,
                                        spool_drain_fn *drain, void *arg)
{
    assert(drain);
    struct spool_writer *w = port->spool->engine->writer_begin(port, id, drain, arg);
    w->port = port;
    return w;
}

bool spool_writer_append(struct spool_writer *w, const void *data, size_t n)
{
    return w->port->spool->engine->writer_append(w, data, n);
}

void spool_writer_prepend(struct spool_writer *w, const void *data, size_t n)
{
    w->port->spool->engine->writer_prepend(w, data, n);
}

uint64_t spool_writer_size(const struct spool_writer *w)
{
    return w->port->spool->engine->writer_size(w);
}

void spool_writer_commit(struct spool_writer **w, const struct spool_item *items, unsigned n,
                         spool_commit_fn *cb, void *arg)
{
    assert(cb);
    check_items(items, n);
    (*w)->port->spool->engine->writer_commit(*w, items, n, cb, arg);
    *w = NULL;
}

void spool_writer_abort(struct spool_writer **w)
{
    if (*w)
        (*w)->port->spool->engine->writer_abort(*w);
    *w = NULL;
}

void spool_apply(struct spool_port *port, const struct spool_op *ops, unsigned n,
                 spool_commit_fn *cb, void *arg)
{
    assert(n > 0);
    for (unsigned i = 0; i < n; i++) {
        const struct spool_item *item = &ops[i].item;
        if (ops[i].kind == SPOOL_ADD)
            check_items(ops[i].add_items, ops[i].add_count);
        else
            assert(item->sub < item->count);
        assert(item->dest.n <= SPOOL_DEST_MAX && item->env.n <= SPOOL_ENV_MAX);
    }
    port->spool->engine->apply(port, ops, n, cb, arg);
}

bool spool_may_send(const struct spool_port *port, const struct spool_item *item, int64_t ms)
{
    return port->spool->engine->may_send(port, item, ms);
}

void spool_load(struct spool_port *port, struct spool_id id, uint64_t max_size, spool_body_fn *cb,
                void *arg)
{
    port->spool->engine->load(port, id, max_size, cb, arg);
}

struct spool_reader *spool_reader_open(struct spool_port *port, struct spool_id id)
{
    struct spool_reader *r = port->spool->engine->reader_open(port, id);
    r->port = port;
    return r;
}

void spool_reader_next(struct spool_reader *r, spool_read_fn *cb, void *arg)
{
    r->port->spool->engine->reader_next(r, cb, arg);
}

void spool_reader_close(struct spool_reader **r)
{
    if (*r)
        (*r)->port->spool->engine->reader_close(*r);
    *r = NULL;
}

void spool_scan(struct spool_port *port, unsigned page_items, spool_page_fn *cb, void *arg)
{
    assert(page_items > 0);
    port->spool->engine->scan(port, page_items, cb, arg);
}

void spool_get_fill(const struct spool *spool, struct spool_fill *fill_r)
{
    spool->engine->get_fill(spool, fill_r);
}

void spool_get_stats(const struct spool *spool, struct spool_stats *stats_r)
{
    *stats_r = (struct spool_stats){ 0 };
    spool->engine->get_stats(spool, stats_r);
}
