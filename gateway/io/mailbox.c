/*
 * io/mailbox — see the header for the contract
 *
 *   `head` is a stack that senders push onto and the receiver takes whole, then turns round: so
 *   the order per sender is kept and there is no ABA. It has a third state beside empty and not
 *   empty: the address of `asleep`. The receiver puts it there (only over empty) before it waits;
 *   the one sender that replaces it writes the eventfd. Whoever pushes onto anything else need
 *   not: the receiver looks again before it sleeps.
 */
#include "gateway/io/mailbox.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

struct mailbox {
    _Atomic(struct mail *) head;
    int fd;
    struct mail asleep;
};

struct mailbox *mailbox_new(void)
{
    struct mailbox *mb = mem_zero(sizeof *mb);
    mb->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(mb->fd >= 0);
    return mb;
}

void mailbox_free(struct mailbox **mb)
{
    if (!*mb)
        return;
    close((*mb)->fd);
    free(*mb);
    *mb = NULL;
}

void mailbox_post(struct mailbox *mb, struct mail *mail)
{
    struct mail *old = atomic_load_explicit(&mb->head, memory_order_relaxed);
    do {
        mail->next = old == &mb->asleep ? NULL : old;
    } while (!atomic_compare_exchange_weak_explicit(&mb->head, &old, mail, memory_order_release,
                                                    memory_order_relaxed));
    if (old == &mb->asleep) {
        const uint64_t one = 1;
        ssize_t n = write(mb->fd, &one, sizeof one);
        assert(n == sizeof one);
        (void)n;
    }
}

struct mail *mailbox_take(struct mailbox *mb)
{
    if (!atomic_load_explicit(&mb->head, memory_order_relaxed))
        return NULL;
    struct mail *mail = atomic_exchange_explicit(&mb->head, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    if (mail == &mb->asleep)
        return NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = next;
    }
    return oldest;
}

bool mailbox_drain(struct mailbox *mb)
{
    struct mail *mail = mailbox_take(mb);
    bool any = mail != NULL;
    while (mail) {
        struct mail *next = mail->next;
        mail->fn(mail);
        mail = next;
    }
    return any;
}

bool mailbox_sleep(struct mailbox *mb)
{
    struct mail *empty = NULL;
    return atomic_compare_exchange_strong_explicit(&mb->head, &empty, &mb->asleep,
                                                   memory_order_relaxed, memory_order_relaxed) ||
           empty == &mb->asleep;
}

int mailbox_fd(const struct mailbox *mb)
{
    return mb->fd;
}

void mailbox_awake(struct mailbox *mb)
{
    uint64_t count;
    ssize_t n = read(mb->fd, &count, sizeof count);
    (void)n; /* nothing to read: somebody was faster, the mail is in the stack all the same */
}

void mailbox_wait(struct mailbox *mb, int64_t timeout_ms)
{
    const int64_t end_ms = clock_mono_ms() + timeout_ms;
    struct pollfd p = { .fd = mb->fd, .events = POLLIN };
    while (mailbox_sleep(mb)) {
        int64_t left = timeout_ms < 0 ? -1 : end_ms - clock_mono_ms();
        if (timeout_ms >= 0 && left <= 0)
            return;
        if (poll(&p, 1, left > 60000 ? 60000 : (int)left) > 0) {
            mailbox_awake(mb);
            return;
        }
    }
}
