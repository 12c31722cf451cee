#include "gateway/daemon/relay.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/child_side.h"
#include "gateway/daemon/geo_child.h"
#include "gateway/daemon/intake.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/relay_admin.h"
#include "gateway/daemon/sandbox.h"
#include "gateway/daemon/scratch.h"
#include "gateway/io/timer.h"

enum {
    STOP_BOUND_MS = 10000,
    WATCH_MS = 1000,
    SPOOL_TRIES = 30, /* a predecessor that was killed may hold the lock for a moment */
    SPOOL_WAIT_US = 100000,
    TICKET_MS = 6 * 3600 * 1000,
    MALLOC_ARENAS = 4,
    EXIT_CONFIGURATION = 78
};

struct relay {
    struct loop *loop;
    struct ipc *ipc;
    struct intake intake;
    struct workplan plan; /* handed out, not yet taken by all workers */
    struct tls_tickets *tickets;
    struct geo_child geo;
    struct policies *policies; /* in force in the workers; NULL: not yet */
    struct delivery_log *log;
    struct spool *spool;
    struct relay_links *links;
    struct workers *workers;
    int admin_fd; /* -1: not come yet, or in use */
    struct relay_admin *admin;
    struct timer watch;
    bool applying, stopping;
    bool geo_late; /* databases came while a plan was being handed out */
    int exit_status;
};

static void finish(struct relay *r, int exit_status)
{
    r->exit_status = exit_status;
    loop_stop(r->loop);
}

static void fail(struct relay *r, const struct err *err, int exit_status)
{
    log_error(NULL, "relay_failed", "error", err->text, NULL);
    finish(r, exit_status);
}

/* ---- start ---- */

static enum rc enter_sandbox(const struct conf *conf, const char *spool_dir, const char *advice_dir,
                             const char *scratch_dir, struct err *err)
{
    char geo_dir[PATH_MAX];
    snprintf(geo_dir, sizeof geo_dir, "%s/run/geo", conf->state.p);
    struct path_rule rules[12 + SPOOL_TIERS_MAX + SPOOL_RECORDED_MAX] = {
        { spool_dir, PATH_WRITE },     { "/dev/null", PATH_WRITE },
        { "/dev/urandom", PATH_READ }, { "/etc", PATH_READ }, /* resolv.conf, hosts, openssl.cnf */
        { "/usr/lib", PATH_READ },     { "/usr/share", PATH_READ },
        { "/proc/self", PATH_READ },   { "/sys/devices/system/cpu", PATH_READ },
        { geo_dir, PATH_READ },        { advice_dir, PATH_WRITE },
    };
    size_t n = 10;
    if (scratch_dir)
        rules[n++] = (struct path_rule){ scratch_dir, PATH_WRITE };
    char *resolv = realpath("/etc/resolv.conf", NULL); /* often a link to somewhere below /run */
    if (resolv) {
        char *slash = strrchr(resolv, '/');
        *slash = '\0';
        rules[n++] = (struct path_rule){ resolv, PATH_READ };
    }
    for (size_t i = 0; i < conf->spool.tiers.n && i < SPOOL_TIERS_MAX; i++)
        rules[n++] = (struct path_rule){ conf->spool.tiers.at[i].path.p, PATH_WRITE };
    char *recorded[SPOOL_RECORDED_MAX];
    size_t recorded_n = spool_tiers_recorded(spool_dir, recorded);
    for (size_t i = 0; i < recorded_n; i++)
        rules[n++] = (struct path_rule){ recorded[i], PATH_WRITE };
    enum rc rc = landlock_enter(rules, n, err);
    if (rc == RC_NOT_FOUND) {
        log_warning(NULL, "landlock_missing", "error", err->text, NULL);
        rc = RC_OK;
    }
    free(resolv);
    for (size_t i = 0; i < recorded_n; i++)
        free(recorded[i]);
    return rc == RC_OK ? seccomp_enter(SANDBOX_RELAY, err) : rc;
}

static void on_corrupt(void *arg, const char *family, struct spool_id id, const char *why)
{
    char text[SPOOL_ID_TEXT + 1];
    (void)arg;
    spool_id_format(id, text);
    log_error(NULL, "spool_record_set_aside", "family", family, "id", text, "reason", why, NULL);
}

static void on_health(void *arg, enum spool_gate gate, const char *why)
{
    (void)arg;
    if (gate == SPOOL_GATE_OPEN)
        log_info(NULL, "spool_open_again", NULL);
    else
        log_warning(NULL, "spool_gate_closed", "gate", spool_gate_name(gate), "reason", why, NULL);
}

static enum rc open_spool(struct relay *r, const struct conf *conf, const char *dir,
                          const char *scratch_dir, struct err *err)
{
    struct spool_tier tiers[SPOOL_TIERS_MAX];
    unsigned n = 0;
    for (; n < conf->spool.tiers.n && n < sizeof tiers / sizeof tiers[0]; n++) {
        tiers[n].path = conf->spool.tiers.at[n].path.p;
        tiers[n].size = conf->spool.tiers.at[n].size;
    }
    if (n == 1 && strcmp(tiers[0].path, dir) == 0)
        n = 0;
    struct spool_conf sc = { .dir = dir,
                             .scratch_dir = scratch_dir,
                             .tiers = tiers,
                             .tier_count = n,
                             .min_free = conf->spool.min_free,
                             .key = conf->spool.sealed ? conf->spool.key : NULL,
                             .events = { on_corrupt, on_health, NULL } };
    enum rc rc = RC_IO;
    for (int i = 0; i < SPOOL_TRIES && rc == RC_IO; i++) {
        if (i)
            usleep(SPOOL_WAIT_US);
        rc = spool_open(&sc, &r->spool, err);
    }
    return rc;
}

static void on_scanned(void *arg)
{
    struct relay *r = arg;
    if (r->admin)
        relay_admin_open(r->admin);
}

static void on_applied(void *arg);
static void on_stopped(void *arg);

static void on_watch(struct timer *timer)
{
    struct relay *r = CONTAINER_OF(timer, struct relay, watch);
    workers_watch(r->workers);
    timer_set(r->loop, &r->watch, WATCH_MS);
}

static enum rc start_workers(struct relay *r, const char *advice_dir, struct err *err)
{
    r->links = relay_links_new(r->loop, r->intake.workers, r->log, advice_dir);
    struct workers_env env = { .home = r->loop,
                               .count = r->intake.workers,
                               .spool = r->spool,
                               .log = r->log,
                               .links = r->links,
                               .folder = advice_dir,
                               .applied = on_applied,
                               .scanned = on_scanned,
                               .stopped = on_stopped,
                               .arg = r };
    enum rc rc = workers_new(&env, &r->plan, &r->workers, err);
    if (rc == RC_OK)
        relay_links_resume(r->links);
    if (rc == RC_OK)
        rc = workers_start(r->workers, err);
    if (rc != RC_OK)
        return rc;
    struct relay_admin_env admin = { .loop = r->loop,
                                     .fd = r->admin_fd,
                                     .workers = r->workers,
                                     .spool = r->spool,
                                     .links = r->links };
    r->admin = relay_admin_new(&admin, r->plan.policies);
    r->admin_fd = -1;
    timer_set(r->loop, &r->watch, WATCH_MS);
    return RC_OK;
}

static void start(struct relay *r)
{
    struct err err;
    const struct conf *conf = policies_conf(r->plan.policies);
    struct arena *paths = arena_new(PATH_MAX);
    const char *dir = arena_printf(paths, "%s/spool", conf->state.p);
    const char *advice_dir = arena_printf(paths, "%s/advice", conf->state.p);
    char scratch[SCRATCH_PATH];
    const char *scratch_dir = scratch_make(dir, scratch) ? scratch : NULL;
    enum rc rc = enter_sandbox(conf, dir, advice_dir, scratch_dir, &err);
    if (rc == RC_OK)
        rc = open_spool(r, conf, dir, scratch_dir, &err);
    if (rc == RC_OK)
        rc = start_workers(r, advice_dir, &err);
    arena_free(&paths);
    r->policies = policies_ref(r->plan.policies);
    workplan_release(&r->plan);
    if (rc != RC_OK)
        fail(r, &err, rc == RC_DENIED ? EXIT_CONFIGURATION : 1);
    else
        ipc_send(r->ipc, MSG_READY, (struct slice){ NULL, 0 }, NULL, 0);
}

/* ---- reload ---- */

static void answer(struct relay *r, bool ok, const char *why)
{
    struct buf b;
    buf_init(&b, 4096);
    put_u8(&b, ok);
    buf_puts(&b, why);
    ipc_send(r->ipc, MSG_APPLIED, buf_slice(&b), NULL, 0);
    buf_free(&b);
}

static void stop(struct relay *r)
{
    if (r->stopping)
        return;
    r->stopping = true;
    if (!r->workers)
        finish(r, 0);
    else if (!r->applying)
        workers_stop(r->workers, STOP_BOUND_MS);
}

/* Databases alone. The names stay those of the configuration in force. */
static enum rc take_geo(struct relay *r, struct slice bytes, struct err *err)
{
    enum rc rc = bytes.n ? geo_child_take(&r->geo, bytes, err) : RC_OK;
    r->geo_late = r->applying;
    if (rc != RC_OK || r->intake.workers || !r->policies || r->applying)
        return rc; /* the plan under way brings them, or on_applied() does */
    struct geo *geo = geo_child_make(&r->geo, policies_conf(r->policies));
    if (geo)
        workers_use_geo(r->workers, geo);
    geo_unref(&geo);
    return RC_OK;
}

static void on_applied(void *arg)
{
    struct relay *r = arg;
    r->applying = false;
    policies_unref(&r->policies);
    r->policies = policies_ref(r->plan.policies);
    if (r->geo_late)
        take_geo(r, slice_of(""), NULL);
    relay_admin_reconfigure(r->admin, r->plan.policies);
    workplan_release(&r->plan);
    answer(r, true, "");
    if (r->stopping)
        workers_stop(r->workers, STOP_BOUND_MS);
}

static void on_stopped(void *arg)
{
    finish(arg, 0);
}

static void commit(struct relay *r, struct slice changes)
{
    struct err err;
    if (intake_finish(&r->intake, r->tickets, r->spool, &r->plan, &err) != RC_OK) {
        if (r->workers)
            answer(r, false, err.text);
        else
            fail(r, &err, EXIT_CONFIGURATION);
        return;
    }
    r->plan.geo = geo_child_make(&r->geo, policies_conf(r->plan.policies));
    r->plan.changes = mem_strndup(changes.p ? changes.p : "", changes.n);
    log_set_level(policies_conf(r->plan.policies)->log.level);
    delivery_log_attach(r->log, r->intake.log_fd);
    r->intake.log_fd = -1;
    if (!r->workers) {
        start(r);
    } else {
        r->applying = true;
        workers_apply(r->workers, &r->plan);
    }
    intake_reset(&r->intake);
}

/* ---- messages ---- */

/* A log that comes alone, outside of a series, takes the place of one that was renamed. */
static enum rc take_log_alone(struct relay *r, struct ipc_message *m)
{
    if (m->fd_count == 1)
        delivery_log_attach(r->log, m->fds[0]);
    m->fds[0] = -1;
    return RC_OK;
}

static void on_message(void *arg, struct ipc_message *m)
{
    struct relay *r = arg;
    struct err err;
    enum rc rc = RC_OK;
    if (m->type == MSG_STOP) {
        stop(r);
    } else if (m->type == MSG_COMMIT) {
        if (!r->applying && !r->stopping)
            commit(r, m->bytes);
    } else if (m->type == MSG_ADMIN && m->fd_count == 1) {
        r->admin_fd = m->fds[0];
        m->fds[0] = -1;
    } else if (m->type == MSG_GEO) {
        rc = take_geo(r, m->bytes, &err);
    } else if (m->type == MSG_LOG && !r->intake.workers) {
        rc = take_log_alone(r, m);
    } else {
        rc = intake_take(&r->intake, m, &err);
    }
    if (rc != RC_OK)
        fail(r, &err, 1);
}

/* The supervisor is gone: nobody else would end us in order. */
static void on_closed(void *arg, const char *why)
{
    log_warning(NULL, "supervisor_gone", "reason", why, NULL);
    stop(arg);
}

static void set_up_memory(void)
{
    mallopt(M_ARENA_MAX, MALLOC_ARENAS); /* few arenas: freed memory is found again */
}

static void free_all(struct relay *r)
{
    relay_links_hang_up(r->links);
    relay_admin_free(&r->admin);
    timer_stop(r->loop, &r->watch);
    workers_free(&r->workers);
    relay_links_free(&r->links);
    spool_close(&r->spool);
    workplan_release(&r->plan);
    policies_unref(&r->policies);
    geo_child_free(&r->geo);
    intake_reset(&r->intake);
    delivery_log_free(&r->log);
    tls_tickets_free(&r->tickets);
}

int relay_run(void)
{
    struct err err;
    if (child_side_begin("relay", &err) != RC_OK) {
        fprintf(stderr, "waypost: %s\n", err.text);
        return 2;
    }
    static const struct ipc_ops ops = { on_message, on_closed };
    struct relay r = { .admin_fd = -1 };
    set_up_memory();
    intake_init(&r.intake);
    timer_init(&r.watch, on_watch);
    r.loop = loop_new();
    r.log = delivery_log_new();
    r.tickets = tls_tickets_new(TICKET_MS);
    r.ipc = ipc_new(r.loop, CHILD_FD, &ops, &r);
    loop_run(r.loop);
    if (r.exit_status != 0)
        _exit(r.exit_status); /* workers may run still; the spool needs no farewell */
    free_all(&r);
    ipc_free(&r.ipc);
    loop_free(&r.loop);
    return r.exit_status;
}
