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
#include "gateway/daemon/ipc.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/sandbox.h"

struct control {
    struct loop *loop;
    struct ipc *ipc;
    struct admin_server *server;
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

static void verb_of_relay(void *arg, struct call *call, const struct request *request)
{
    struct control *c = arg;
    passage_open(c->loop, c->relay_path, call, request);
}

static const struct admin_verb verbs[] = {
    { "reload", verb_reload },
    { "health", verb_health },
    { NULL, verb_of_relay },
    { NULL, NULL },
};

/* ---- the supervisor ---- */

static void finish(struct control *c, int exit_status)
{
    c->exit_status = exit_status;
    loop_stop(c->loop);
}

static enum rc enter_sandbox(struct control *c, struct err *err)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s", c->relay_path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    struct path_rule rules[] = { { folder, PATH_READ }, { "/proc/self", PATH_READ } };
    enum rc rc = landlock_enter(rules, 2, err);
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
    c->server = admin_server_new(c->loop, m->fds[0], verbs, c);
    m->fds[0] = -1;
    ipc_send(c->ipc, MSG_READY, (struct slice){ NULL, 0 }, NULL, 0);
}

static void on_message(void *arg, struct ipc_message *m)
{
    struct control *c = arg;
    if (m->type == MSG_ADMIN && m->fd_count == 1 && !c->server)
        start(c, m);
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
    admin_server_free(&c.server);
    ipc_free(&c.ipc);
    free(c.relay_path);
    loop_free(&c.loop);
    return c.exit_status;
}
