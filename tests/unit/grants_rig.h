/*
 * grants_rig — one egress that may send every receiver so many mails an hour, for the tests of what
 * is taken of that
 *
 *   The greeting and the final replies of the peer are said by the test. Included by one test
 *   program each.
 */
#ifndef WAYPOST_TESTS_UNIT_GRANTS_RIG_H
#define WAYPOST_TESTS_UNIT_GRANTS_RIG_H

#include "tests/unit/delivery_rig.h"

#include "gateway/base/clock.h"

enum { PER_HOUR = 600, EACH_US = 6000000, TWO_AT_ONCE = 120 };

#define HELLO(caps)                                                                                \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 8BITMIME\r\n", GO_ON                       \
    }
#define TAKES                                                                                      \
    { "MAIL FROM", "250 ok\r\n", GO_ON }, { "RCPT TO", "250 ok\r\n", GO_ON },                      \
        { "DATA\r\n", "354 go\r\n", GO_ON },                                                       \
    {                                                                                              \
        "\r\n.\r\n", NULL, GO_ON                                                                   \
    }
#define SILENT                                                                                     \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
static const struct line peer[] = { HELLO(""), TAKES, TAKES, TAKES, SILENT };
static const struct mail_spec normal = { .from = "n@s.example",
                                         .to = { "b@d.example" },
                                         .body = "Subject: x\r\n\r\nhello\r\n",
                                         .lane = LANE_NORMAL };

/* The egress is fine; a row for each thing that is said of what it may send. */
static struct advice *advice_with(uint32_t rows)
{
    struct advice *a = advice_new(1, 1);
    a->version = 1;
    a->made_ms = loop_now_ms(rig.loop);
    a->group[0].carrier = a->group[0].region = advice_text(a, SLICE_LIT("other"));
    a->egress[0].name = advice_text(a, SLICE_LIT("one"));
    a->egress[0].share = 1;
    advice_standings(a, rows, 0);
    return a;
}

/* The egress may send so much to every receiver, ten at once. */
static void advise(uint32_t per_hour)
{
    struct advice *a = advice_with(1);
    a->standing[0] = (struct advice_standing){
        .egress = 0, .provider = slice_of(""), .share = 1, .per_hour = per_hour
    };
    advice_seal(a);
    delivery_advise(rig.delivery, a);
}

static void start(const char *conf, const char *rules)
{
    static char text[160];
    rig.replies = reply_rules_shipped();
    rig.allowances = allowances_new();
    snprintf(text, sizeof text, "egress: [ { name: one } ]\n%s", conf);
    rig_start(text, rules);
    advise(PER_HOUR);
}

static void add_owed(void *arg, uint64_t key, int64_t left_us)
{
    (void)key;
    *(int64_t *)arg += left_us;
}

static void greet(unsigned conn)
{
    say(0, conn, "220 peer\r\n");
}

static void note_key(void *arg, uint64_t key, int64_t left_us)
{
    (void)left_us;
    *(uint64_t *)arg = key;
}

#endif
