/*
 * test_delivery_sense — what delivery tells about the paths it uses
 */
#include "tests/unit/delivery_rig.h"

#define HELLO                                                                                      \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250 peer\r\n", GO_ON                                               \
    }
#define MAIL                                                                                       \
    { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },                                        \
        { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", GO_ON }, { "DATA\r\n", "354 go\r\n", GO_ON }, \
    {                                                                                              \
        "\r\n.\r\n", "250 2.0.0 taken\r\n", GO_ON                                                  \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }

static const struct line works[] = { HELLO, MAIL, MAIL, MAIL, SILENT };
static const struct line greylists[] = { HELLO,
                                         { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },
                                         { "RCPT TO:<b@d.example>\r\n", "451 later\r\n", GO_ON },
                                         SILENT };
static const struct line resets[] = { { "", NULL, RESET }, SILENT };
static const struct line busy[] = { { "", "421 too busy\r\n", CLOSE }, SILENT };
static const struct line breaks[] = { HELLO,
                                      { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },
                                      { "RCPT TO:<b@d.example>\r\n", NULL, RESET },
                                      SILENT };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

/* The n-th of the kind, once it has come. */
static const struct observation *seen(enum observation_kind kind, unsigned nth)
{
    for (int i = 0; i < 400; i++) {
        unsigned at = 0;
        for (unsigned k = 0; k < rig.seen_n; k++)
            if (rig.seen[k].kind == kind && at++ == nth)
                return &rig.seen[k];
        loop_turn(rig.loop, 5);
    }
    fail_msg("no observation %u of kind %d", nth, (int)kind);
    return NULL;
}

static unsigned count_of(enum observation_kind kind)
{
    unsigned n = 0;
    for (unsigned k = 0; k < rig.seen_n; k++)
        n += rig.seen[k].kind == kind;
    return n;
}

static void test_a_session_and_its_mail(void **state)
{
    (void)state;
    play(0, works);
    rig_start("egress: [ { name: e, address: 127.0.0.77 } ]", "");
    rig_mail(&mail);
    const struct observation *c = seen(OBS_CONNECT, 0), *m = seen(OBS_MAIL, 0);
    assert_int_equal(c->result, OBS_OK);
    assert_int_equal(c->egress, slice_hash_stable(SLICE_LIT("e")));
    assert_int_equal(c->address.port, rig.peers[0].port);
    assert_true(c->connect_us >= 0 && c->greeting_us >= 0 && c->rtt_us > 0 && c->app_rtt_us > 0);
    assert_true(c->segments > 0 && c->retransmits == 0 && !c->proxied);
    assert_int_equal(m->result, OBS_OK);
    assert_int_equal(m->code, 250);
    assert_true(m->final_us >= 0 && m->app_rtt_us > 0);
    assert_int_equal(m->bytes, 0);
}

/* A failure says so in the very turn of the loop it is found in; the next host is tried. */
static void test_a_refusal(void **state)
{
    (void)state;
    play(1, works);
    peer_shut(&rig.peers[0]);
    rig_start("", "");
    rig_mail(&mail);
    const struct observation *c = seen(OBS_CONNECT, 0);
    assert_int_equal(c->result, OBS_REFUSED);
    assert_int_equal(c->address.port, rig.peers[0].port);
    c = seen(OBS_CONNECT, 1);
    assert_int_equal(c->result, OBS_OK);
    assert_int_equal(c->address.port, rig.peers[1].port);
}

static void first_connect_is(const struct line *script, enum observation_result result,
                             uint16_t code)
{
    play(0, script);
    play(1, works);
    rig_start("", "");
    rig_mail(&mail);
    const struct observation *c = seen(OBS_CONNECT, 0);
    assert_int_equal(c->result, result);
    assert_int_equal(c->code, code);
    until_logged(DELIVERED, 1);
}

static void test_a_reset_before_the_greeting(void **state)
{
    (void)state;
    first_connect_is(resets, OBS_RESET, 0);
}

/* The destination answered: nothing is said against the path. */
static void test_a_destination_that_is_busy(void **state)
{
    (void)state;
    first_connect_is(busy, OBS_REPLY_4XX, 421);
}

static void test_a_deferral_is_an_answer(void **state)
{
    (void)state;
    play(0, greylists);
    rig_start("", "");
    rig_mail(&mail);
    const struct observation *m = seen(OBS_MAIL, 0);
    assert_int_equal(m->result, OBS_REPLY_4XX);
    assert_int_equal(m->code, 451);
    assert_int_equal(m->final_us, -1);
}

static void test_a_broken_dialogue(void **state)
{
    (void)state;
    play(0, breaks);
    rig_start("", "");
    rig_mail(&mail);
    assert_int_equal(seen(OBS_MAIL, 0)->result, OBS_BROKEN);
    until_logged(DEFERRED, 1);
    assert_int_equal(count_of(OBS_MAIL), 1);
}

/* What a large body got from the path; the wait for the final reply does not count. */
static void test_goodput_of_a_large_body(void **state)
{
    static char body[2 * 1024 * 1024];
    struct mail_spec large = mail;
    (void)state;
    memset(body, 'x', sizeof body);
    for (size_t i = 77; i + 1 < sizeof body; i += 78)
        memcpy(body + i - 1, "\r\n", 2);
    memcpy(body + sizeof body - 2, "\r\n", 2);
    large.body = body;
    large.body_n = sizeof body;
    play(0, works);
    rig_start("", "");
    rig_mail(&large);
    for (unsigned i = 0; seen(OBS_MAIL, i)->code != 250; i++)
        ;
    uint64_t bytes = 0, us = 0;
    for (unsigned i = 0; i < count_of(OBS_MAIL); i++) {
        bytes += seen(OBS_MAIL, i)->bytes;
        us += seen(OBS_MAIL, i)->data_us;
    }
    assert_true(bytes >= sizeof body - 256 * 1024 && bytes <= sizeof body + sizeof body / 8);
    assert_true(us > 0);
}

/* ---- the collector alone ---- */

static unsigned sunk;
static struct observation sums; /* what all that was sunk stands for */

static void sink(void *arg, const struct observation *at, unsigned n)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        sums.segments += at[i].segments;
        sums.retransmits += at[i].retransmits;
        sums.more_mails += at[i].more_mails + (at[i].kind == OBS_MAIL && at[i].code);
        sums.more_sessions += at[i].more_sessions + (at[i].kind == OBS_CONNECT);
    }
    sunk += n;
}

/* Thinned or not, the counts come to the same; two paths that share a quota do not mix. */
static void test_counts_are_exact(void **state)
{
    (void)state;
    enum { EACH = 1000, KINDS = 2 };
    static const uint8_t kinds[KINDS] = { OBS_MAIL, OBS_CONNECT };
    struct observer *observer = observer_new(rig.loop, sink, NULL);
    sunk = 0;
    sums = (struct observation){ .kind = 0 };
    for (int i = 0; i < EACH; i++)
        for (int k = 0; k < KINDS; k++) {
            struct observation o = { .kind = kinds[k],
                                     .code = 250,
                                     .egress = ((uint64_t)(i % 3) + 7) << 40,
                                     .segments = 10,
                                     .retransmits = (uint32_t)i % 2 };
            if (observe_wanted(observer, observe_path(o.egress, &o.address)))
                observe_success(observer, &o);
            else
                observe_withhold(observer, &o);
        }
    for (int i = 0; i < 300 && sums.more_mails < EACH; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(sums.more_mails, EACH);
    assert_int_equal(sums.more_sessions, EACH);
    assert_int_equal(sums.segments, 10 * KINDS * EACH);
    assert_int_equal(sums.retransmits, KINDS * EACH / 2);
    assert_in_range(sunk, 3 * OBSERVE_PER_SECOND, 3 * (OBSERVE_PER_SECOND + 1)); /* paths */
    observer_free(&observer);
}

static void test_successes_are_thinned_and_batched(void **state)
{
    struct observation o = { .kind = OBS_MAIL };
    (void)state;
    struct observer *observer = observer_new(rig.loop, sink, NULL);
    uint64_t path = observe_path(7, &o.address);
    unsigned wanted = 0;
    sunk = 0;
    for (int i = 0; i < 1000; i++)
        if (observe_wanted(observer, path)) {
            observe_success(observer, &o);
            wanted++;
        }
    assert_int_equal(wanted, OBSERVE_PER_SECOND);
    assert_int_equal(sunk, 0);
    for (int i = 0; i < 100 && !sunk; i++)
        loop_turn(rig.loop, 10);
    assert_int_equal(sunk, OBSERVE_PER_SECOND);
    observe_failure(observer, &o);
    assert_int_equal(sunk, OBSERVE_PER_SECOND);
    loop_turn(rig.loop, 0);
    assert_int_equal(sunk, OBSERVE_PER_SECOND + 1);
    for (int i = 0; i < OBSERVE_BATCH_MAX; i++)
        observe_failure(observer, &o);
    assert_int_equal(sunk, OBSERVE_PER_SECOND + 1 + OBSERVE_BATCH_MAX);
    observer_free(&observer);
}

/* A session's word is no worker's: control asks the workers about what it met. */
static void test_a_session_that_finds_no_proxy(void **state)
{
    char egress[120];
    (void)state;
    snprintf(egress, sizeof egress, "egress: [ { name: e, via: { proxy: \"127.0.0.1:%u\" } } ]",
             rig.peers[1].port);
    rig_start(egress, "");
    peer_shut(&rig.peers[1]);
    rig_mail(&mail);
    assert_int_equal(seen(OBS_CONNECT, 0)->result, OBS_PROXY_DOWN);
    assert_int_equal(seen(OBS_EGRESS, 0)->result, OBS_PROXY_DOWN);
    assert_int_equal(count_of(OBS_EGRESS), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_counts_are_exact),
        T(test_a_session_and_its_mail),
        T(test_a_refusal),
        T(test_a_reset_before_the_greeting),
        T(test_a_destination_that_is_busy),
        T(test_a_deferral_is_an_answer),
        T(test_a_broken_dialogue),
        T(test_a_session_that_finds_no_proxy),
        T(test_goodput_of_a_large_body),
        T(test_successes_are_thinned_and_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
