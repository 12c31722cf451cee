/*
 * daemon/privilege — users and capabilities
 */
#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/daemon/sandbox.h"

/* Trying Waypost out needs no new user. */
static const char default_user[] = "waypost";

enum rc runas_find(const char *name, struct runas *runas_r, struct err *err)
{
    *runas_r = (struct runas){ .change = geteuid() == 0, .uid = geteuid(), .gid = getegid() };
    if (!runas_r->change)
        return RC_OK;
    struct passwd *pw = getpwnam(name);
    if (!pw && strcmp(name, default_user) == 0) {
        log_warning(NULL, "user_missing", "user", name, "instead", "nobody", NULL);
        pw = getpwnam("nobody");
    }
    if (!pw || pw->pw_uid == 0)
        return err_set(err, RC_NOT_FOUND, "no user \"%s\" to run as", name);
    runas_r->uid = pw->pw_uid;
    runas_r->gid = pw->pw_gid;
    snprintf(runas_r->name, sizeof runas_r->name, "%s", pw->pw_name);
    return RC_OK;
}

static enum rc become(const struct runas *runas, struct err *err)
{
    int rc = capng_change_id((int)runas->uid, (int)runas->gid,
                             CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (rc != 0)
        return err_set(err, RC_IO, "cannot become user %s (step %d): %s", runas->name, -rc,
                       strerror(errno));
    return RC_OK;
}

static enum rc no_new_privileges(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, RC_IO, "no_new_privs: %s", strerror(errno));
    return RC_OK;
}

/* Inheritable as well: what the supervisor does not have there its children cannot get, since the
 * bounding set is empty. */
static bool add_marks(const struct runas *runas)
{
    capng_type_t sets = (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE);
    return !runas->marks || capng_update(CAPNG_ADD, sets, CAP_NET_RAW) == 0;
}

/* Only what is ambient outlives the exec of a child that is not root. */
static bool keep_marks(const struct runas *runas)
{
    return !runas->marks || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0) == 0;
}

enum rc privilege_keep_few(const struct runas *runas, struct err *err)
{
    if (runas->change) {
        capng_clear(CAPNG_SELECT_BOTH);
        if (capng_updatev(CAPNG_ADD, (capng_type_t)(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                          CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH, -1) != 0 ||
            !add_marks(runas))
            return err_set(err, RC_IO, "capabilities: %s", strerror(errno));
        enum rc rc = become(runas, err);
        if (rc != RC_OK)
            return rc;
    }
    return no_new_privileges(err);
}

enum rc privilege_drop_all(const struct runas *runas, struct err *err)
{
    if (runas->change && geteuid() == 0) {
        capng_clear(CAPNG_SELECT_BOTH);
        if (!add_marks(runas))
            return err_set(err, RC_IO, "capabilities: %s", strerror(errno));
        enum rc rc = become(runas, err);
        if (rc != RC_OK)
            return rc;
    } else if (runas->change) { /* the supervisor is that user already and has few capabilities */
        capng_clear(CAPNG_SELECT_CAPS);
        if (!add_marks(runas) || capng_apply(CAPNG_SELECT_CAPS) != 0)
            return err_set(err, RC_IO, "capabilities: %s", strerror(errno));
    }
    if (runas->change && !keep_marks(runas))
        return err_set(err, RC_IO, "capabilities: CAP_NET_RAW: %s", strerror(errno));
    return no_new_privileges(err);
}

void privilege_hide_memory(void)
{
    struct rlimit none = { 0, 0 };
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
