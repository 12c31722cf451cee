#include "gateway/daemon/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/passage.h"
#include "gateway/admin/server.h"
#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/child_side.h"
#include "gateway/daemon/control_orders.h"
#include "gateway/daemon/control_parts.h"
#include "gateway/daemon/geo_child.h"
#include "gateway/daemon/ipc.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/sandbox.h"

enum { FOLDER_MAX = 512 };

struct control {
    struct loop *loop;
    struct ipc *ipc;
    struct admin_server *server;
    struct control_parts parts;
    struct geo_child geo;
    char *relay_path; /* the relay's admin socket */
    struct list reloads;
    uint32_t token;
    int exit_status;
};

/* An operator who waits for the outcome of a reload. */
struct reload {
    struct list node;
    struct call *call;
    uint32_t token;
};

/* ---- verbs ---- */

static void verb_reload(void *arg, struct call *call, const struct request *request)
{
    struct control *c = arg;
    (void)request;
    struct reload *r = mem_zero(sizeof *r);
    r->call = call;
    r->token = ++c->token;
    list_init(&r->node);
    list_push_back(&c->reloads, &r->node);
    struct buf b;
    buf_init(&b, 16);
    put_u32(&b, r->token);
    ipc_send(c->ipc, MSG_RELOAD, buf_slice(&b), NULL, 0);
    buf_free(&b);
}

static void reload_done(struct control *c, struct slice bytes)
{
    struct cursor cur = cur_of(bytes.p, bytes.n);
    uint32_t token = cur_u32(&cur);
    int status = cur_u8(&cur);
    LIST_EACH (node, &c->reloads) {
        struct reload *r = CONTAINER_OF(node, struct reload, node);
        if (r->token != token)
            continue;
        call_end_status(&r->call, status, cur_bytes(&cur, cur_left(&cur)));
        list_del(&r->node);
        free(r);
    }
}

static void verb_health(void *arg, struct call *call, const struct request *request)
{
    (void)arg;
    (void)request;
    call_row(call, SLICE_LIT("{\"control\":\"running\",\"version\":\"" WAYPOST_VERSION "\"}"));
    call_end(&call, true, slice_of(""));
}

static void verb_report_of(void *arg, struct call *call, const struct request *request)
{
    const struct control *c = arg;
    control_report_verb(c->parts.report, call, request);
}

static void verb_egress_of(void *arg, struct call *call, const struct request *request)
{
    struct control *c = arg;
    enum standing_order order;
    if (control_order_find(request->action, &order))
        control_order_run(c->parts.standing, c->loop, order, call, request);
    else
        control_report_egress(c->parts.report, call, request);
}

static void verb_of_relay(void *arg, struct call *call, const struct request *request)
{
    struct control *c = arg;
    passage_open(c->loop, c->relay_path, call, request);
}

static const struct admin_verb verbs[] = {
    { "reload", verb_reload },    { "health", verb_health }, { "report", verb_report_of },
    { "egress", verb_egress_of }, { NULL, verb_of_relay },   { NULL, NULL },
};

/* ---- the supervisor ---- */

static void finish(struct control *c, int exit_status)
{
    c->exit_status = exit_status;
    loop_stop(c->loop);
}

/* The folder of the relay's socket, <state>/run, or the one for `name` beside it. */
static void folder_of(const struct control *c, const char *name, char folder[FOLDER_MAX])
{
    snprintf(folder, FOLDER_MAX, "%s", c->relay_path);
    char *slash = strrchr(folder, '/');
    *(slash ? slash : folder) = '\0';
    slash = name ? strrchr(folder, '/') : NULL;
    if (slash)
        snprintf(slash + 1, FOLDER_MAX - (size_t)(slash + 1 - folder), "%s", name);
}

static enum rc enter_sandbox(struct control *c, struct err *err)
{
    char run[FOLDER_MAX], history[FOLDER_MAX], reputation[FOLDER_MAX];
    folder_of(c, NULL, run);
    folder_of(c, "history", history);
    folder_of(c, "reputation", reputation);
    struct path_rule rules[] = {
        { run, PATH_READ }, /* sockets, and copies of the databases */
        { history, PATH_WRITE },
        { reputation, PATH_WRITE },
        { "/proc/self", PATH_READ },
        { "/etc", PATH_READ }, /* resolv.conf, hosts */
        { "/dev/urandom", PATH_READ },
    };
    enum rc rc = landlock_enter(rules, sizeof rules / sizeof rules[0], err);
    if (rc == RC_NOT_FOUND) {
        log_warning(NULL, "landlock_missing", "error", err->text, NULL);
        rc = RC_OK;
    }
    return rc == RC_OK ? seccomp_enter(SANDBOX_CONTROL, err) : rc;
}

static void start(struct control *c, struct ipc_message *m)
{
    struct err err;
    c->relay_path = mem_strndup(m->bytes.p, m->bytes.n);
    if (enter_sandbox(c, &err) != RC_OK) {
        log_error(NULL, "control_failed", "error", err.text, NULL);
        finish(c, 1);
        return;
    }
    char history[FOLDER_MAX], reputation[FOLDER_MAX];
    folder_of(c, "history", history);
    folder_of(c, "reputation", reputation);
    control_parts_start(&c->parts, c->loop, c->relay_path, history, reputation);
    c->server = admin_server_new(c->loop, m->fds[0], verbs, c);
    m->fds[0] = -1;
    ipc_send(c->ipc, MSG_READY, (struct slice){ NULL, 0 }, NULL, 0);
}

static void use_geo(struct control *c)
{
    const struct policies *policies = control_links_policies(c->parts.links);
    if (!policies)
        return;
    struct geo *geo = geo_child_make(&c->geo, policies_conf(policies));
    control_links_use_geo(c->parts.links, geo);
    geo_unref(&geo);
}

static void take_geo(struct control *c, struct slice bytes)
{
    struct err err;
    if (geo_child_take(&c->geo, bytes, &err) == RC_OK)
        use_geo(c);
    else
        log_error(NULL, "control_databases_refused", "error", err.text, NULL);
}

/* The supervisor has checked it: what goes wrong here is a fault of ours, and the old one stays. */
static void configure(struct control *c, struct slice bytes)
{
    struct cursor cur = cur_of(bytes.p, bytes.n);
    struct slice path = cur_slice16(&cur);
    struct bundle *bundle = NULL;
    struct policies *policies = NULL;
    struct conf_errors *errors = conf_errors_new();
    struct err err = { .text = "it does not compile" };
    char *name = mem_strndup(path.p, path.n);
    enum rc rc = bundle_unpack(cur_bytes(&cur, cur_left(&cur)), &bundle, &err);
    if (rc == RC_OK)
        rc = policies_load(bundle, name, &policies, errors);
    if (rc == RC_OK) {
        log_set_level(policies_conf(policies)->log.level);
        control_parts_configure(&c->parts, policies);
        use_geo(c);
        control_report_configure(c->parts.report);
        policies_unref(&policies);
    } else {
        log_error(NULL, "control_configuration_refused", "error", err.text, NULL);
    }
    conf_errors_free(&errors);
    bundle_free(&bundle);
    free(name);
}

static void take_feed(struct control *c, struct ipc_message *m)
{
    control_lists_feed(c->parts.lists, m->bytes, m->fd_count == 1 ? m->fds[0] : -1);
    if (m->fd_count == 1)
        m->fds[0] = -1;
}

static void take_web(struct control *c, struct ipc_message *m)
{
    control_report_listen(c->parts.report, m->fd_count == 1 ? m->fds[0] : -1);
    m->fds[0] = -1;
}

static void on_message(void *arg, struct ipc_message *m)
{
    struct control *c = arg;
    if (m->type == MSG_ADMIN && m->fd_count == 1 && !c->server)
        start(c, m);
    else if (m->type == MSG_CONFIG && c->parts.links)
        configure(c, m->bytes);
    else if (m->type == MSG_GEO && c->parts.links)
        take_geo(c, m->bytes);
    else if (m->type == MSG_FEED && c->parts.lists)
        take_feed(c, m);
    else if (m->type == MSG_WEB && c->parts.report)
        take_web(c, m);
    else if (m->type == MSG_RELOAD_DONE)
        reload_done(c, m->bytes);
    else if (m->type == MSG_STOP)
        finish(c, 0);
}

static void on_closed(void *arg, const char *why)
{
    log_warning(NULL, "supervisor_gone", "reason", why, NULL);
    finish(arg, 0);
}

int control_run(void)
{
    struct err err;
    if (child_side_begin("control", &err) != RC_OK) {
        fprintf(stderr, "waypost: %s\n", err.text);
        return 2;
    }
    static const struct ipc_ops ops = { on_message, on_closed };
    struct control c = { 0 };
    list_init(&c.reloads);
    c.loop = loop_new();
    c.ipc = ipc_new(c.loop, CHILD_FD, &ops, &c);
    loop_run(c.loop);
    LIST_EACH (node, &c.reloads)
        free(CONTAINER_OF(node, struct reload, node));
    control_parts_free(&c.parts);
    geo_child_free(&c.geo);
    admin_server_free(&c.server);
    ipc_free(&c.ipc);
    free(c.relay_path);
    loop_free(&c.loop);
    return c.exit_status;
}
