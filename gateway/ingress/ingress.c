#include "gateway/ingress/ingress.h"

#include <stdlib.h>

#include "gateway/base/mem.h"
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

static bool all_done(const struct ingress *in)
{
    return in->sessions_n == 0 && in->proxies_n == 0 && in->committing == 0 && in->checking == 0;
}

static void tidy(struct loop_task *task)
{
    struct ingress *in = CONTAINER_OF(task, struct ingress, tidy);
    session_free_ended(in);
    if (!in->draining || !in->drained || !all_done(in))
        return;
    void (*drained)(void *arg) = in->drained;
    in->drained = NULL;
    drained(in->drained_arg);
}

struct ingress *ingress_new(const struct ingress_env *env)
{
    struct ingress *in = mem_zero(sizeof *in);
    in->env = *env;
    if (!in->env.inline_max)
        in->env.inline_max = INLINE_MAX;
    in->rules = ruleset_new(env->policies, env->hub, loop_now_ms(env->loop));
    in->tls = env->tls ? tls_server_ref(env->tls) : NULL;
    in->counters = delivery_writer_counters(env->log);
    list_init(&in->sessions);
    list_init(&in->ended);
    list_init(&in->proxies);
    list_init(&in->idle_transactions);
    loop_task_init(&in->tidy, tidy);
    buf_init(&in->scratch, SPOOL_ENV_MAX);
    return in;
}

static void drop_all(struct ingress *in)
{
    LIST_EACH (node, &in->sessions)
        session_drop(CONTAINER_OF(node, struct session, node));
    proxy_drop_all(in);
}

void ingress_free(struct ingress **ingress)
{
    struct ingress *in = *ingress;
    *ingress = NULL;
    if (!in)
        return;
    in->drained = NULL;
    in->draining = true;
    drop_all(in);
    while (in->committing || in->checking)
        loop_turn(in->env.loop, 10);
    loop_task_cancel(&in->tidy);
    session_free_ended(in);
    transactions_free_idle(in);
    ruleset_unref(&in->rules);
    tls_server_unref(&in->tls);
    buf_free(&in->scratch);
    free(in);
}

void ingress_accept(struct ingress *in, int fd, unsigned listener, const struct addr *peer,
                    const struct addr *local)
{
    const struct conf *conf = in->rules->conf;
    (void)local;
    const struct conf_listener *l = &conf->listen.at[listener < conf->listen.n ? listener : 0];
    struct listener_rules rules = { .tls = (uint8_t)l->tls, .auth = (uint8_t)l->auth };
    if (!admit_total(in)) {
        counter_add(in->counters, COUNTER_CONNECTIONS_REFUSED, 1);
        bool plain = rules.tls != CONF_LISTEN_TLS_IMPLICIT;
        admit_refuse_fd(fd, plain ? "421 4.3.2 Too many connections, try again later" : NULL);
        return;
    }
    if (proxy_expected(l, peer))
        proxy_wait(in, fd, rules, peer);
    else
        session_begin(in, fd, rules, peer);
}

void ingress_reconfigure(struct ingress *in, struct policies *policies, struct tls_server *tls)
{
    struct ruleset *rules = ruleset_new(policies, in->env.hub, loop_now_ms(in->env.loop));
    struct tls_server *server = tls ? tls_server_ref(tls) : NULL;
    ruleset_unref(&in->rules);
    tls_server_unref(&in->tls);
    in->rules = rules;
    in->tls = server;
}

void ingress_drain(struct ingress *in, void (*done)(void *arg), void *arg)
{
    in->draining = true;
    in->drained = done;
    in->drained_arg = arg;
    LIST_EACH (node, &in->sessions)
        session_drain(CONTAINER_OF(node, struct session, node));
    proxy_drop_all(in);
    loop_task_schedule(in->env.loop, &in->tidy);
}

void ingress_get_stats(const struct ingress *in, struct ingress_stats *stats_r)
{
    *stats_r = (struct ingress_stats){
        .sessions = in->sessions_n + in->proxies_n,
        .receiving = in->receiving,
        .committing = in->committing,
    };
}
