/*
 * spool/local_group — builds what the committer writes, on the worker
 *
 *   Encoding and sealing happen here, on the many workers, so that the one committer only moves
 *   bytes. An inline body that is not sealed is not even copied: the committer hands its bytes to
 *   the store.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/mail/body.h"
#include "gateway/spool/local.h"

/* On the worker that made it: memory goes back where it came from. */
static void group_finish(struct req *req)
{
    struct group *group = (struct group *)req;
    for (unsigned i = 0; i < group->count; i++)
        body_unref(&group->writes[i].body);
    buf_free(&group->bytes);
    if (group->cb)
        group->cb(group->arg, req->rc, group->fence);
    free(group);
}

static struct group *group_new(size_t writes, spool_commit_fn *cb, void *arg)
{
    struct group *group = mem_zero(sizeof(*group) + writes * sizeof(group->writes[0]));
    group->req.finish = group_finish;
    group->cb = cb;
    group->arg = arg;
    buf_init(&group->bytes, RECORD_LIMIT);
    return group;
}

static struct write *add_write(struct group *group, enum write_kind kind, struct spool_id id)
{
    struct write *w = &group->writes[group->count++];
    w->kind = kind;
    w->id = id;
    w->at = buf_len(&group->bytes);
    return w;
}

static void end_record(struct group *group, struct write *w)
{
    assert(!group->bytes.full);
    w->len = buf_len(&group->bytes) - w->at;
    group->cost += w->len;
}

static void add_item(struct group *group, struct local_port *port, const struct spool_item *item,
                     uint32_t chunks)
{
    struct write *w = add_write(group, WRITE_ITEM, item->id);
    struct record_owner owner = { .epoch = local_of(&port->port)->epoch, .chunks = chunks };
    w->sub = item->sub;
    w->count = item->count;
    record_put_item(&group->bytes, port->seal, item, owner);
    end_record(group, w);
}

static void add_body(struct group *group, struct local_port *port, struct spool_id id,
                     struct body *body)
{
    struct write *w = add_write(group, WRITE_BODY, id);
    if (port->seal) {
        record_put_sealed_body(&group->bytes, port->seal, id, body_slice(body),
                               body_head_size(body));
        end_record(group, w);
    } else {
        w->body = body_ref(body);
        group->cost += body_size(body);
    }
}

static void add_items(struct group *group, struct local_port *port, struct spool_id id,
                      uint64_t body_size, uint32_t chunks, const struct spool_item *items,
                      unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct spool_item item = items[i];
        item.id = id;
        item.count = (uint16_t)n;
        item.body_size = body_size;
        add_item(group, port, &item, chunks);
    }
    group->add = true;
    group->id = id;
    group->chunks = chunks;
}

static void count_waiting(struct local *local, const struct group *group)
{
    atomic_fetch_add_explicit(&local->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&local->waiting_bytes, group->cost, memory_order_relaxed);
}

static void post_group(struct local_port *port, struct group *group)
{
    struct local *local = local_of(&port->port);
    count_waiting(local, group);
    req_post(port, &local->committer, &group->req);
}

/* Nothing may be taken now: the answer comes back without a trip to the committer. */
static bool refused(struct local_port *port)
{
    enum spool_gate gate = local_gate(port->port.spool);
    return gate == SPOOL_GATE_SICK || gate == SPOOL_GATE_DISK_LOW || gate == SPOOL_GATE_CLOSING;
}

void local_commit(struct spool_port *p, struct spool_id id, struct body *body,
                  const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg)
{
    struct local_port *port = port_of(p);
    struct group *group = group_new(n + 1U, cb, arg);
    if (refused(port)) {
        group->req.port = port;
        port->pending++;
        req_done(&group->req, SPOOL_LATER);
        return;
    }
    group->accept = true;
    add_body(group, port, id, body);
    add_items(group, port, id, body_size(body), 0, items, n);
    post_group(port, group);
}

void group_commit_chunked(struct local_port *port, struct spool_id id, struct stream *stream,
                          const struct manifest *manifest, struct slice head,
                          const struct spool_item *items, unsigned n, spool_commit_fn *cb,
                          void *arg)
{
    struct group *group = group_new(n + 1U, cb, arg);
    group->accept = true;
    group->stream = stream;
    group->req.run = bulk_commit_run;
    struct write *w = add_write(group, WRITE_BODY, id);
    record_put_manifest(&group->bytes, port->seal, id, manifest, head);
    end_record(group, w);
    add_items(group, port, id, manifest->data_size + head.n, manifest->chunks, items, n);
    count_waiting(local_of(&port->port), group);
    req_post(port, &local_of(&port->port)->bulk_writer, &group->req);
}

static void add_op(struct group *group, struct local_port *port, const struct spool_op *op)
{
    if (op->kind == SPOOL_ADD) {
        struct spool_id id = op->item.id;
        add_body(group, port, id, op->add_body);
        add_items(group, port, id, body_size(op->add_body), 0, op->add_items, op->add_count);
        return;
    }
    uint32_t epoch = (uint32_t)(op->item.fence >> 32), chunks = (uint32_t)op->item.fence;
    if (epoch != local_of(&port->port)->epoch)
        group->stale = true;
    if (op->kind == SPOOL_DEFER) {
        add_item(group, port, &op->item, chunks);
        return;
    }
    struct write *w = add_write(group, WRITE_DONE, op->item.id);
    w->sub = op->item.sub;
    w->count = op->item.count;
    w->chunks = chunks;
}

void local_apply(struct spool_port *p, const struct spool_op *ops, unsigned n, spool_commit_fn *cb,
                 void *arg)
{
    struct local_port *port = port_of(p);
    size_t writes = 0;
    for (unsigned i = 0; i < n; i++)
        writes += ops[i].kind == SPOOL_ADD ? ops[i].add_count + 1U : 1U;
    struct group *group = group_new(writes, cb, arg);
    for (unsigned i = 0; i < n; i++)
        add_op(group, port, &ops[i]);
    note_group(port, group);
    post_group(port, group);
}
