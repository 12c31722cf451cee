#include "gateway/daemon/relay_admin.h"

#include <stdlib.h>
#include <unistd.h>

#include "gateway/admin/relay_verbs.h"
#include "gateway/base/mem.h"

struct relay_admin {
    struct relay_view view;
    struct fanout_worker workers[WORKERS_MAX];
    struct admin_server *server; /* NULL: not open yet */
    int fd;                      /* -1: the server has it */
};

static void serve_links(void *arg, struct call *call)
{
    relay_links_serve(arg, call);
}

struct relay_admin *relay_admin_new(const struct relay_admin_env *env, struct policies *policies)
{
    struct relay_admin *a = mem_zero(sizeof *a);
    for (unsigned i = 0; i < workers_count(env->workers); i++)
        workers_show(env->workers, i, &a->workers[i]);
    a->view = (struct relay_view){ .loop = env->loop,
                                   .workers = { .n = workers_count(env->workers),
                                                .at = a->workers,
                                                .home = loop_mailbox(env->loop) },
                                   .policies = policies_ref(policies),
                                   .spool = env->spool,
                                   .hub = workers_hub(env->workers),
                                   .started_ms = loop_wall_ms(env->loop),
                                   .links = serve_links,
                                   .of_control = relay_links_counters(env->links),
                                   .links_arg = env->links };
    a->fd = env->fd;
    return a;
}

void relay_admin_open(struct relay_admin *a)
{
    a->server = admin_server_new(a->view.loop, a->fd, relay_verbs, &a->view);
    a->fd = -1;
}

void relay_admin_reconfigure(struct relay_admin *a, struct policies *policies)
{
    policies_unref(&a->view.policies);
    a->view.policies = policies_ref(policies);
}

void relay_admin_free(struct relay_admin **a_p)
{
    struct relay_admin *a = *a_p;
    if (!a)
        return;
    if (a->server)
        admin_server_free(&a->server);
    else
        close(a->fd);
    policies_unref(&a->view.policies);
    free(a);
    *a_p = NULL;
}
