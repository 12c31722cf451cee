/*
 * test_delivery_rerouted — mail that is refused for our address leaves by another egress at once
 *
 *   The clock is the test's: from the mail's coming to its leaving it goes on by a second at most,
 *   so whatever happens waits for no timer longer than that, however slow the machine is.
 */
#include "tests/support/clock_rig.h"
#include "tests/unit/delivery_rig.h"

/* A millisecond each turn. */
static void until_in_time(bool (*done)(unsigned n), unsigned n)
{
    for (int i = 0; i < 1000 && !done(n); i++) {
        clocks.ahead_ms++;
        loop_turn(rig.loop, 10);
    }
    for (int i = 0; i < 3000 && !done(n); i++)
        loop_turn(rig.loop, 10);
    assert_true(done(n));
}

static bool are_delivered(unsigned n)
{
    return count_in(rig_log(), DELIVERED) == n;
}

/* So many connections, and the last one has a whole message. */
static bool is_sent(unsigned connections)
{
    return rig.peers[0].conns_n == connections &&
           count_in(got(0, connections - 1), "\r\n.\r\n") == 1;
}

static int tear_down(void **state)
{
    clocks_run();
    clocks.ahead_ms = 0;
    return rig_tear_down(state);
}

#define REROUTED "\"event\":\"rerouted\""
#define BLOCKED                                                                                    \
    "550 5.7.1 Service unavailable; client [127.0.0.2] blocked using zen.spamhaus.org\r\n"
#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define MAIL                                                                                       \
    {                                                                                              \
        "MAIL FROM", "250 ok\r\n", GO_ON                                                           \
    }
#define RCPT(says)                                                                                 \
    {                                                                                              \
        "RCPT TO", says, GO_ON                                                                     \
    }
#define BODY(says)                                                                                 \
    { "DATA\r\n", "354 go\r\n", GO_ON },                                                           \
    {                                                                                              \
        "\r\n.\r\n", says, GO_ON                                                                   \
    }
#define OK "250 ok\r\n"

static const struct line takes[] = { HELLO, MAIL, RCPT(OK), BODY(OK), SILENT };
static const struct line at_greeting[] = { { "", BLOCKED, CLOSE }, SILENT };
static const struct line at_mail[] = { HELLO, { "MAIL FROM", BLOCKED, GO_ON }, SILENT };
static const struct line at_rcpt[] = { HELLO, MAIL, RCPT(BLOCKED), SILENT };
static const struct line at_final[] = { HELLO, MAIL, RCPT(OK), BODY(BLOCKED), SILENT };
static const struct line at_second_rcpt[] = {
    HELLO, MAIL, RCPT(OK), RCPT(BLOCKED), BODY(OK), SILENT
};

static const struct mail_spec one_recipient = { .from = "a@s.example",
                                                .to = { "b@d.example" },
                                                .body = "Subject: x\r\n\r\nhello\r\n" };
static const struct mail_spec two_recipients = { .from = "a@s.example",
                                                 .to = { "b@d.example", "c@d.example" },
                                                 .body = "Subject: x\r\n\r\nhello\r\n" };

/* `one` carries what it can; `two` is the reserve. */
static void start(const struct line *first, const struct line *second, const char *rules)
{
    play(0, first);
    play(0, second);
    peer_shut(&rig.peers[1]);
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    rig_start("egress:\n  - { name: one, address: 127.0.0.2 }\n"
              "  - { name: two, address: 127.0.0.3, weight: 0 }\n",
              rules);
}

/* The line of the log with both of these, and no other. */
static const char *line_with(const char *event, const char *also)
{
    static char line[4096];
    unsigned n = 0;
    for (const char *at = rig_log(); *at; at = strchr(at, '\n') + 1) {
        char text[sizeof line];
        snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
        if (strstr(text, event) && strstr(text, also)) {
            memcpy(line, text, sizeof line);
            n++;
        }
    }
    assert_int_equal(n, 1);
    return line;
}

/* What an operator asks: which mail, who took it, who did not, and what was said. */
static void check_explained(const char *recipient)
{
    const char *line = line_with(DELIVERED, recipient);
    static const char *const parts[] = { "\"id\":\"",
                                         "\"sender\":\"a@s.example\"",
                                         "\"egress\":\"two\"",
                                         "\"source\":\"127.0.0.3\"",
                                         "\"previous\":\"one\"",
                                         "550 5.7.1 Service unavailable",
                                         "blocked using zen.spamhaus.org\"" };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(line, parts[i]))
            print_error("no %s in: %s\n", parts[i], line);
        assert_non_null(strstr(line, parts[i]));
    }
}

static void test_at_once_and_one_line_says_why(void **state)
{
    static const struct {
        const char *name;
        const struct line *script;
    } moments[] = { { "greeting", at_greeting },
                    { "MAIL", at_mail },
                    { "RCPT", at_rcpt },
                    { "final reply", at_final } };
    (void)state;
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        if (i)
            rig_set_up(state);
        start(moments[i].script, takes, "");
        clocks_stop();
        rig_mail(&one_recipient);
        until_in_time(are_delivered, 1);
        until_logged(DELIVERED, 1);
        assert_int_equal(count_in(rig_log(), REROUTED), 1);
        assert_int_equal(count_in(rig_log(), DEFERRED), 0);
        check_explained("b@d.example");
        if (i + 1 < sizeof moments / sizeof moments[0])
            tear_down(state);
    }
}

/* Only of those whom it concerns. */
static void test_of_each_recipient_its_own(void **state)
{
    (void)state;
    start(at_second_rcpt, takes, "");
    clocks_stop();
    rig_mail(&two_recipients);
    until_in_time(are_delivered, 2);
    until_logged(DELIVERED, 2);
    check_explained("c@d.example");
    const char *first = line_with(DELIVERED, "b@d.example");
    assert_non_null(strstr(first, "\"egress\":\"one\""));
    assert_null(strstr(first, "previous"));
    assert_null(strstr(first, "reason"));
}

/* ---- ten thousand that wait ---- */

enum { MANY = 10000 };

struct crowd {
    struct item *items[MANY]; /* until all are stored; then the queue's */
    unsigned stored;
    struct spool_id seen[MANY]; /* those that the queue has */
    unsigned seen_n, waiting, ready;
};

static struct crowd crowd; /* big */

static void on_stored(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct item **item = arg;
    assert_int_equal(rc, SPOOL_OK);
    (*item)->fence = fence;
    crowd.stored++;
}

static void store(struct item **item, struct body *body, struct slice envelope)
{
    int64_t now = loop_wall_ms(rig.loop);
    struct spool_item record = { .id = spool_new_id(rig.port),
                                 .count = 1,
                                 .lane = LANE_NORMAL,
                                 .accepted_ms = now,
                                 .due_ms = now,
                                 .expire_ms = now + 3600000,
                                 .body_size = body_size(body),
                                 .dest = SLICE_LIT("r"),
                                 .env = envelope };
    *item = item_new(&record);
    (*item)->body = body_ref(body);
    spool_commit(rig.port, record.id, body, &record, 1, on_stored, item);
}

static void mail_many(void)
{
    static const char text[] = "Subject: x\r\n\r\nhello\r\n";
    struct recipient to = { .address = SLICE_LIT("b@d.example") };
    struct envelope env = { .sender = SLICE_LIT("a@s.example"),
                            .size = sizeof text - 1,
                            .received_ms = loop_wall_ms(rig.loop),
                            .recipients = &to,
                            .recipients_n = 1 };
    struct buf packed;
    struct body *body = body_new(sizeof text - 1);
    body_append(body, (struct slice){ text, sizeof text - 1 });
    buf_init(&packed, 4096);
    envelope_pack(&env, &packed);
    crowd.stored = 0;
    for (unsigned i = 0; i < MANY; i++)
        store(&crowd.items[i], body, buf_slice(&packed));
    for (int i = 0; i < 6000 && crowd.stored < MANY; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(crowd.stored, MANY);
    for (unsigned i = 0; i < MANY; i++)
        queue_submit(rig.queue, crowd.items[i]);
    body_unref(&body);
    buf_free(&packed);
}

static bool see(void *arg, const struct item *item)
{
    (void)arg;
    assert_true(crowd.seen_n < MANY);
    crowd.seen[crowd.seen_n++] = item->id;
    crowd.waiting += item->state == ITEM_WAITING;
    crowd.ready += item->state == ITEM_READY;
    return true;
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct spool_id));
}

/* Everything but so many is in the queue, and nothing twice. */
static void check_all_there(unsigned gone)
{
    static const struct queue_filter any;
    crowd.seen_n = crowd.waiting = crowd.ready = 0;
    queue_each(rig.queue, &any, see, NULL);
    assert_int_equal(crowd.seen_n, MANY - gone);
    qsort(crowd.seen, crowd.seen_n, sizeof crowd.seen[0], by_id);
    for (unsigned i = 1; i < crowd.seen_n; i++)
        assert_int_not_equal(by_id(&crowd.seen[i - 1], &crowd.seen[i]), 0);
}

static void bar(bool one, bool two)
{
    static const char *const names[] = { "one", "two" };
    const bool barred[] = { one, two };
    struct advice *a = advice_new(2, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    for (uint32_t e = 0; e < 2; e++) {
        a->egress[e].name = advice_text(a, slice_of(names[e]));
        a->egress[e].share = 1;
        a->egress[e].fault = barred[e] ? EGRESS_BARRED : EGRESS_FINE;
        a->path[e] = (struct advice_path){ .state = PATH_UP, .rtt_ms = 5, .samples = 50 };
    }
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

static const struct line keeps[] = { HELLO, MAIL, RCPT(OK), BODY(NULL), SILENT };

/* They stand in line for one connection by `one`, which is barred in the middle of the first. That
 * one ends, and whose turn it is then leaves by the other: nobody had to be put elsewhere, so the
 * clock goes on by no more than with one that waits. */
static void test_ten_thousand_in_line_leave_by_the_other(void **state)
{
    (void)state;
    start(keeps, keeps, "traffic: [ { connections: 1 } ]");
    bar(false, false);
    mail_many();
    until_connected(0, 1);
    until_got(0, 0, "\r\n.\r\n", 1);
    clocks_stop();
    bar(true, false);
    check_all_there(0);
    assert_int_equal(crowd.ready, MANY - 1);
    say(0, 0, OK);
    until_in_time(is_sent, 2);
    assert_int_equal(count_in(got(0, 0), "MAIL FROM"), 1);
    assert_non_null(strstr(line_with(DELIVERED, "b@d.example"), "\"egress\":\"one\""));
    check_all_there(1);
    assert_int_equal(crowd.ready, MANY - 2);
}

/* Nothing may carry them, so they wait for that; when one may, all are in line again at once: in
 * the same step that brings the table. */
static void test_ten_thousand_that_wait_for_an_egress(void **state)
{
    (void)state;
    start(keeps, keeps, "traffic: [ { connections: 1 } ]");
    bar(true, true);
    mail_many();
    crowd.waiting = 0;
    for (int i = 0; i < 3000 && crowd.waiting < MANY; i++) {
        loop_turn(rig.loop, 10);
        check_all_there(0);
    }
    assert_int_equal(crowd.waiting, MANY);
    assert_int_equal(rig.peers[0].conns_n, 0);
    clocks_stop();
    bar(true, false);
    check_all_there(0);
    assert_int_equal(crowd.ready, MANY);
    until_in_time(is_sent, 1);
    check_all_there(0);
    assert_int_equal(crowd.ready, MANY - 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_at_once_and_one_line_says_why),
        T(test_of_each_recipient_its_own),
        T(test_ten_thousand_in_line_leave_by_the_other),
        T(test_ten_thousand_that_wait_for_an_egress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
