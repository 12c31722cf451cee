/*
 * tests/unit/test_queue_times — mail with a deadline (RFC 2852) or a release time (RFC 4865) while
 *   it waits
 */
#include "tests/support/queue_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka.h needs the four above */
#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/mail/envelope.h"
#include "gateway/queue/held.h"

/* An item with times of its own, as its envelope has them. */
static struct item *item_with(struct deliver_by by, struct mail_hold hold)
{
    struct recipient to = { .address = SLICE_LIT("u@fixed.example") };
    struct envelope env = { .sender = SLICE_LIT("s@client.example"),
                            .by = by,
                            .hold = hold,
                            .recipients = &to,
                            .recipients_n = 1 };
    struct item *item = item_to("fixed", "u@fixed.example", LANE_NORMAL);
    struct spool_item record;
    struct buf packed;
    item_record(item, &record);
    buf_init(&packed, 10000);
    envelope_pack(&env, &packed);
    record.env = buf_slice(&packed);
    if (hold.until_ms)
        record.due_ms = hold.until_ms;
    if (by.mode == BY_RETURN)
        record.expire_ms = by.at_ms;
    struct item *made = item_new(&record);
    buf_free(&packed);
    item_free(&item);
    return made;
}

/* Put off after its sender was told, it waits and is not told of again. */
static void assert_told_once(struct item *item)
{
    queue_defer(w.taken_from[0], item, clock_wall_ms() + 3600000);
    w.taken_n = 0;
    for (int i = 0; i < 5; i++)
        turn_a_little();
    assert_int_equal(w.trouble_n, 1);
    assert_int_equal(item->state, ITEM_WAITING);
}

static void late_mail_is_told_of_once(void **state)
{
    (void)state;
    struct item *item =
        item_with((struct deliver_by){ .mode = BY_NOTIFY, .at_ms = clock_wall_ms() + 300 },
                  (struct mail_hold){ 0 });
    queue_submit(w.queues[0], item); /* nobody takes it: it stands in its lane when time is up */
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 1);
    assert_int_equal(w.trouble[0], TROUBLE_LATE);
    item->deadline_told = true; /* as delivery does */
    assert_told_once(item);
}

/* It was first in line: so it is when its sender has been told. */
static void late_mail_keeps_its_place(void **state)
{
    (void)state;
    struct item *late[2], *others[2];
    for (int i = 0; i < 2; i++) {
        late[i] =
            item_with((struct deliver_by){ .mode = BY_NOTIFY, .at_ms = clock_wall_ms() + 300 },
                      (struct mail_hold){ 0 });
        queue_submit(w.queues[0], late[i]);
    }
    for (int i = 0; i < 2; i++) {
        others[i] = item_with((struct deliver_by){ 0 }, (struct mail_hold){ 0 });
        queue_submit(w.queues[0], others[i]);
    }
    assert_true(turn_until_taken(2));
    assert_int_equal(w.trouble_n, 2);
    for (int i = 0; i < 2; i++) {
        late[i]->deadline_told = true; /* as delivery does */
        queue_defer(w.taken_from[i], late[i], late[i]->due_ms);
    }
    w.taken_n = 0;
    for (int i = 0; i < 5; i++)
        turn_a_little();
    w.take = true;
    queue_submit(w.queues[0], item_with((struct deliver_by){ 0 }, (struct mail_hold){ 0 }));
    assert_true(turn_until_taken(5));
    for (int i = 0; i < 2; i++) {
        assert_ptr_equal(w.taken[i], late[i]);
        assert_ptr_equal(w.taken[2 + i], others[i]);
    }
    finish_all();
}

static void late_mail_that_waits_is_not_tried_for_it(void **state)
{
    (void)state;
    struct item *item =
        item_with((struct deliver_by){ .mode = BY_NOTIFY, .at_ms = clock_wall_ms() + 300 },
                  (struct mail_hold){ 0 });
    item->due_ms = clock_wall_ms() + 3600000;
    w.take = true;
    queue_submit(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble[0], TROUBLE_LATE);
    assert_true(item->due_ms > clock_wall_ms() + 3000000);
    finish_all();
}

enum { DELAY_NOTICE_MS = 4 * 3600 * 1000 }; /* the default of retry.delay_notice */

/* What waits because its site takes nothing has no attempt of its own that would tell so. */
static void mail_that_waits_for_hours_is_told_of_once(void **state)
{
    (void)state;
    struct item *item = item_with((struct deliver_by){ 0 }, (struct mail_hold){ 0 });
    item->accepted_ms = clock_wall_ms() - DELAY_NOTICE_MS + 300;
    item->due_ms = clock_wall_ms() + 3600000;
    item->expire_ms = item->due_ms + 3600000;
    queue_submit(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_true(clock_wall_ms() >= item->accepted_ms + DELAY_NOTICE_MS);
    assert_int_equal(w.trouble[0], TROUBLE_LATE);
    item->delay_told = true; /* as delivery does */
    assert_told_once(item);
}

/* Nothing could carry it when its sender was told: it leaves as soon as something can. */
static void mail_told_of_waits_for_an_egress_still(void **state)
{
    (void)state;
    struct flow *flow = NULL;
    struct item *item = item_with((struct deliver_by){ 0 }, (struct mail_hold){ 0 });
    item->accepted_ms = clock_wall_ms() - DELAY_NOTICE_MS + 300;
    queue_submit(w.queues[0], item);
    for (int i = 0; i < 100 && !(w.last_site && site_ready(w.last_site)); i++)
        turn_a_little();
    assert_non_null(site_front(w.last_site, NULL, SCHED_SLOT, &flow));
    flow_failed(flow, "no egress");
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble[0], TROUBLE_LATE);
    item->delay_told = true; /* as delivery does */
    queue_defer(w.taken_from[0], item, clock_wall_ms() + 3600000);
    w.taken_n = 0;
    turn_a_little();
    assert_int_equal(site_ready(w.last_site), 1); /* one may have come back meanwhile */
    flow_failed(flow, "no egress");
    queue_wake(w.last_site->queue, w.last_site);
    turn_a_little();
    assert_int_equal(site_ready(w.last_site), 1);
    assert_int_equal(w.trouble_n, 1);
}

/* That its turn at a limit is far away is no trouble; a try that is due comes first. */
static void mail_that_can_leave_is_not_told_of(void **state)
{
    (void)state;
    struct item *item = item_with((struct deliver_by){ 0 }, (struct mail_hold){ 0 });
    item->accepted_ms = clock_wall_ms() - DELAY_NOTICE_MS - 1000;
    queue_load(w.queues[0], item);
    for (int i = 0; i < 5; i++)
        turn_a_little();
    assert_int_equal(item->state, ITEM_READY);
    assert_int_equal(w.trouble_n, 0);
}

static void mail_to_be_returned_late_ends_in_its_lane(void **state)
{
    (void)state;
    struct item *item =
        item_with((struct deliver_by){ .mode = BY_RETURN, .at_ms = clock_wall_ms() + 300 },
                  (struct mail_hold){ 0 });
    queue_submit(w.queues[0], item);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    assert_true(item_returns_late(item, clock_wall_ms()));
    finish_all();
}

/* Its sender was promised to have it back by then. */
static void mail_to_be_returned_late_is_not_held_longer(void **state)
{
    struct queue_filter all = { 0 };
    (void)state;
    struct item *item =
        item_with((struct deliver_by){ .mode = BY_RETURN, .at_ms = clock_wall_ms() + 300 },
                  (struct mail_hold){ 0 });
    queue_submit(w.queues[0], item);
    turn_a_little();
    assert_int_equal(queue_act(w.last_site->queue, &all, QUEUE_HOLD), 1);
    assert_int_equal(item->state, ITEM_HELD);
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    assert_true(clock_wall_ms() >= item->deadline_ms);
    finish_all();
}

/* While nothing ran its time was up: there is no last chance for it. */
static void returned_late_after_a_restart(void **state)
{
    (void)state;
    w.take = true;
    queue_load(w.queues[0],
               item_with((struct deliver_by){ .mode = BY_RETURN, .at_ms = clock_wall_ms() - 1000 },
                         (struct mail_hold){ 0 }));
    assert_true(turn_until_taken(1));
    assert_int_equal(w.trouble_n, 1);
    assert_int_equal(w.trouble[0], TROUBLE_EXPIRED);
    finish_all();
}

/* Until its release nothing hurries it: no restart however long it is, no retry, no release. */
static void held_mail_is_not_tried_before(void **state)
{
    (void)state;
    const int64_t year = 365ll * 86400000, until = clock_wall_ms() + year;
    struct queue_filter all = { 0 };
    struct item *fresh = item_with((struct deliver_by){ 0 }, (struct mail_hold){ until, 5 });
    struct item *loaded = item_with((struct deliver_by){ 0 }, (struct mail_hold){ until, 5 });
    fresh->expire_ms = loaded->expire_ms = until + 1000;
    w.take = true;
    queue_submit(w.queues[0], fresh);
    queue_load(w.queues[0], loaded);
    turn_a_little();
    assert_int_equal(fresh->due_ms, until);
    assert_int_equal(loaded->due_ms, until);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(queue_act(w.queues[i], &all, QUEUE_RETRY), 0);
    for (int i = 0; i < WORKERS; i++)
        queue_act(w.queues[i], &all, QUEUE_HOLD);
    for (int i = 0; i < WORKERS; i++)
        queue_act(w.queues[i], &all, QUEUE_RELEASE);
    turn_a_little();
    assert_int_equal(w.taken_n, 0);
    assert_int_equal(fresh->due_ms, until);
    assert_int_equal(fresh->state, ITEM_WAITING);
    uint64_t client = fresh->client;
    assert_int_equal(held_of(client).disk, fresh->body_size + loaded->body_size);
    for (int i = 0; i < WORKERS; i++)
        queue_act(w.queues[i], &all, QUEUE_DROP);
    finish_all();
    assert_int_equal(held_of(client).memory, 0);
}

static void held_mail_goes_when_it_is_time(void **state)
{
    (void)state;
    w.take = true;
    const int64_t until = clock_wall_ms() + 400;
    struct item *item = item_with((struct deliver_by){ 0 }, (struct mail_hold){ until, 0 });
    queue_submit(w.queues[0], item);
    assert_true(held_of(item->client).memory > 0);
    assert_true(turn_until_taken(1));
    assert_true(clock_wall_ms() >= until);
    assert_int_equal(w.trouble_n, 0);
    assert_int_equal(held_of(item->client).memory, 0);
    finish_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(late_mail_is_told_of_once),
        T(late_mail_keeps_its_place),
        T(late_mail_that_waits_is_not_tried_for_it),
        T(mail_that_waits_for_hours_is_told_of_once),
        T(mail_told_of_waits_for_an_egress_still),
        T(mail_that_can_leave_is_not_told_of),
        T(mail_to_be_returned_late_ends_in_its_lane),
        T(mail_to_be_returned_late_is_not_held_longer),
        T(returned_late_after_a_restart),
        T(held_mail_is_not_tried_before),
        T(held_mail_goes_when_it_is_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
