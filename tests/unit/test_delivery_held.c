/*
 * test_delivery_held — what `waypost queue` says holds a site back: each value there is
 *
 *   A site is brought to that point, and the row of it read as the operator gets it (`held_back_by`
 *   of docs/SCHEDULER.md).
 */
#include "gateway/admin/queue_rows.h"
#include "tests/unit/delivery_rig.h"

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n",
                                       .lane = LANE_NORMAL };

#define OPENS                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define ENVELOPE                                                                                   \
    { "MAIL FROM", "250 ok\r\n", GO_ON }, { "RCPT TO", "250 ok\r\n", GO_ON },                      \
    {                                                                                              \
        "DATA\r\n", "354 go\r\n", GO_ON                                                            \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
static const struct line mute[] = { SILENT };
static const struct line keeps_its_reply[] = { OPENS, ENVELOPE, SILENT };
static const struct line takes_one[] = {
    OPENS, ENVELOPE, { "\r\n.\r\n", "250 ok\r\n", GO_ON }, SILENT
};

struct held_row {
    char by[120];
    bool any;
};

static void copy_row(void *out, const struct queue_site_row *row)
{
    rows_copy_site(out, row);
}

/* The first site's. */
static struct held_row held(void)
{
    static const char key[] = "\"held_back_by\":\"";
    struct held_row got = { .any = false };
    struct rows_limbo limbo = { .sum = { .oldest_ms = 0 } };
    struct buf copies, json;
    buf_init(&copies, 65536);
    buf_init(&json, 65536);
    queue_each_site(rig.queue, copy_row, &copies);
    struct slice all = buf_slice(&copies);
    struct cursor c = cur_of(all.p, all.n);
    if (rows_put_site(&c, loop_wall_ms(rig.loop), &limbo, &json)) {
        buf_putc(&json, '\0');
        const char *at = strstr(buf_slice(&json).p, key);
        got.any = true;
        if (at)
            snprintf(got.by, sizeof got.by, "%.*s", (int)strcspn(at + sizeof key - 1, "\""),
                     at + sizeof key - 1);
    }
    buf_free(&limbo.error);
    buf_free(&copies);
    buf_free(&json);
    return got;
}

static void until_held_by(const char *by)
{
    struct held_row got = { .any = false };
    for (int i = 0; i < 2000; i++) {
        got = held();
        if (strcmp(got.by, by) == 0)
            return;
        loop_turn(rig.loop, 5);
    }
    assert_true(got.any);
    assert_string_equal(got.by, by);
}

static void start(const struct line *script, const char *conf, const char *rules)
{
    static char text[400];
    play(0, script);
    peer_shut(&rig.peers[1]);
    snprintf(text, sizeof text, "egress: [ { name: one } ]\n%s", conf);
    rig_start(text, rules);
}

/* So many at once, and what holds back those that are left. */
static void check(const struct line *script, const char *conf, const char *rules, unsigned mails,
                  const char *by)
{
    start(script, conf, rules);
    for (unsigned i = 0; i < mails; i++)
        rig_mail(&mail);
    until_held_by(by);
}

static void test_nothing(void **state)
{
    (void)state;
    check(keeps_its_reply, "", "", 1, "");
}

static void test_back_off(void **state)
{
    (void)state;
    peer_shut(&rig.peers[0]);
    check(mute, "", "", 2, "back-off");
}

static void test_connecting(void **state)
{
    (void)state;
    check(mute, "", "", 5, "connecting");
}

static void test_connections(void **state)
{
    (void)state;
    check(keeps_its_reply, "delivery: { connections: 1 }", "", 2, "connections");
}

static void test_what_it_bears(void **state)
{
    (void)state;
    check(keeps_its_reply, "", "", 12, "what it bears");
}

/* Of the worker: it may have one. */
static void test_connections_in_all(void **state)
{
    (void)state;
    start(keeps_its_reply, "delivery: { connections_total: 1 }", "");
    rig_mail(&mail);
    until_connected(0, 1);
    until_got(0, 0, "DATA", 1);
    rig_mail(&mail); /* behind none: the peer does not know PIPELINING */
    until_held_by("connections in all");
}

static void test_no_egress(void **state)
{
    struct mail_spec refused = mail;
    (void)state;
    refused.refused[0] = "one";
    start(mute, "", "");
    rig_mail(&refused);
    until_held_by("no egress");
}

/* ---- limits of `traffic`, with what they are counted over ---- */

/* One message goes, and the next has to wait. */
static void check_rate(const char *rules, const char *by)
{
    start(takes_one, "", rules);
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
    rig_mail(&mail);
    until_held_by(by);
}

static void test_rate(void **state)
{
    (void)state;
    check_rate("traffic: [ { rate: 1/h } ]", "rate");
}

static void test_rate_of_an_egress(void **state)
{
    (void)state;
    check_rate("traffic: [ { when: { egress: one }, rate: 1/h } ]", "rate of egress one");
}

static void test_recipient_rate(void **state)
{
    (void)state;
    check_rate("traffic: [ { recipient_rate: 1/h } ]", "recipient rate");
}

static void test_byte_rate(void **state)
{
    (void)state;
    check_rate("traffic: [ { byte_rate: 1KiB/day } ]", "byte rate");
}

static void test_connection_rate(void **state)
{
    (void)state;
    check_rate("traffic: [ { connection_rate: 1/h, messages_per_connection: 1 } ]",
               "connection rate");
}

static void test_connections_of_an_egress(void **state)
{
    (void)state;
    check(keeps_its_reply, "", "traffic: [ { when: { egress: one }, connections: 1 } ]", 2,
          "connections of egress one");
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_nothing),
        T(test_back_off),
        T(test_connecting),
        T(test_connections),
        T(test_what_it_bears),
        T(test_connections_in_all),
        T(test_no_egress),
        T(test_rate),
        T(test_rate_of_an_egress),
        T(test_recipient_rate),
        T(test_byte_rate),
        T(test_connection_rate),
        T(test_connections_of_an_egress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
