/*
 * tests/unit/test_policies_late — routes chosen in two steps: the mail first, then its destination
 *
 *   Whatever the rules: two steps must give the route that one step with all facts gives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policies/route.h"
#include "tests/unit/conf_fixture.h"

#define WITH_POLICIES BASE "policies: policies.yaml\n"

static const struct fact_header headers[] = { { SLICE_INIT("X-Priority"), SLICE_INIT("1") } };
static const struct slice mx[] = { SLICE_INIT("mx.big.example") };

static struct facts mail(bool office, bool high)
{
    struct facts f = { .client = slice_of(office ? "office" : "branch"), .size = 100 };
    facts_set_sender(&f, slice_of("a@corp.example"));
    facts_set_recipient(&f, slice_of("b@x.example"));
    f.headers = headers;
    f.header_count = high;
    f.known |= FACT_BIT(WHEN_CLIENT) | FACT_BIT(WHEN_USER) | FACT_BIT(WHEN_HEADER) |
               FACT_BIT(WHEN_SIZE) | FACT_BIT(WHEN_TIME) | FACT_BIT(WHEN_PRIORITY);
    return f;
}

static void add_destination(struct facts *f, const char *carrier, const char *region)
{
    f->mx = mx;
    f->mx_count = 1;
    f->carrier = slice_of(carrier);
    f->region = slice_of(region);
    f->known |= FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_CARRIER) | FACT_BIT(WHEN_REGION);
    f->final = true;
}

static const struct conf_route *in_two_steps(const struct policies *p, const struct facts *f,
                                             const char *carrier, const char *region)
{
    struct route_choice choice = policies_route(p, f);
    struct facts later = { .known = 0 };
    struct buf open;
    if (!choice.undecided)
        return choice.route;
    buf_init(&open, ROUTE_OPEN_MAX);
    policies_route_put_open(p, f, &open);
    add_destination(&later, carrier, region);
    choice = policies_route_late(p, buf_slice(&open), &later);
    buf_free(&open);
    assert_false(choice.undecided);
    return choice.route;
}

static void test_same_as_in_one_step(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "recipient_region: europe",
        "recipient_region: europe, client: office",
        "recipient_region: europe, header: { X-Priority: \"1\" }",
        "recipient_carrier: ct, not: { header: { X-Priority: \"1\" } }",
        "not: { recipient_region: europe }",
        "not: { recipient_region: europe, header: { X-Priority: \"1\" } }",
        "client: office, not: { recipient_region: europe, client: branch }",
        "client: office, not: { recipient_region: europe, header: { X-Priority: \"1\" } }",
        "mx: \"*.big.example\", not: { recipient_carrier: ct, client: office }",
        "mx: \"*.other.example\"",
        "site: x",
    };
    static const char *const places[][2] = { { "ct", "europe" }, { "cu", "china" } };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml,
                 "routes:\n  - { name: first, when: { %s } }\n"
                 "  - { name: second, when: { recipient_carrier: ct, client: office } }\n"
                 "  - { name: last }\n",
                 rules[i]);
        struct policies *p = fixture_good(WITH_POLICIES, yaml);
        for (unsigned k = 0; k < 8; k++) {
            const char *const *place = places[k & 1];
            struct facts f = mail(k & 2, k & 4), all = f;
            add_destination(&all, place[0], place[1]);
            const struct conf_route *one = policies_route(p, &all).route;
            const struct conf_route *two = in_two_steps(p, &f, place[0], place[1]);
            if (one != two)
                fail_msg("%s: %u: %s in one step, %s in two", rules[i], k, one->name.p,
                         two ? two->name.p : "none");
        }
        policies_unref(&p);
    }
}

static void check_open(const struct policies *p, bool office, const char *expected)
{
    struct facts f = mail(office, true);
    struct buf open;
    buf_init(&open, ROUTE_OPEN_MAX);
    policies_route_put_open(p, &f, &open);
    assert_true(slice_eq_str(buf_slice(&open), expected));
    buf_free(&open);
}

static void test_what_is_left(void **state)
{
    (void)state;
    struct policies *p = fixture_good(
        WITH_POLICIES,
        "routes:\n  - { name: a, when: { recipient_region: x, client: office } }\n"
        "  - { name: b, when: { recipient_region: y, not: { mx: z, client: office } } }\n"
        "  - { name: c, when: { client: nobody } }\n  - { name: d }\n");
    check_open(p, true, "*a,b,d");
    check_open(p, false, "*b!,d");
    struct facts later = { .known = FACT_BIT(WHEN_MX), .mx = mx, .mx_count = 1 };
    assert_true(policies_route_late(p, slice_of("*a,d"), &later).undecided);
    assert_null(policies_route_late(p, slice_of("*"), &later).route);
    assert_null(policies_route_late(p, slice_of("*gone,!,,"), &later).route);
    add_destination(&later, "", "x");
    assert_string_equal(policies_route_late(p, slice_of("*a,d"), &later).route->name.p, "a");
    policies_unref(&p);
}

/* More names than a key holds: all routes are asked again. */
static void test_too_many_routes(void **state)
{
    (void)state;
    struct buf yaml;
    buf_init(&yaml, 1 << 16);
    buf_puts(&yaml, "routes:\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&yaml, "  - { name: route-number-%d, when: { recipient_region: r%d } }\n", i, i);
    buf_putc(&yaml, '\0');
    struct policies *p = fixture_good(WITH_POLICIES, buf_slice(&yaml).p);
    check_open(p, true, "*");
    policies_unref(&p);
    buf_free(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_in_one_step),
        cmocka_unit_test(test_what_is_left),
        cmocka_unit_test(test_too_many_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
