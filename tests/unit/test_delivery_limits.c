/*
 * test_delivery_limits — what a receiver may be sent by all egresses together when it limits one
 */
#include "gateway/base/clock.h"
#include "tests/unit/delivery_rig.h"

static const struct line works[] = { { "", "220 peer\r\n", GO_ON },
                                     { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                     { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },
                                     { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", GO_ON },
                                     { "DATA\r\n", "354 go\r\n", GO_ON },
                                     { "\r\n.\r\n", "250 ok\r\n", GO_ON },
                                     { NULL, NULL, GO_ON } };

static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

enum { MAILS = 14, PER_HOUR = 240, BURST = PER_HOUR / 60 };

static void start(void)
{
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    play(0, works);
    rig_start("egress: [ { name: one, address: 127.0.0.71 },\n"
              "          { name: two, address: 127.0.0.72 } ]\n"
              "delivery: { messages_per_connection: 1 }\n",
              "");
}

/* Both alike, but control prefers the first, and all receivers have this of it. */
static void advise(float share)
{
    struct advice *a = advice_new(2, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    for (uint32_t e = 0; e < 2; e++) {
        a->egress[e].name = advice_text(a, e ? SLICE_LIT("two") : SLICE_LIT("one"));
        a->egress[e].share = 1;
        a->path[e] = (struct advice_path){
            .state = PATH_UP, .rtt_ms = e ? 300 : 5, .rtt_var_ms = 1, .samples = 50
        };
    }
    advice_standings(a, 1, 0);
    a->standing[0] = (struct advice_standing){
        .egress = 0, .provider = slice_of(""), .share = share, .per_hour = PER_HOUR
    };
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

static unsigned by(const char *egress)
{
    char needle[40];
    snprintf(needle, sizeof needle, "\"egress\":\"%s\"", egress);
    return count_in(rig_log(), needle);
}

/* All the mail at once, by both; gives when that began. */
static int64_t begin(float share)
{
    start();
    advise(share);
    int64_t began_us = clock_mono_us();
    for (unsigned i = 0; i < MAILS; i++)
        rig_mail(&mail);
    return began_us;
}

/* Until nothing more happens. */
static void settle(void)
{
    unsigned still = 0, before = 0;
    while (still < 100) {
        loop_turn(rig.loop, 5);
        unsigned now = count_in(rig_log(), DELIVERED);
        still = now == before && now ? still + 1 : 0;
        before = now;
    }
}

/* What the rate gave, however long it took. */
static unsigned most_since(int64_t began_us)
{
    return BURST + 1 + (unsigned)((clock_mono_us() - began_us) * PER_HOUR / 3600000000);
}

static void test_a_limit_is_not_gone_round(void **state)
{
    (void)state;
    int64_t began_us = begin(0.5F);
    settle();
    assert_in_range(by("one"), BURST, most_since(began_us));
    assert_in_range(by("two"), BURST, most_since(began_us)); /* as much again, and no more */
}

/* Used up by warm-up: the other carries the rest. */
static void test_a_quota_is_handed_over(void **state)
{
    (void)state;
    int64_t began_us = begin(1);
    until_logged(DELIVERED, MAILS);
    assert_in_range(by("one"), BURST, most_since(began_us));
}

/* ---- one address of an egress ---- */

static unsigned from(const char *source)
{
    char needle[40];
    snprintf(needle, sizeof needle, "\"source\":\"%s\"", source);
    return count_in(rig_log(), needle);
}

/* The first of the two is limited; the egress may have as much for the other. */
static void advise_address(void)
{
    struct advice *a = advice_new(1, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    a->egress[0].name = advice_text(a, SLICE_LIT("both"));
    a->egress[0].share = 1;
    advice_standings(a, 2, 0);
    a->standing[0] = (struct advice_standing){
        .egress = 0, .provider = slice_of(""), .share = 0.5F, .per_hour = 2 * PER_HOUR
    };
    a->standing[1] = (struct advice_standing){ .egress = 0,
                                               .provider = slice_of(""),
                                               .source = { ADDR_V4, { 127, 0, 0, 71 }, 0 },
                                               .share = 0.5F,
                                               .per_hour = PER_HOUR };
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

/* Two that take turns: a turn of the other costs this one nothing. */
static void test_a_limited_address_has_its_whole_limit(void **state)
{
    (void)state;
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    play(0, works);
    rig_start("egress: [ { name: both, address: [ 127.0.0.71, 127.0.0.72 ] } ]\n"
              "delivery: { messages_per_connection: 1 }\n",
              "");
    advise_address();
    int64_t began_us = clock_mono_us();
    for (unsigned i = 0; i < MAILS; i++)
        rig_mail(&mail);
    settle();
    assert_in_range(from("127.0.0.71"), BURST, most_since(began_us));
    assert_in_range(from("127.0.0.72"), BURST, most_since(began_us));
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_limit_is_not_gone_round),
        T(test_a_quota_is_handed_over),
        T(test_a_limited_address_has_its_whole_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
