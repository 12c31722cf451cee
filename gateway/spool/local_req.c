/*
 * spool/local_req — requests to the engine's threads, and their way back
 *
 *   The committer links what it has finished for one port into a chain and posts the chain as one
 *   mail (local_commit.c), so a batch wakes each worker once; the other threads post one by one.
 */
#include "gateway/spool/local.h"

#include <assert.h>
#include <signal.h>

#include "gateway/base/mem.h"
#include "gateway/io/loop.h"

void req_post(struct local_port *port, struct thread *thread, struct req *req)
{
    req->port = port;
    port->pending++;
    mailbox_post(thread->box, &req->mail);
}

void req_done(struct req *req, enum spool_rc rc)
{
    req->rc = rc;
    req->chain = NULL;
    req->mail.fn = req_deliver;
    mailbox_post(loop_mailbox(req->port->port.loop), &req->mail);
}

void req_deliver(struct mail *mail)
{
    struct req *next = NULL;
    for (struct req *req = req_of(mail); req; req = next) {
        next = req->chain;
        assert(req->port->pending > 0);
        req->port->pending--;
        req->finish(req);
    }
}

void thread_start(struct thread *thread, struct local *local, void *(*main)(void *thread))
{
    sigset_t all, old;
    thread->local = local;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the loops */
    int rc = pthread_create(&thread->id, NULL, main, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert(rc == 0);
    thread->running = true;
}

bool thread_is_stop(const struct thread *thread, const struct mail *mail)
{
    return mail == &thread->stop;
}

void *thread_requests(void *arg)
{
    struct thread *thread = arg;
    for (;;) {
        struct mail *next = NULL, *mail = mailbox_take(thread->box);
        if (!mail)
            mailbox_wait(thread->box, -1);
        for (; mail; mail = next) {
            next = mail->next;
            if (thread_is_stop(thread, mail))
                return NULL;
            struct req *req = req_of(mail);
            req->run(req, thread->seal);
        }
    }
}

void thread_stop(struct thread *thread)
{
    if (thread->running) {
        mailbox_post(thread->box, &thread->stop);
        pthread_join(thread->id, NULL);
        thread->running = false;
    }
    if (thread->box)
        mailbox_free(&thread->box);
    seal_free(&thread->seal);
}
