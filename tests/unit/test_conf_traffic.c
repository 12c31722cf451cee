/*
 * tests/unit/test_conf_traffic — rules of `traffic` that are wrong, or that say nothing
 */
#include "tests/unit/conf_rows.h"

static const struct row rows[] = {
    { BASE, "traffic: [ { when: { priority: vip, not: { text: x } }, rate: 5/s } ]\n",
      "1:22: warning: this traffic rule never applies: limits know mx, site, provider, "
      "recipient_domain, recipient_carrier, recipient_region and egress, not priority\n"
      "1:32: found \"vip\", expected one of urgent high normal bulk\n"
      "1:44: found unknown key \"text\", expected one of: sender recipient sender_domain "
      "recipient_domain client user header size mx site recipient_carrier recipient_region "
      "priority "
      "time provider egress not" },
    { BASE, "routes: [ { name: a, when: { egress: x } } ]\n",
      "1:30: found unknown key \"egress\", expected one of: sender recipient sender_domain "
      "recipient_domain client user header size mx site recipient_carrier recipient_region "
      "priority time not" },
    { BASE, "traffic: [ { byte_rate: 10/s, recipient_rate: 0/min, connection_rate: fast } ]\n",
      "1:47: found \"0/min\", expected a rate above zero such as 2/s 500/min 1000/h 20000/day\n"
      "1:71: found \"fast\", expected a rate above zero such as 2/s 500/min 1000/h 20000/day" },
    { BASE, "traffic: [ { byte_rate: 10, rate: 1/s } ]\n",
      "1:25: found \"10\", expected a rate of bytes above zero such as 512KiB/s 10MiB/s "
      "20GiB/day" },
    { BASE, "traffic: [ { when: { mx: \"*.x.example\" } } ]\n",
      "1:12: warning: this traffic rule limits nothing" },
    { BASE,
      "traffic: [ { when: { sender: \"*\", mx: m.x.example }, rate: 1/s },\n"
      "           { when: { client: [lan, \"*\"], header: { X: \"*\" } }, rate: 1/s } ]\n",
      "2:52: warning: this traffic rule never applies: limits know mx, site, provider, "
      "recipient_domain, recipient_carrier, recipient_region and egress, not header" },
};

static void test_rows(void **state)
{
    (void)state;
    check_rows(rows, sizeof rows / sizeof rows[0], "policies.yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
