/*
 * test_delivery_late — mail with a deadline: returned, told of, forwarded (RFC 2852)
 */
#include "tests/unit/notice_scripts.h"

static void test_late_is_returned(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.by = (struct deliver_by){ .mode = BY_RETURN, .at_ms = -1000 };
    spec.expires_in_ms = -1000;
    deliver(takes, &spec);
    until_logged(EXPIRED, 1);
    until_logged(DELIVERED, 1);
    const char *sent = got(0, 0);
    assert_int_equal(count_in(sent, "RCPT TO:<b@d.example>"), 0);
    assert_non_null(strstr(sent, "Action: failed"));
    assert_non_null(strstr(sent, "Status: 5.4.7"));
    assert_non_null(strstr(sent, "Deliver-By-Date: "));
    assert_int_equal(count_in(rig_log(), "\"enhanced\":\"5.4.7\""), 1);
    assert_false(stored(rig.last_id));
}

/* What the server said stays what the sender reads; that time is up is the status. */
static void test_late_is_told_once(void **state)
{
    (void)state;
    struct mail_spec spec = plain;
    spec.by = (struct deliver_by){ .mode = BY_NOTIFY, .at_ms = -1 };
    deliver(puts_off, &spec);
    until_logged(DEFERRED, 1);
    until_logged(DELIVERED, 1);
    const char *sent = got(0, 0);
    assert_non_null(strstr(sent, "Action: delayed"));
    assert_non_null(strstr(sent, "Status: 4.4.7"));
    assert_non_null(strstr(sent, "450 4.2.1 later"));
    assert_true(stored(rig.last_id));
    turns(50);
    assert_int_equal(count_in(got(0, 0), BACK), 1);
}

static void check_hop_without_deliverby(struct deliver_by by, const char *action)
{
    static const struct line script[] = { EHLO, TAKE, TAKE, STOP };
    struct mail_spec spec = plain;
    spec.by = by;
    deliver(script, &spec);
    until_logged("\"event\":", action ? 2 : 1);
    turns(10);
    assert_int_equal(count_in(got(0, 0), " BY="), 0);
    assert_int_equal(count_in(got(0, 0), BACK), action ? 1 : 0);
    if (action)
        assert_non_null(strstr(got(0, 0), action));
}

static void test_return_needs_deliverby(void **state)
{
    (void)state;
    check_hop_without_deliverby((struct deliver_by){ .mode = BY_RETURN, .at_ms = 60000 },
                                "Status: 5.3.3");
}

static void test_notify_goes_without_deliverby(void **state)
{
    (void)state;
    check_hop_without_deliverby((struct deliver_by){ .mode = BY_NOTIFY, .at_ms = 60000 },
                                "Action: relayed");
}

static void test_our_own_deadline_needs_nothing(void **state)
{
    (void)state;
    check_hop_without_deliverby(
        (struct deliver_by){ .mode = BY_RETURN, .ours = true, .at_ms = 60000 }, NULL);
}

static void test_deadline_is_forwarded(void **state)
{
    (void)state;
    static const struct line script[] = { EHLO_OF("250-DELIVERBY 5\r\n"), TAKE, STOP };
    struct mail_spec spec = plain;
    spec.by = (struct deliver_by){ .mode = BY_RETURN, .at_ms = 3600000 };
    deliver(script, &spec);
    until_logged(DELIVERED, 1);
    const char *by = strstr(got(0, 0), "MAIL FROM:<a@s.example> BY=");
    assert_non_null(by);
    long left = strtol(by + 27, NULL, 10);
    assert_true(left > 3000 && left <= 3600); /* what is left of it */
    assert_non_null(strstr(by, ";R\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_late_is_returned),
        T(test_late_is_told_once),
        T(test_return_needs_deliverby),
        T(test_notify_goes_without_deliverby),
        T(test_our_own_deadline_needs_nothing),
        T(test_deadline_is_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
