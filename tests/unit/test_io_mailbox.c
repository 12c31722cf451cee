/*
 * unit/test_io_mailbox — proves io/mailbox
 *
 *   io/mailbox: four senders, order per sender, nothing lost, no wake-up missed. Run under TSan
 *   too.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/io/mailbox.h"

enum { SENDERS = 4, EACH = 20000 };

struct letter {
    struct mail mail;
    int sender, number;
};

struct sender {
    pthread_t thread;
    struct mailbox *mb;
    struct letter *letters;
    int id;
};

static struct loop *loop;
static int next_number[SENDERS], received;

static void note(struct mail *mail)
{
    struct letter *l = (struct letter *)(void *)mail;
    assert_int_equal(l->number, next_number[l->sender]);
    next_number[l->sender]++;
    received++;
}

static void on_mail(struct mail *mail)
{
    note(mail);
    if (received == SENDERS * EACH)
        loop_stop(loop);
}

static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < EACH; i++) {
        s->letters[i] = (struct letter){ .mail.fn = on_mail, .sender = s->id, .number = i };
        mailbox_post(s->mb, &s->letters[i].mail);
        if (i % 97 == 0)
            sched_yield(); /* let the receiver fall asleep now and then */
    }
    return NULL;
}

static void start(struct sender *senders, struct mailbox *mb)
{
    received = 0;
    for (int i = 0; i < SENDERS; i++) {
        next_number[i] = 0;
        senders[i] = (struct sender){ .mb = mb, .id = i };
        senders[i].letters = mem_array(EACH, sizeof *senders[i].letters);
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
}

static void finish(struct sender *senders)
{
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(next_number[i], EACH);
        free(senders[i].letters);
    }
}

static void into_a_loop(void **state)
{
    (void)state;
    struct sender senders[SENDERS];
    loop = loop_new();
    start(senders, loop_mailbox(loop));
    loop_run(loop);
    finish(senders);
    loop_free(&loop);
}

static void into_a_thread(void **state)
{
    (void)state;
    struct sender senders[SENDERS];
    struct mailbox *mb = mailbox_new();
    start(senders, mb);
    while (received < SENDERS * EACH) {
        struct mail *mail = mailbox_take(mb);
        if (!mail)
            mailbox_wait(mb, -1);
        while (mail) {
            struct mail *next = mail->next;
            note(mail);
            mail = next;
        }
    }
    finish(senders);
    mailbox_free(&mb);
}

static void sleeping_is_refused_with_mail(void **state)
{
    (void)state;
    struct mailbox *mb = mailbox_new();
    struct mail a = { 0 }, b = { 0 };
    mailbox_wait(mb, 1); /* nobody writes: comes back by itself */
    assert_null(mailbox_take(mb));
    mailbox_post(mb, &a);
    mailbox_post(mb, &b);
    assert_false(mailbox_sleep(mb));
    struct mail *first = mailbox_take(mb);
    assert_ptr_equal(first, &a);
    assert_ptr_equal(first->next, &b);
    assert_null(first->next->next);
    assert_true(mailbox_sleep(mb));
    assert_true(mailbox_sleep(mb));
    assert_false(mailbox_drain(mb));
    mailbox_free(&mb);
}

static struct mail again;
static int runs;

static void post_again(struct mail *mail)
{
    if (++runs < 10)
        mailbox_post(loop_mailbox(loop), mail);
}

static void a_handler_may_post_its_mail_again(void **state)
{
    (void)state;
    loop = loop_new();
    runs = 0;
    again.fn = post_again;
    mailbox_post(loop_mailbox(loop), &again);
    for (int i = 0; i < 20; i++)
        loop_turn(loop, 0);
    assert_int_equal(runs, 10);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(into_a_loop),
        cmocka_unit_test(into_a_thread),
        cmocka_unit_test(sleeping_is_refused_with_mail),
        cmocka_unit_test(a_handler_may_post_its_mail_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
