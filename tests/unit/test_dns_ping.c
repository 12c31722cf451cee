/*
 * test_dns_ping — a question leaves as its source says, or not at all
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/dns/ping.h"
#include "tests/support/fakedns.h"

static struct loop *loop;
static unsigned answers;
static enum rc last;

static enum fakedns_do answer(void *arg, const struct fakedns_query *q, struct dnswire *w)
{
    (void)arg, (void)q, (void)w;
    return FAKEDNS_SEND;
}

static void on_answer(void *arg, enum rc rc, int64_t took_us)
{
    (void)arg;
    assert_true(took_us >= 0);
    answers++;
    last = rc;
}

static struct addr address(const char *text)
{
    struct addr a = { 0 };
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void sources(void **state)
{
    const struct {
        struct dial_source source;
        enum rc rc;
    } rows[] = {
        { { .congestion = NULL }, RC_OK },
        { { .v4 = address("127.0.0.77") }, RC_OK },
        { { .v6 = address("::1") }, RC_OK }, /* of the other family: any */
        { { .interface = "lo" }, RC_OK },
        { { .v4 = address("127.0.0.77"), .interface = "lo" }, RC_OK },
        { { .v4 = address("192.0.2.7") }, RC_IO },
        { { .interface = "nosuchdev0" }, RC_IO },
        { { .v4 = address("127.0.0.77"), .interface = "nosuchdev0" }, RC_IO },
    };
    struct fakedns *dns = fakedns_start((struct fakedns_script){ answer, NULL });
    struct addr server = fakedns_addr(dns);
    int asked = 0;
    (void)state;
    loop = loop_new();
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_ping *ping =
            dns_ping_start(loop, &server, &rows[i].source, 20000, on_answer, NULL);
        assert_non_null(ping);
        assert_int_equal(answers, i); /* not from inside */
        while (answers == i)
            loop_turn(loop, 10);
        asked += rows[i].rc == RC_OK;
        if (last != rows[i].rc || fakedns_queries(dns) != asked)
            fail_msg("row %u: %d, %d asked", i, (int)last, fakedns_queries(dns));
    }
    loop_free(&loop);
    fakedns_stop(&dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sources) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
