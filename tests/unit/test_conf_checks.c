/*
 * tests/unit/test_conf_checks — what only the whole of a configuration can get wrong
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_fixture.h"

static char *text_of(const char *waypost, const char *policies)
{
    char *text;
    struct policies *p = fixture_load(waypost, policies, &text);
    policies_unref(&p);
    return text;
}

/* Rules that ask for `n` different headers, in priorities and in a route's `not`. */
static char *header_rules(unsigned n)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_puts(&b, "priorities:\n");
    for (unsigned i = 1; i < n; i++)
        buf_printf(&b, "  - { when: { header: { X-%u: a, x-%u: b } }, priority: high }\n", i, i);
    buf_printf(&b, "routes: [ { name: a, when: { not: { header: { X-%u: a } } } } ]\n", n);
    buf_putc(&b, '\0');
    return buf_take(&b, NULL);
}

/* A rule whose header is never looked for would match no mail, and nobody would know. */
static void test_header_names(void **state)
{
    (void)state;
    char *most = header_rules(CONF_HEADERS_MAX), *more = header_rules(CONF_HEADERS_MAX + 1);
    const char *main_file = BASE "policies: policies.yaml\n";
    char *text = text_of(main_file, most);
    assert_string_equal(text, "");
    free(text);
    text = text_of(main_file, more);
    assert_string_equal(text, "policies.yaml:66:47: found one more header name, expected at most "
                              "64 different ones in all rules\n");
    free(text);
    free(most);
    free(more);
}

static void test_long_header_name(void **state)
{
    (void)state;
    char rules[256];
    char name[CONF_HEADER_NAME_MAX + 2];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(rules, sizeof rules, "routes: [ { name: a, when: { header: { %s: a } } } ]\n", name);
    char *text = text_of(BASE "policies: policies.yaml\n", rules);
    assert_string_equal(text, "policies.yaml:1:40: found a header name of 64 bytes, expected at "
                              "most 63\n");
    free(text);
    snprintf(rules, sizeof rules, "routes: [ { name: a, when: { header: { %s: a } } } ]\n",
             name + 1);
    text = text_of(BASE "policies: policies.yaml\n", rules);
    assert_string_equal(text, "");
    free(text);
}

static void test_byte_order_mark(void **state)
{
    (void)state;
    char *text = text_of("\xef\xbb\xbf" BASE, NULL);
    assert_string_equal(text, "");
    free(text);
    text = text_of("\xef\xbb\xbf" BASE "\xef\xbb\xbf: 1\n", NULL); /* elsewhere it is not one */
    assert_non_null(strstr(text, "waypost.yaml:4:"));
    free(text);
}

/* A value that was not understood is not compared with others as well. */
static void test_one_error_for_one_mistake(void **state)
{
    (void)state;
    char *text = text_of(BASE "limits: { connections: many }\n", NULL);
    assert_string_equal(text, "waypost.yaml:4:24: found \"many\", expected a number from 1 to "
                              "1000000\n");
    free(text);
    text = text_of(BASE "limits: { connections: 10 }\n", NULL);
    assert_non_null(strstr(text, "warning: one client may take all connections"));
    free(text);
}

static void test_retry_of_lanes(void **state)
{
    (void)state;
    char *text =
        text_of(BASE "policies: policies.yaml\n",
                "retry: { urgent: { first: 2h, max: 1h, expir: 1d }, bulk: { max: 6d } }\n");
    assert_string_equal(
        text,
        "policies.yaml:1:18: found retry.urgent.first longer than retry.urgent.max, expected at "
        "most as long\n"
        "policies.yaml:1:40: found unknown key \"expir\", expected \"expire\"?\n"
        "policies.yaml:1:59: found retry.bulk.max longer than retry.bulk.expire, expected at most "
        "as long\n");
    free(text);
}

/* What a start could not do is told by the check. */
static void test_listeners(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_puts(&b, "hostname: gw1.example.net\nclients: [ { network: 127.0.0.0/8 } ]\nlisten:\n");
    for (unsigned i = 1; i <= CONF_LISTENERS_MAX; i++)
        buf_printf(&b, "  - { address: \"127.0.0.1:%u\" }\n", i);
    char *most = mem_strndup(buf_slice(&b).p, buf_len(&b));
    buf_puts(&b, "  - { address: \"127.0.0.1:2525\" }\n");
    char *more = mem_strndup(buf_slice(&b).p, buf_len(&b));
    char *text = text_of(most, NULL);
    assert_string_equal(text, "");
    free(text);
    text = text_of(more, NULL);
    assert_string_equal(text, "waypost.yaml:260:5: found 257 addresses to listen on, expected at "
                              "most 256\n");
    free(text);
    free(most);
    free(more);
    buf_free(&b);
}

/* The header is not at hand any more when the reply comes. */
static void test_reply_keys(void **state)
{
    (void)state;
    char *text = text_of(BASE "policies: policies.yaml\n",
                         "replies: [ { when: { header: { X-Id: a } }, class: temp } ]\n");
    assert_string_equal(
        text,
        "policies.yaml:1:22: found \"header\", expected one of those known "
        "when a reply comes: sender recipient sender_domain recipient_domain "
        "client user size mx site recipient_carrier recipient_region priority time text not\n");
    free(text);
}

/* What would be watched twice, or never with an answer that means anything. */
static void test_lists(void **state)
{
    static const struct {
        const char *reputation, *expected;
    } rows[] = {
        { "blocklists: [ { zone: zen.spamhaus.org }, { zone: ZEN.spamhaus.org } ]",
          "4:57: found \"ZEN.spamhaus.org\" a second time, expected it once (first at line 4)\n" },
        { "feeds: [ { url: \"https://x.test/a\", format: list },\n"
          "           { url: \"https://x.test/a\", format: netset } ]",
          "5:12: found the same feed a second time, expected it once (first at line 4)\n" },
        { "blocklists: [ { zone: bl.test, codes: { 127.0.0.2: 9, 127.255.255.254: 50 } } ]",
          "4:69: found \"127.255.255.254\", expected an answer that lists: with those in "
          "127.255.255.0/24 a list says that it does not answer you\n" },
        { "blocklists: [ { zone: KEY.zen.dq.spamhaus.net } ]",
          "4:37: found \"KEY.zen.dq.spamhaus.net\", expected your own key in front\n" },
        { "blocklists: [ { zone: your_key.combined.mail.abusix.zone } ]",
          "4:37: found \"your_key.combined.mail.abusix.zone\", expected your own key in front\n" },
        { "blocklists: [ { zone: zen.spamhaus.org. } ]",
          "4:37: found \"zen.spamhaus.org.\", expected a host name such as gw1.example.net, no dot "
          "behind\n" },
        { "min_active: 2", "4:27: found 2, expected at most 1, as many as there are addresses\n" },
        { "min_active: 1", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char conf[1024], expected[512] = "";
        snprintf(conf, sizeof conf, BASE "reputation: { %s }\n", rows[i].reputation);
        if (rows[i].expected[0])
            snprintf(expected, sizeof expected, "waypost.yaml:%s", rows[i].expected);
        char *text = text_of(conf, "");
        assert_string_equal(text, expected);
        free(text);
    }
}

/* One that is never looked at would carry no mail, and mail of a route that names it would wait. */
static void test_egresses(void **state)
{
    (void)state;
    for (unsigned n = CONF_EGRESSES_MAX; n <= CONF_EGRESSES_MAX + 1; n++) {
        struct buf b;
        buf_init(&b, 1 << 16);
        buf_puts(&b, BASE "egress:\n");
        for (unsigned i = 0; i < n; i++)
            buf_printf(&b, "  - { name: e%u }\n", i);
        buf_putc(&b, '\0');
        char *conf = buf_take(&b, NULL), *text = text_of(conf, "");
        assert_string_equal(text, n <= CONF_EGRESSES_MAX
                                      ? ""
                                      : "waypost.yaml:5:3: found 257 egresses, expected at most "
                                        "256\n");
        free(text);
        free(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_egresses),         cmocka_unit_test(test_header_names),
        cmocka_unit_test(test_long_header_name), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_reply_keys),       cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_listeners),        cmocka_unit_test(test_one_error_for_one_mistake),
        cmocka_unit_test(test_retry_of_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
