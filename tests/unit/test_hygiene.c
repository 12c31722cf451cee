/*
 * tests/unit/test_hygiene — reverse names and EHLO names: what is fine, broken or not known
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reputation/hygiene.h"

#define OURS "192.0.2.1"

/* Addresses of a name as a text: "192.0.2.1 192.0.2.2", "" none, NULL no answer. */
static void look_up(struct hygiene_lookup *l, const char *text)
{
    struct slice rest = slice_of(text), one;
    l->answered = text != NULL;
    while (rest.n) {
        slice_cut(rest, ' ', &one, &rest);
        assert_int_equal(addr_parse(one, &l->addrs[l->n++]), RC_OK);
    }
}

static const struct row {
    const char *ehlo, *of_ehlo;
    bool reverse_fails;
    const char *names[2], *of_names[2];
    enum hygiene_state reverse, ehlo_state;
    const char *name, *why;
} rows[] = {
    { "mx.test", OURS, false, { "mx.test" }, { OURS }, HYGIENE_OK, HYGIENE_OK, "mx.test", "" },
    { "mx.test",
      "192.0.2.9 " OURS,
      false,
      { "a.test", "b.test" },
      { "192.0.2.9", OURS },
      HYGIENE_OK,
      HYGIENE_OK,
      "b.test",
      "" },
    { "mx.test",
      OURS,
      false,
      { "a.test", "b.test" },
      { NULL, OURS },
      HYGIENE_OK,
      HYGIENE_OK,
      "b.test",
      "" },
    { "mx.test",
      OURS,
      false,
      { NULL },
      { NULL },
      HYGIENE_BROKEN,
      HYGIENE_OK,
      "",
      "192.0.2.1 has no name in the reverse DNS" },
    { "mx.test",
      OURS,
      true,
      { NULL },
      { NULL },
      HYGIENE_UNKNOWN,
      HYGIENE_OK,
      "",
      "no name server tells the name of 192.0.2.1" },
    { "mx.test",
      OURS,
      false,
      { "a.test" },
      { "" },
      HYGIENE_BROKEN,
      HYGIENE_OK,
      "a.test",
      "the reverse name of 192.0.2.1, a.test, does not lead back to it" },
    { "mx.test",
      OURS,
      false,
      { "a.test", "b.test" },
      { "192.0.2.9", NULL },
      HYGIENE_UNKNOWN,
      HYGIENE_OK,
      "a.test",
      "the reverse name of 192.0.2.1, a.test, cannot be looked up" },
    { "mx.test",
      OURS,
      false,
      { "localhost" },
      { OURS },
      HYGIENE_BROKEN,
      HYGIENE_OK,
      "localhost",
      "the reverse name of 192.0.2.1, localhost, does not lead back to it" },
    { "mx.test",
      "192.0.2.9",
      false,
      { "mx.test" },
      { OURS },
      HYGIENE_OK,
      HYGIENE_BROKEN,
      "mx.test",
      "the EHLO name mx.test does not have the address 192.0.2.1" },
    { "mx.test",
      NULL,
      false,
      { "mx.test" },
      { OURS },
      HYGIENE_OK,
      HYGIENE_UNKNOWN,
      "mx.test",
      "the EHLO name mx.test cannot be looked up for 192.0.2.1" },
    { "localhost.localdomain",
      OURS,
      false,
      { "mx.test" },
      { OURS },
      HYGIENE_OK,
      HYGIENE_BROKEN,
      "mx.test",
      "EHLO says \"localhost.localdomain\", which is nobody's name" },
    { "[192.0.2.1]",
      "",
      false,
      { NULL },
      { NULL },
      HYGIENE_BROKEN,
      HYGIENE_BROKEN,
      "",
      "192.0.2.1 has no name in the reverse DNS; EHLO says \"[192.0.2.1]\", which is nobody's "
      "name" },
};

static void test_judge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct hygiene_facts f = { .reverse_answered = !r->reverse_fails };
        struct hygiene h;
        assert_int_equal(addr_parse(slice_of(OURS), &f.address), RC_OK);
        snprintf(f.ehlo, sizeof f.ehlo, "%s", r->ehlo);
        look_up(&f.of_ehlo, r->of_ehlo);
        for (; f.name_n < 2 && r->names[f.name_n]; f.name_n++) {
            snprintf(f.names[f.name_n], sizeof f.names[0], "%s", r->names[f.name_n]);
            look_up(&f.of_name[f.name_n], r->of_names[f.name_n]);
        }
        hygiene_judge(&f, &h);
        assert_string_equal(h.why, r->why);
        assert_int_equal(h.reverse, r->reverse);
        assert_int_equal(h.ehlo, r->ehlo_state);
        assert_string_equal(h.name, r->name);
    }
}

/* A relay has a name of its own in the world. */
static void test_behind_a_relay(void **state)
{
    struct hygiene_facts f = { .ehlo = "mx.test",
                               .relayed = true,
                               .reverse_answered = true,
                               .names = { "relay.test" },
                               .name_n = 1 };
    struct hygiene h;
    (void)state;
    assert_int_equal(addr_parse(slice_of(OURS), &f.address), RC_OK);
    look_up(&f.of_name[0], OURS);
    hygiene_judge(&f, &h);
    assert_true(h.reverse == HYGIENE_OK && h.ehlo == HYGIENE_OK);
    assert_string_equal(h.why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_judge),
                                        cmocka_unit_test(test_behind_a_relay) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
