/*
 * ingress/auth_pool — password hashes computed off the event loops
 *
 *   A few threads with a mailbox each; jobs are dealt out in turn and come back through the mailbox
 *   of the loop that asked. At most AUTH_JOBS_MAX are under way in the process: what comes on top
 *   is turned away at once, so a flood of logins costs a fixed amount of processor and memory.
 */
#ifndef WAYPOST_INGRESS_AUTH_POOL_H
#define WAYPOST_INGRESS_AUTH_POOL_H

#include <stdbool.h>

#include "gateway/base/slice.h"
#include "gateway/ingress/password.h"
#include "gateway/io/mailbox.h"

enum { AUTH_JOBS_MAX = 64 };

struct auth_job {
    struct mail mail;
    struct mailbox *back; /* of the loop that asked */
    void (*done)(struct auth_job *job);
    void *asker;
    void *owner; /* the asker's too; it may set NULL when it lost interest */
    bool right;  /* the answer */
    char hash[PASSWORD_HASH_MAX], password[PASSWORD_MAX];
};

struct auth_pool;
struct auth_pool *auth_pool_new(unsigned threads);
/* Waits for the threads; jobs under way are finished and posted back first. */
void auth_pool_free(struct auth_pool **pool);

/* Takes the job over until done(job) runs on the asker's loop: that call owns it then and frees it
 * with auth_job_free(). False: too many are under way, the job stays the caller's. */
bool auth_pool_check(struct auth_pool *pool, struct auth_job *job);

/* `hash` empty: no such user. A password that is too long or holds a NUL matches nothing, in the
 * same time. */
struct auth_job *auth_job_new(struct slice hash, struct slice password);
void auth_job_free(struct auth_job **job); /* wipes it */

#endif
