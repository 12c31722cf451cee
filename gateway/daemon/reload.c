#include "gateway/daemon/reload.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/cursor.h"
#include "gateway/base/log.h"
#include "gateway/daemon/folders.h"
#include "gateway/daemon/geo_files.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/notify.h"

enum { TEXT_MAX = 256 << 10, TAKEN_MAX = 8192, EXIT_CONFIGURATION = 78 };

enum rc setup_of_bundle(struct bundle *bundle, const char *path, struct setup *setup_r,
                        struct conf_errors *errors)
{
    *setup_r = (struct setup){ .bundle = bundle, .log_fd = -1 };
    enum rc rc = policies_load(bundle, path, &setup_r->policies, errors);
    if (rc != RC_OK)
        setup_free(setup_r);
    return rc;
}

enum rc setup_read(const char *path, struct setup *setup_r, struct conf_errors *errors)
{
    return setup_of_bundle(bundle_new_disk(), path, setup_r, errors);
}

void setup_free(struct setup *setup)
{
    policies_unref(&setup->policies);
    bundle_free(&setup->bundle);
    sockets_free(&setup->sockets);
    if (setup->log_fd >= 0)
        close(setup->log_fd);
    *setup = (struct setup){ .log_fd = -1 };
}

void setup_send(struct supervisor *s, const struct setup *setup, struct slice changes)
{
    struct ipc *ipc = s->relay.ipc;
    struct buf begin;
    buf_init(&begin, IPC_BYTES_MAX);
    put_u16(&begin, (uint16_t)s->workers);
    put_slice16(&begin, slice_of(s->path));
    bundle_pack(setup->bundle, &begin);
    ipc_send(ipc, MSG_BEGIN, buf_slice(&begin), NULL, 0);
    explicit_bzero(begin.mem, begin.cap);
    buf_free(&begin);
    struct slice none = { NULL, 0 };
    for (size_t i = 0; i < sockets_count(setup->sockets); i++)
        ipc_send(ipc, MSG_LISTENER, none, sockets_fds(setup->sockets, i), s->workers);
    if (setup->log_fd >= 0)
        ipc_send(ipc, MSG_LOG, none, &setup->log_fd, 1);
    geo_files_send(s->geo, ipc);
    ipc_send(ipc, MSG_COMMIT, changes, NULL, 0);
}

void setup_tell_control(struct supervisor *s)
{
    struct buf b;
    if (!s->control.ipc)
        return;
    geo_files_send(s->geo, s->control.ipc);
    buf_init(&b, IPC_BYTES_MAX);
    put_slice16(&b, slice_of(s->path));
    bundle_pack(s->now.bundle, &b);
    ipc_send(s->control.ipc, MSG_CONFIG, buf_slice(&b), NULL, 0);
    explicit_bzero(b.mem, b.cap);
    buf_free(&b);
    int web = sockets_web(s->now.sockets);
    ipc_send(s->control.ipc, MSG_WEB, (struct slice){ NULL, 0 }, &web, web >= 0);
    feed_files_configure(s->feeds, supervisor_conf(s));
}

void geo_tell(const struct supervisor *s)
{
    if (s->relay.ready)
        geo_files_send(s->geo, s->relay.ipc);
    if (s->control.ipc)
        geo_files_send(s->geo, s->control.ipc);
}

/* ---- the outcome ---- */

static void tell(const struct supervisor *s, uint32_t token, int status, struct slice text)
{
    if (!s->control.ipc)
        return;
    struct buf b;
    buf_init(&b, TEXT_MAX + 16);
    put_u32(&b, token);
    put_u8(&b, (uint8_t)status);
    buf_put_slice(&b, text);
    ipc_send(s->control.ipc, MSG_RELOAD_DONE, buf_slice(&b), NULL, 0);
    buf_free(&b);
}

static void answer(struct supervisor *s, int status, struct slice text)
{
    for (unsigned i = 0; i < s->asked.n; i++)
        tell(s, s->asked.token[i], status, text);
    s->asked.n = 0;
    notify_ready();
}

static void refuse(struct supervisor *s, int status, struct slice text)
{
    struct buf shown;
    buf_init(&shown, 4096); /* the log's share; the operator gets all */
    buf_put(&shown, text.p, text.n < 4000 ? text.n : 4000);
    buf_putc(&shown, '\0');
    log_error(NULL, "reload_refused", "error", shown.mem, NULL);
    buf_free(&shown);
    answer(s, status, text);
}

static void begin(struct supervisor *s);

void reload_finish(struct supervisor *s, bool applied, struct slice why)
{
    if (!s->next.policies)
        return;
    if (applied) {
        setup_free(&s->now);
        s->now = s->next;
        s->next = (struct setup){ .log_fd = -1 };
        log_set_level(supervisor_conf(s)->log.level);
        log_info(NULL, "reload_applied", NULL);
        setup_tell_control(s);
        answer(s, 0, buf_slice(&s->next_changes));
    } else {
        setup_free(&s->next);
        refuse(s, 1, why);
    }
    if (s->reload_again && !s->stopping) {
        s->reload_again = false;
        s->asked = s->again;
        s->again.n = 0;
        begin(s);
    }
}

/* ---- the way there ---- */

static bool addrs_same(const struct conf_addrs *a, const struct conf_addrs *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = addr_eq(&a->at[i], &b->at[i]);
    return same;
}

static bool tiers_same(const struct conf_spool *a, const struct conf_spool *b)
{
    bool same = a->tiers.n == b->tiers.n;
    for (size_t i = 0; same && i < a->tiers.n; i++)
        same = slice_eq(a->tiers.at[i].path, b->tiers.at[i].path) &&
               a->tiers.at[i].size == b->tiers.at[i].size;
    return same;
}

/* Where the mail is: with another answer, a relay that has to be started again would not find it.
 * NULL: the same. */
static const char *moved(const struct conf *was, const struct conf *is)
{
    if (!slice_eq(was->state, is->state))
        return "state: cannot change in a running gateway; stop it, move the folder, start it";
    if (!tiers_same(&was->spool, &is->spool))
        return "spool.tiers: cannot change in a running gateway; restart it to apply this";
    return NULL;
}

/* The parts of a configuration that need a new start. */
static void put_restart_notes(const struct conf *was, const struct conf *is, struct buf *out)
{
    struct {
        const char *key;
        bool same;
    } keys[] = {
        { "user", slice_eq(was->user, is->user) },
        { "workers", was->workers == is->workers },
        { "dns",
          addrs_same(&was->dns.servers, &is->dns.servers) && was->dns.timeout == is->dns.timeout },
        { "spool.min_free", was->spool.min_free == is->spool.min_free },
        { "spool.encryption, which needs an empty spool",
          was->spool.sealed == is->spool.sealed &&
              memcmp(was->spool.key, is->spool.key, sizeof is->spool.key) == 0 },
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!keys[i].same)
            buf_printf(out, "%s: takes effect with the next start\n", keys[i].key);
    }
}

/* The same log goes on with the descriptor it has when it cannot be opened anew. */
static enum rc open_log(const struct supervisor *s, struct slice path, int *fd_r, struct err *err)
{
    bool same = s->now.log_fd >= 0 && slice_eq(path, supervisor_conf(s)->log.deliveries);
    bool kept = same && !folders_log_moved(path, s->now.log_fd);
    enum rc rc = kept ? RC_OK : supervisor_open_log(s, path, fd_r, err);
    if (same && rc != RC_OK) {
        log_warning(NULL, "log_not_opened_anew", "path", path.p, "error", err->text, "instead",
                    "the old file goes on", NULL);
        kept = true;
        rc = RC_OK;
    }
    if (kept)
        *fd_r = fcntl(s->now.log_fd, F_DUPFD_CLOEXEC, 0);
    return rc;
}

static enum rc open_needs(struct supervisor *s, struct setup *next, struct err *err)
{
    const struct conf *conf = policies_conf(next->policies);
    enum rc rc = sockets_open(conf, s->workers, s->now.sockets, &next->sockets, err);
    return rc == RC_OK ? open_log(s, conf->log.deliveries, &next->log_fd, err) : rc;
}

/* `text`: why, in whole lines; it is used up. `taken`: lines of what has changed all the same. */
static void refuse_but(struct supervisor *s, int status, struct buf *text, struct slice taken)
{
    buf_put_slice(text, taken);
    refuse(s, status, buf_slice(text));
    buf_free(text);
}

static void refuse_for(struct supervisor *s, struct conf_errors *errors, struct slice taken)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    conf_errors_put_text(errors, &text);
    refuse_but(s, EXIT_CONFIGURATION, &text, taken);
}

/* `taken`: lines of what has changed besides. */
static bool apply(struct supervisor *s, struct setup *next, struct slice taken)
{
    struct err err;
    const struct conf *is = policies_conf(next->policies);
    const char *why = moved(supervisor_conf(s), is);
    if (!why && open_needs(s, next, &err) != RC_OK)
        why = err.text;
    if (why) {
        struct buf text;
        buf_init(&text, TEXT_MAX);
        buf_puts(&text, why);
        buf_puts(&text, taken.n ? "\n" : "");
        setup_free(next);
        refuse_but(s, 1, &text, taken);
        return false;
    }
    buf_clear(&s->next_changes);
    conf_diff(supervisor_conf(s), is, &s->next_changes);
    put_restart_notes(supervisor_conf(s), is, &s->next_changes);
    buf_put_slice(&s->next_changes, taken);
    s->next = *next;
    if (s->relay.ready) {
        setup_send(s, &s->next, buf_slice(&s->next_changes));
        return true;
    }
    /* The relay is on its way up: it will be started with, or told, the new one. */
    reload_finish(s, true, slice_of(""));
    child_kill(&s->relay);
    return true;
}

/* An operator is told of a database that cannot be used, and nothing changes; another that can is
 * taken up in any case. */
static enum rc read_databases(struct supervisor *s, struct setup *next, struct buf *taken,
                              struct conf_errors *errors)
{
    if (geo_files_update(s->geo, &policies_conf(next->policies)->geo, true, taken, errors))
        geo_tell(s);
    if (conf_errors_count(errors) == 0)
        return RC_OK;
    setup_free(next);
    return RC_PARSE;
}

static void begin(struct supervisor *s)
{
    notify_reloading();
    struct conf_errors *errors = conf_errors_new();
    struct setup next;
    struct buf taken;
    buf_init(&taken, TAKEN_MAX);
    enum rc rc = setup_read(s->path, &next, errors);
    if (rc == RC_OK)
        rc = read_databases(s, &next, &taken, errors);
    if (rc == RC_OK)
        apply(s, &next, buf_slice(&taken));
    else
        refuse_for(s, errors, buf_slice(&taken));
    buf_free(&taken);
    conf_errors_free(&errors);
}

void reload_begin(struct supervisor *s, bool by_control, uint32_t token)
{
    bool busy = s->next.policies != NULL;
    struct askers *askers = busy ? &s->again : &s->asked;
    if (s->stopping)
        return;
    if (by_control && askers->n == ASKERS_MAX) {
        tell(s, token, 1, slice_of("too many reloads at this moment; try again"));
        return;
    }
    if (by_control)
        askers->token[askers->n++] = token;
    if (busy) /* the files may have changed since the one under way read them */
        s->reload_again = true;
    else
        begin(s);
}

bool reload_bundle(struct supervisor *s, struct bundle *bundle)
{
    struct conf_errors *errors = conf_errors_new();
    struct setup next;
    bool ok = setup_of_bundle(bundle, s->path, &next, errors) == RC_OK;
    if (ok)
        ok = apply(s, &next, slice_of(""));
    else
        refuse_for(s, errors, slice_of(""));
    conf_errors_free(&errors);
    return ok;
}
