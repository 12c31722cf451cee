/*
 * tests/sim/test_standing_peace — whatever was held against the addresses: when it has ended, all
 *   of them are back within a bounded time, and nobody has to help
 *
 *   Every kind of evidence, alone and in every order of two, and of three by chance, against all
 *   addresses at once; then peace, with little mail and without any, and with a restart every few
 *   hours. An operator gives no order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/rnd.h"
#include "reputation/standing.h"

#define MINUTE 60000LL
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

enum { MEMBERS = 4, PROVIDERS = 3, TRIPLES = 12, SOME_MAIL = 5 };
/* A quarantine lasts a week at most, and probation three days; without mail a provider's overlay
 * is forgotten after 30 days and what it lasted, a day. */
static const int64_t WITH_MAIL = 14 * DAY, WITHOUT = 32 * DAY;
static const char *const egresses[MEMBERS] = { "a", "b", "c", "d" };
static const char *const providers[PROVIDERS] = { "gmail", "qq", "small" };
static const char *const lists[] = { "hard", "soft", "most", "dies" };
enum { LISTS = sizeof lists / sizeof lists[0] };

static struct {
    struct standing *s;
    int64_t now;
    struct standing_member member[MEMBERS];
    struct standing_config config;
} w;

static const struct standing_hooks hooks = { NULL, NULL };

/* ---- inputs ---- */

static void reply(int m, int p, enum standing_class class, uint64_t domain)
{
    struct standing_reply r = { .reply_class = (uint8_t) class,
                                .temporary = class == STANDING_IP_THROTTLED,
                                .names_us = class == STANDING_IP_BLOCKED,
                                .sender_domain = domain,
                                .text = slice_of("554 refused") };
    standing_reply(w.s, m, slice_of(providers[p]), &r, w.now);
}

static void check(int m, const char *list, uint8_t verdict)
{
    struct standing_check c = { .source = slice_of(list),
                                .points = list == lists[1] ? 60 : 100,
                                .hard = list != lists[1],
                                .many = list == lists[2],
                                .verdict = verdict };
    standing_listing(w.s, m, &c, w.now);
}

static void restart(void)
{
    struct buf bytes;
    struct standing *after = NULL;
    buf_init(&bytes, STANDING_PACK_MAX);
    standing_pack(w.s, &bytes);
    assert_int_equal(standing_unpack(buf_slice(&bytes), &hooks, &after, NULL), RC_OK);
    standing_configure(after, &w.config, w.now);
    standing_free(&w.s);
    w.s = after;
    buf_free(&bytes);
}

static void tick(int64_t ms)
{
    w.now += ms;
    standing_tick(w.s, w.now);
    for (int m = 0; m < MEMBERS; m++)
        standing_sessions(w.s, m, 0, w.now);
}

/* ---- kinds of evidence ---- */

static void listed_hard(int m)
{
    check(m, lists[0], STANDING_IS_LISTED);
}

static void listed_soft(int m)
{
    check(m, lists[1], STANDING_IS_LISTED);
}

static void listed_with_most(int m)
{
    check(m, lists[2], STANDING_IS_LISTED);
}

static void listed_and_then_silence(int m)
{
    check(m, lists[3], STANDING_IS_LISTED);
}

static void blocked_by_one(int m)
{
    for (uint64_t i = 0; i < 4; i++)
        reply(m, 0, STANDING_IP_BLOCKED, i + 1);
}

static void blocked_by_all(int m)
{
    for (int p = 0; p < PROVIDERS; p++)
        for (uint64_t i = 0; i < 4; i++)
            reply(m, p, STANDING_IP_BLOCKED, i + 1);
}

static void throttled(int m)
{
    for (int p = 0; p < PROVIDERS; p++)
        for (int i = 0; i < 4; i++)
            reply(m, p, STANDING_IP_THROTTLED, 1);
}

static void content(int m)
{
    for (int i = 0; i < 60; i++)
        reply(m, 0, m == 0 || i % 4 == 0 ? STANDING_CONTENT : STANDING_DELIVERED, 1);
}

static void broken_names(int m)
{
    standing_hygiene(w.s, m, STANDING_NAME_BROKEN, STANDING_NAME_BROKEN, w.now);
}

static void at_fault(int m)
{
    standing_fault(w.s, m, m % 2 ? EGRESS_PROXY_DOWN : EGRESS_UNPLUMBED, w.now);
}

/* Burnt again and again: each quarantine is longer than the one before. */
static void relapses(int m)
{
    for (int i = 0; i < 6; i++) {
        blocked_by_all(m);
        for (int h = 0; h < 30; h++)
            tick(HOUR);
    }
}

static const struct kind {
    const char *name;
    void (*strikes)(int m);
} kinds[] = {
    { "hard list", listed_hard },
    { "soft list", listed_soft },
    { "list of most", listed_with_most },
    { "list that dies", listed_and_then_silence },
    { "blocked by one", blocked_by_one },
    { "blocked by all", blocked_by_all },
    { "throttled", throttled },
    { "content", content },
    { "broken names", broken_names },
    { "fault", at_fault },
    { "relapses", relapses },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- peace ---- */

static void mail_for_an_hour(void)
{
    for (int m = 0; m < MEMBERS; m++)
        for (int p = 0; p < PROVIDERS; p++) {
            uint32_t n = standing_take(w.s, m, slice_of(providers[p]), SOME_MAIL, w.now);
            while (n-- > 0)
                reply(m, p, STANDING_DELIVERED, 1);
        }
}

static void hour_of_peace(bool mail)
{
    tick(HOUR);
    for (int m = 0; m < MEMBERS; m++) {
        for (int i = 0; i < LISTS; i++)
            check(m, lists[i], i == LISTS - 1 ? STANDING_SILENT : STANDING_CLEARED);
        standing_hygiene(w.s, m, STANDING_NAME_OK, STANDING_NAME_OK, w.now);
        standing_fault(w.s, m, EGRESS_FINE, w.now);
    }
    if (mail)
        mail_for_an_hour();
}

/* NULL: it carries all that it may, and nothing is held against it. */
static const char *lacks(int m, bool mail)
{
    struct standing_view v;
    struct standing_provider_view p;
    assert_true(standing_view(w.s, m, w.now, &v));
    if (!v.eligible || v.capped || v.points >= 10)
        return "eligible, with little evidence";
    if (mail && (v.state != STANDING_CLEAN || v.share < 1))
        return "clean, with all of its weight";
    if (v.state != STANDING_CLEAN && v.state != STANDING_PROBATION)
        return "clean or in probation";
    for (uint32_t i = 0; standing_provider_view(w.s, m, i, w.now, &p); i++)
        if (p.state == STANDING_BLOCKED || p.state == STANDING_THROTTLED)
            return "without an overlay";
    return NULL;
}

static void begin(void)
{
    w.now = 1750000000000;
    for (int m = 0; m < MEMBERS; m++)
        w.member[m] = (struct standing_member){
            .egress = slice_of(egresses[m]),
            .address = { .family = ADDR_V4, .bytes = { 192, 0, 2, (uint8_t)(m + 1) } },
            .warmup_ms = m == MEMBERS - 1 ? w.now - DAY : 0,
        };
    w.config = (struct standing_config){ .member = w.member, .member_n = MEMBERS, .min_active = 1 };
    w.s = standing_new(&hooks, w.now);
    standing_configure(w.s, &w.config, w.now);
}

static void run(const int *sequence, int n, bool mail)
{
    begin();
    for (int i = 0; i < n; i++) {
        for (int m = 0; m < MEMBERS; m++)
            kinds[sequence[i]].strikes(m);
        for (int k = 0; k < 6; k++)
            tick(5 * MINUTE);
    }
    int64_t peace = w.now, most = mail ? WITH_MAIL : WITHOUT;
    const char *missing = "";
    for (int h = 0; missing && w.now - peace < most; h++) {
        hour_of_peace(mail);
        if (h % 7 == 0)
            restart();
        missing = NULL;
        for (int m = 0; m < MEMBERS && !missing; m++)
            missing = lacks(m, mail);
    }
    standing_free(&w.s);
    if (missing)
        fail_msg("%s, %s, %s, %s mail: an address is not %s", kinds[sequence[0]].name,
                 n > 1 ? kinds[sequence[1]].name : "-", n > 2 ? kinds[sequence[2]].name : "-",
                 mail ? "with" : "without", missing);
}

static void test_everything_ends(void **state)
{
    struct rnd rnd;
    (void)state;
    rnd_seed(&rnd, 5);
    for (int mail = 0; mail < 2; mail++) {
        for (int a = 0; a < KINDS; a++) {
            run(&a, 1, mail);
            for (int b = 0; b < KINDS; b++)
                run((int[]){ a, b }, 2, mail);
        }
        for (int i = 0; i < TRIPLES; i++)
            run((int[]){ (int)rnd_below(&rnd, KINDS), (int)rnd_below(&rnd, KINDS),
                         (int)rnd_below(&rnd, KINDS) },
                3, mail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
