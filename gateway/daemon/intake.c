#include "gateway/daemon/intake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/messages.h"
#include "gateway/io/way.h"

void intake_init(struct intake *in)
{
    *in = (struct intake){ .log_fd = -1 };
}

void intake_reset(struct intake *in)
{
    for (size_t i = 0; i < in->listener_count; i++) {
        for (unsigned w = 0; w < in->workers; w++)
            close(in->listeners[i][w]);
    }
    if (in->log_fd >= 0)
        close(in->log_fd);
    free(in->listeners);
    free(in->path);
    bundle_free(&in->bundle);
    intake_init(in);
}

static enum rc take_begin(struct intake *in, const struct ipc_message *m, struct err *err)
{
    intake_reset(in);
    struct cursor c = cur_of(m->bytes.p, m->bytes.n);
    unsigned workers = cur_u16(&c);
    struct slice path = cur_slice16(&c);
    struct slice packed = cur_bytes(&c, cur_left(&c));
    if (c.bad || workers == 0 || workers > WORKERS_MAX)
        return err_set(err, RC_PARSE, "malformed begin");
    enum rc rc = bundle_unpack(packed, &in->bundle, err);
    if (rc != RC_OK)
        return rc;
    in->workers = workers;
    in->path = mem_strndup(path.p, path.n);
    in->listeners = mem_array(LISTENERS_MAX, sizeof *in->listeners);
    return RC_OK;
}

static enum rc take_listener(struct intake *in, struct ipc_message *m, struct err *err)
{
    if (!in->workers || m->fd_count != in->workers || in->listener_count == LISTENERS_MAX)
        return err_set(err, RC_PARSE, "malformed listener");
    int *fds = in->listeners[in->listener_count++];
    for (unsigned i = 0; i < m->fd_count; i++) {
        fds[i] = m->fds[i];
        m->fds[i] = -1;
    }
    return RC_OK;
}

enum rc intake_take(struct intake *in, struct ipc_message *m, struct err *err)
{
    if (m->type == MSG_BEGIN)
        return take_begin(in, m, err);
    if (m->type == MSG_LISTENER)
        return take_listener(in, m, err);
    if (m->type != MSG_LOG || m->fd_count != 1)
        return err_set(err, RC_PARSE, "unexpected message %u", m->type);
    if (in->log_fd >= 0)
        close(in->log_fd);
    in->log_fd = m->fds[0];
    m->fds[0] = -1;
    return RC_OK;
}

static enum rc load(struct intake *in, struct policies **policies_r, struct err *err)
{
    struct conf_errors *errors = conf_errors_new();
    enum rc rc = policies_load(in->bundle, in->path, policies_r, errors);
    if (rc != RC_OK) {
        struct buf text;
        buf_init(&text, 64 << 10);
        conf_errors_put_text(errors, &text);
        err_set(err, rc, "%.*s", SLICE_FMT(buf_slice(&text)));
        buf_free(&text);
    }
    conf_errors_free(&errors);
    return rc;
}

/* A process without rights may use what net.ipv4.tcp_allowed_congestion_control lists. */
static void warn_of_congestion(const struct conf *conf)
{
    for (size_t i = 0; i < conf->egress.n; i++)
        if (!way_congestion_works(&conf->egress.at[i]))
            log_warning(NULL, "congestion_not_allowed", "egress", conf->egress.at[i].name.p, "name",
                        conf->egress.at[i].congestion.p, "see",
                        "net.ipv4.tcp_allowed_congestion_control", NULL);
}

enum rc intake_finish(struct intake *in, struct tls_tickets *tickets, struct spool *spool,
                      struct workplan *plan_r, struct err *err)
{
    struct workplan plan = { 0 };
    if (!in->workers)
        return err_set(err, RC_PARSE, "no configuration was begun");
    enum rc rc = load(in, &plan.policies, err);
    if (rc != RC_OK)
        return rc;
    const struct conf *conf = policies_conf(plan.policies);
    if (conf->tls.certificate.path.n) {
        struct tls_keypair pair = { conf->tls.certificate.data, conf->tls.key.data };
        rc = tls_server_new(&pair, 1, tickets, &plan.tls, err);
    }
    if (rc == RC_OK && spool)
        rc = spool_key_check(spool, conf->spool.sealed ? conf->spool.key : NULL, err);
    if (rc == RC_OK && conf->listen.n != in->listener_count)
        rc = err_set(err, RC_PARSE, "%zu listeners, %zu sockets", conf->listen.n,
                     in->listener_count);
    if (rc != RC_OK) {
        workplan_release(&plan);
        return rc;
    }
    warn_of_congestion(conf);
    plan.listeners = in->listeners;
    plan.listener_count = in->listener_count;
    in->listeners = NULL;
    in->listener_count = 0;
    *plan_r = plan;
    return RC_OK;
}

void workplan_release(struct workplan *plan)
{
    policies_unref(&plan->policies);
    tls_server_unref(&plan->tls);
    free(plan->listeners);
    geo_unref(&plan->geo);
    free(plan->changes);
    *plan = (struct workplan){ 0 };
}
