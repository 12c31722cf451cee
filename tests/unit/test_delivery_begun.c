/*
 * test_delivery_begun — a transaction that has begun is interrupted by nothing: not by urgent mail,
 * not by a limit that falls, not by an egress that is taken out of use
 *
 *   The receivers read no further in the middle of DATA. What they get in the end is compared byte
 *   by byte.
 */
#include "tests/unit/delivery_rig.h"

#define HELLO(caps)                                                                                \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 8BITMIME\r\n", GO_ON                       \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define TAKES                                                                                      \
    { "MAIL FROM", "250 ok\r\n", GO_ON }, { "RCPT TO", "250 ok\r\n", GO_ON },                      \
    {                                                                                              \
        "DATA\r\n", "354 go\r\n", ALONE                                                            \
    }
/* The final replies are said by the test. */
static const struct line takes[] = { HELLO(""), TAKES, TAKES, TAKES, SILENT };
static const struct line takes_chunks[] = { HELLO("250-PIPELINING\r\n250-CHUNKING\r\n"),
                                            { "MAIL FROM", "250 ok\r\n", GO_ON },
                                            { "RCPT TO", "250 ok\r\n", GO_ON },
                                            SILENT };

/* More than the buffers of both ends hold. */
enum { LARGE = 6 * 1024 * 1024 };
static char large_body[LARGE + 1];

static struct mail_spec mail_of(const char *from, enum lane lane)
{
    return (struct mail_spec){
        .from = from, .to = { "b@d.example" }, .body = "Subject: x\r\n\r\nhello\r\n", .lane = lane
    };
}

static struct mail_spec large_of(const char *from, enum lane lane)
{
    struct mail_spec m = mail_of(from, lane);
    for (size_t i = 0; i < LARGE; i++)
        large_body[i] = "abcdefghijklmnop\r\n"[i % 18];
    large_body[LARGE - 2] = '\r';
    large_body[LARGE - 1] = '\n';
    m.body = large_body;
    m.from_spool = true;
    return m;
}

static void send_mail(struct mail_spec m)
{
    rig_mail(&m);
}

/* As little as possible is on its way to who does not read. */
static void narrow(unsigned peer)
{
    int bytes = 4096;
    assert_int_equal(setsockopt(rig.peers[peer].fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes),
                     0);
}

static void start(const char *conf, const char *rules, const struct line *script)
{
    play(0, script);
    narrow(0);
    peer_shut(&rig.peers[1]);
    rig_start(conf, rules);
}

/* It reads no further than this. */
static void stop_reading(unsigned conn, const char *behind)
{
    until_connected(0, conn + 1);
    until_got(0, conn, behind, 1);
    loop_watch_free(&rig.peers[0].conns[conn].watch);
    turns(10);
}

static void go_on_reading(unsigned conn)
{
    struct conn *c = &rig.peers[0].conns[conn];
    assert_false(c->ended);
    c->watch = loop_watch_new(rig.loop, c->fd, LOOP_READ, on_peer_readable, c);
}

/* All of it, and nothing else: its end may be followed by `rest`. */
static void until_whole(unsigned conn, const char *before, const char *body, size_t n,
                        const char *rest)
{
    const struct conn *c = &rig.peers[0].conns[conn];
    const char *at = strstr(got(0, conn), before);
    assert_non_null(at);
    size_t head = (size_t)(at - got(0, conn)) + strlen(before), all = head + n + strlen(rest);
    for (int i = 0; i < 6000 && buf_len(&c->got) < all; i++)
        loop_turn(rig.loop, 5);
    assert_int_equal(buf_len(&c->got), all);
    assert_memory_equal(got(0, conn) + head, body, n);
    assert_string_equal(got(0, conn) + head + n, rest);
}

static void nobody_was_interrupted(unsigned mails)
{
    until_logged(DELIVERED, mails);
    assert_int_equal(count_in(rig_log(), "\"event\":"), mails);
    assert_int_equal(count_in(rig_log(), "\"attempt\":1,"), mails);
}

/* Both slots are taken by bulk, one of them in the middle of a large message. Urgent mail opens
 * nothing and touches neither; it has the first that is free, before bulk that came earlier. */
static void check_urgent_mail_waits(const struct line *script, const char *begun, const char *rest)
{
    play(0, script); /* the first; the others take lines */
    start("delivery: { connections: 2 }", "", takes);
    send_mail(large_of("l@s.example", LANE_BULK));
    stop_reading(0, begun);
    send_mail(mail_of("b@s.example", LANE_BULK));
    until_connected(0, 2);
    until_got(0, 1, "\r\n.\r\n", 1);
    send_mail(mail_of("c@s.example", LANE_BULK));
    send_mail(mail_of("u@s.example", LANE_URGENT));
    size_t before = buf_len(&rig.peers[0].conns[1].got);
    turns(40);
    assert_int_equal(rig.peers[0].conns_n, 2);
    assert_int_equal(buf_len(&rig.peers[0].conns[1].got), before);
    go_on_reading(0);
    until_whole(0, begun, large_body, LARGE, rest);

    say(0, 1, "250 ok\r\n");
    until_got(0, 1, "MAIL FROM:<u@", 1);
    assert_int_equal(count_in(got(0, 1), "MAIL FROM:<c@"), 0);
    until_got(0, 1, "\r\n.\r\n", 2);
    say(0, 1, "250 ok\r\n");
    until_got(0, 1, "MAIL FROM:<c@", 1);
    until_got(0, 1, "\r\n.\r\n", 3);
    say(0, 1, "250 ok\r\n");
    say(0, 0, "250 ok\r\n");
    nobody_was_interrupted(4);
    assert_int_equal(rig.peers[0].conns_n, 2);
}

static void test_urgent_mail_waits_for_the_end(void **state)
{
    (void)state;
    check_urgent_mail_waits(takes, "DATA\r\n", ".\r\n");
}

static void test_urgent_mail_waits_for_the_chunk(void **state)
{
    char command[40];
    (void)state;
    snprintf(command, sizeof command, "BDAT %u LAST\r\n", (unsigned)LARGE);
    check_urgent_mail_waits(takes_chunks, command, "");
}

/* ---- limits that fall meanwhile ---- */

/* Three carry a message each, one of them in the middle of it, when the limit becomes one: all come
 * to their end, and only then the next is opened. */
static void check_a_lower_limit(const char *conf, const char *rules)
{
    start("delivery: { connections: 9 }", "", takes);
    send_mail(large_of("l@s.example", LANE_NORMAL));
    stop_reading(0, "DATA\r\n");
    for (unsigned i = 1; i < 3; i++) {
        send_mail(mail_of("m@s.example", LANE_NORMAL));
        until_connected(0, i + 1);
        until_got(0, i, "\r\n.\r\n", 1);
    }
    rig_reload(conf, rules);
    send_mail(mail_of("n@s.example", LANE_URGENT));
    turns(20);
    for (unsigned i = 2; i > 0; i--) {
        say(0, i, "250 ok\r\n");
        until_got(0, i, "QUIT\r\n", 1);
        turns(20);
        assert_int_equal(rig.peers[0].conns_n, 3);
    }
    go_on_reading(0);
    until_whole(0, "DATA\r\n", large_body, LARGE, ".\r\n");
    assert_int_equal(rig.peers[0].conns_n, 3);
    say(0, 0, "250 ok\r\n");
    until_connected(0, 4);
    until_got(0, 3, "\r\n.\r\n", 1);
    say(0, 3, "250 ok\r\n");
    nobody_was_interrupted(4);
}

static void test_a_reload_leaves_one_connection(void **state)
{
    (void)state;
    check_a_lower_limit("delivery: { connections: 1 }", "");
}

static void test_a_reload_leaves_one_of_an_egress(void **state)
{
    (void)state;
    check_a_lower_limit("delivery: { connections: 9 }",
                        "traffic: [ { when: { egress: \"*\" }, connections: 1 } ]");
}

/* A third session is refused for being too much, again and again, so the server bears two: that one
 * ends, and those that carry a message go on. */
static void test_the_server_bears_less_than_there_are(void **state)
{
    static const struct line too_many[] = {
        HELLO(""),
        { "MAIL FROM", "450 4.7.1 too many requests\r\n", GO_ON },
        { "MAIL FROM", "450 4.7.1 too many requests\r\n", GO_ON },
        { "MAIL FROM", "450 4.7.1 too many requests\r\n", GO_ON },
        { "MAIL FROM", "450 4.7.1 too many requests\r\n", GO_ON },
        SILENT
    };
    (void)state;
    rig.replies = reply_rules_shipped();
    play(0, takes);
    play(0, takes);
    start("delivery: { connections: 9 }", "", too_many);
    send_mail(large_of("l@s.example", LANE_NORMAL));
    stop_reading(0, "DATA\r\n");
    send_mail(mail_of("m@s.example", LANE_NORMAL));
    until_connected(0, 2);
    until_got(0, 1, "\r\n.\r\n", 1);
    unsigned refused = 0;
    while (refused < 4 && !(rig.peers[0].conns_n > 2 && count_in(got(0, 2), "QUIT"))) {
        send_mail(mail_of("n@s.example", LANE_NORMAL));
        until_logged(DEFERRED, ++refused);
        turns(10);
    }
    until_got(0, 2, "QUIT\r\n", 1);
    assert_int_equal(rig.peers[0].conns_n, 3);
    go_on_reading(0);
    until_whole(0, "DATA\r\n", large_body, LARGE, ".\r\n");
    say(0, 0, "250 ok\r\n");
    say(0, 1, "250 ok\r\n");
    until_logged(DELIVERED, 2);
    assert_int_equal(count_in(rig_log(), "\"event\":"), 2 + refused);
}

/* ---- an egress that is taken out of use ---- */

static void bar(const char *egress)
{
    static const char *const names[] = { "one", "two" };
    struct advice *a = advice_new(2, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    for (uint32_t e = 0; e < 2; e++) {
        a->egress[e].name = advice_text(a, slice_of(names[e]));
        a->egress[e].share = 1;
        a->egress[e].fault = strcmp(names[e], egress) == 0 ? EGRESS_BARRED : EGRESS_FINE;
        a->path[e] = (struct advice_path){ .state = PATH_UP, .rtt_ms = 5, .samples = 50 };
    }
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

/* The message under way ends where it began, the next one leaves by the other. */
static void test_a_drained_egress_ends_what_it_began(void **state)
{
    (void)state;
    start("egress: [ { name: one }, { name: two, weight: 0 } ]\n"
          "delivery: { connections: 9 }",
          "", takes);
    send_mail(large_of("l@s.example", LANE_NORMAL));
    stop_reading(0, "DATA\r\n");
    bar("one");
    turns(10);
    send_mail(mail_of("m@s.example", LANE_NORMAL));
    until_connected(0, 2);
    until_got(0, 1, "\r\n.\r\n", 1);
    say(0, 1, "250 ok\r\n");
    until_logged("\"egress\":\"two\"", 1);
    go_on_reading(0);
    until_whole(0, "DATA\r\n", large_body, LARGE, ".\r\n");
    say(0, 0, "250 ok\r\n");
    until_logged("\"egress\":\"one\"", 1);
    nobody_was_interrupted(2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_urgent_mail_waits_for_the_end),        T(test_urgent_mail_waits_for_the_chunk),
        T(test_a_reload_leaves_one_connection),       T(test_a_reload_leaves_one_of_an_egress),
        T(test_the_server_bears_less_than_there_are), T(test_a_drained_egress_ends_what_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
