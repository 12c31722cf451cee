/*
 * test_ingress_quotas — quotas that threads share: exact, kept over a reload, forgotten with the
 * last who knows them
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "gateway/ingress/quotas.h"

enum { THREADS = 4, TRIES = 5000, COUNT = 7001 };

static const struct rate hourly = { COUNT, 3600000 };

struct taker {
    struct quotas *quotas;
    struct quota_entry *user, *client;
    unsigned taken;
};

static void *take_many(void *arg)
{
    struct taker *t = arg;
    for (int i = 0; i < TRIES; i++)
        t->taken += quotas_take(t->quotas, t->user, t->client, 1000 + i % 7); /* clocks differ */
    return NULL;
}

static void threads_take_exactly_as_many(void **state)
{
    (void)state;
    struct quotas q;
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    struct network n = { .prefix = 8 };
    unsigned taken = 0;
    quotas_init(&q);
    for (int i = 0; i < THREADS; i++) {
        takers[i] =
            (struct taker){ .quotas = &q,
                            .user = quotas_user(&q, slice_of("u"), hourly, 0),
                            .client = quotas_client(&q, &n, (struct rate){ 100000, 1000 }, 0) };
        assert_int_equal(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        taken += takers[i].taken;
        quotas_unref(&q, takers[i].user);
        quotas_unref(&q, takers[i].client);
    }
    assert_int_equal(taken, COUNT);
    assert_int_equal(map_count(q.entries), 0); /* bounded by what configurations name */
    quotas_done(&q);
}

/* A message that one of the two has no place for takes none of the other. */
static void both_or_neither(void **state)
{
    (void)state;
    struct quotas q;
    struct network n = { .prefix = 8 };
    quotas_init(&q);
    struct quota_entry *user = quotas_user(&q, slice_of("u"), (struct rate){ 1, 60000 }, 0);
    struct quota_entry *client = quotas_client(&q, &n, (struct rate){ 3, 60000 }, 0);
    assert_true(quotas_take(&q, user, client, 0));
    assert_false(quotas_take(&q, user, client, 0));
    assert_int_equal(quotas_left_of_client(&q, &n, 0), 2);
    assert_int_equal(quotas_left_of_user(&q, slice_of("u"), 0), 0);
    assert_true(quotas_take(&q, NULL, client, 0));
    assert_true(quotas_take(&q, NULL, NULL, 0));
    assert_true(quotas_left_of_user(&q, slice_of("v"), 0) == UINT64_MAX);
    assert_null(quotas_user(&q, slice_of("v"), (struct rate){ 0 }, 0));
    struct quota_entry *again = quotas_user(&q, slice_of("u"), (struct rate){ 2, 60000 }, 0);
    quotas_unref(&q, user); /* the configuration before; what was taken stays taken */
    assert_int_equal(quotas_left_of_user(&q, slice_of("u"), 0), 1);
    quotas_unref(&q, again);
    quotas_unref(&q, client);
    quotas_unref(&q, NULL);
    quotas_done(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_take_exactly_as_many),
        cmocka_unit_test(both_or_neither),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
