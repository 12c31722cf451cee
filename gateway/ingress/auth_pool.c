#include "gateway/ingress/auth_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/list.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

struct auth_thread {
    pthread_t thread;
    struct mailbox *mailbox;
    struct mail stop; /* recognised by its address */
    struct auth_pool *pool;
};

struct auth_pool {
    _Atomic unsigned under_way, turn;
    unsigned count;
    struct auth_thread threads[];
};

static void job_done(struct mail *mail)
{
    struct auth_job *job = CONTAINER_OF(mail, struct auth_job, mail);
    job->done(job);
}

static void job_run(struct auth_pool *pool, struct auth_job *job)
{
    job->right = password_check(job->hash, job->password);
    explicit_bzero(job->password, sizeof job->password);
    atomic_fetch_sub(&pool->under_way, 1);
    job->mail.fn = job_done;
    mailbox_post(job->back, &job->mail);
}

static void *thread_main(void *arg)
{
    struct auth_thread *t = arg;
    for (;;) {
        struct mail *mail = mailbox_take(t->mailbox), *next;
        if (!mail)
            mailbox_wait(t->mailbox, -1);
        for (; mail; mail = next) {
            next = mail->next;
            if (mail == &t->stop)
                return NULL;
            job_run(t->pool, CONTAINER_OF(mail, struct auth_job, mail));
        }
    }
}

struct auth_pool *auth_pool_new(unsigned threads)
{
    struct auth_pool *pool = mem_zero(sizeof *pool + threads * sizeof pool->threads[0]);
    pool->count = threads;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    for (unsigned i = 0; i < threads; i++) {
        struct auth_thread *t = &pool->threads[i];
        t->pool = pool;
        t->mailbox = mailbox_new();
        if (pthread_create(&t->thread, NULL, thread_main, t) != 0) {
            log_error(NULL, "password_thread_not_started", NULL);
            abort(); /* as without memory: the supervisor starts a new process */
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool;
}

void auth_pool_free(struct auth_pool **pool)
{
    if (!*pool)
        return;
    for (unsigned i = 0; i < (*pool)->count; i++)
        mailbox_post((*pool)->threads[i].mailbox, &(*pool)->threads[i].stop);
    for (unsigned i = 0; i < (*pool)->count; i++) {
        pthread_join((*pool)->threads[i].thread, NULL);
        mailbox_free(&(*pool)->threads[i].mailbox);
    }
    free(*pool);
    *pool = NULL;
}

bool auth_pool_check(struct auth_pool *pool, struct auth_job *job)
{
    if (atomic_fetch_add(&pool->under_way, 1) >= AUTH_JOBS_MAX) {
        atomic_fetch_sub(&pool->under_way, 1);
        return false;
    }
    unsigned turn = atomic_fetch_add_explicit(&pool->turn, 1, memory_order_relaxed);
    mailbox_post(pool->threads[turn % pool->count].mailbox, &job->mail);
    return true;
}

struct auth_job *auth_job_new(struct slice hash, struct slice password)
{
    struct auth_job *job = mem_zero(sizeof *job);
    bool possible = hash.n > 0 && hash.n < sizeof job->hash && password.n < sizeof job->password &&
                    !memchr(password.p, 0, password.n);
    if (!possible) {
        hash = slice_of(PASSWORD_NOBODY);
        password = (struct slice){ 0 };
    }
    memcpy(job->hash, hash.p, hash.n);
    if (password.n)
        memcpy(job->password, password.p, password.n);
    return job;
}

void auth_job_free(struct auth_job **job)
{
    if (!*job)
        return;
    explicit_bzero(*job, sizeof **job);
    free(*job);
    *job = NULL;
}
