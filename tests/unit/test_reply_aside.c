/*
 * tests/unit/test_reply_aside — an address beside the text of a reply, and one it speaks of
 */
#include <stdlib.h>
#include <string.h>

#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

/* An address that only stands beside the text decides only where the text tells nothing. */
static const struct {
    const char *text, *rule;
} aside_rows[] = {
    { "box shut [203.0.113.42]", "a.box" },
    { "box shut (203.0.113.42)", "a.box" },
    { "box shut (client 203.0.113.42)", "a.box" },
    { "box shut [client: 203.0.113.42], ask", "a.box" },
    { "box shut, IP: 203.0.113.42", "a.box" },
    { "box shut ip=203.0.113.42", "a.box" },
    { "box shut [203.0.113.42 19]", "a.box" },
    { "box shut [IPv6:2001:db8::42]", "a.box" },
    { "box shut. See https://x.example/q?ip=203.0.113.42", "a.box" },
    { "box shut on this host [203.0.113.42]", "a.box" },
    { "box shut by the server, IP: 203.0.113.42", "a.box" },
    { "box shut, no server IP: 203.0.113.42", "a.box" },
    { "box shut at your address (client 203.0.113.42)", "a.box" },
    { "[203.0.113.42] box shut", "a.box" },
    { "203.0.113.42: box shut", "a.box" },
    { "Client 203.0.113.42: box shut", "a.box" },
    { "mx.example.net [203.0.113.42] box shut", "a.box" },
    { "<203.0.113.42>: box shut", "a.box" },
    /* A sentence behind another that only tells which address we have. */
    { "box shut. This message came from your IP 203.0.113.42.", "a.box" },
    { "box shut; your IP address is 203.0.113.42", "a.box" },
    { "box shut. Your server: mail.example.com (203.0.113.42)", "a.box" },
    { "box shut. Connection from mail.example.com [203.0.113.42]; box", "a.box" },
    { "box shut. Remote host is 203.0.113.42. Ask", "a.box" },
    { "box shut. Your IP 203.0.113.42 is no friend", "a.us" },
    { "box shut; 203.0.113.42 is on bl.example.org", "a.us" },
    { "box shut. Write to u@example.net from 203.0.113.42", "a.us" },
    { "box shut, this message came from your IP 203.0.113.42", "a.us" },
    { "This message came from your IP 203.0.113.42. box shut", "a.us" },
    { "shut. This message came from your IP 203.0.113.42.", "a.us" },
    /* It is what the text speaks of. */
    { "box shut for [203.0.113.42]", "a.us" },
    { "box shut to host [203.0.113.42]", "a.us" },
    { "box shut to your server IP: 203.0.113.42", "a.us" },
    { "box shut: server IP: 203.0.113.42", "a.us" },
    { "box shut from relay IP: 203.0.113.42", "a.us" },
    { "[203.0.113.42] is no box, shut", "a.us" },
    { "203.0.113.42 box shut", "a.us" },
    { "box 203.0.113.42 shut", "a.us" },
    { "box shut: [203.0.113.42]", "a.us" },
    { "box [203.0.113.42] shut", "a.us" },
    /* The text tells nothing. */
    { "shut [203.0.113.42]", "a.us" },
    { "shut, IP: 203.0.113.42", "a.us" },
    { "shut see http://x.example/?203.0.113.42", "a.us" },
    { "[203.0.113.42]", "a.us" },
    { "203.0.113.42", "a.us" },
    { "", "no-rule" },
    { "shut [203.0.113.43]", "a.shut" },
    { "shut, IP:", "a.shut" },
    { "shut (client", "a.shut" },
};

static void an_address_beside_the_text(void **state)
{
    (void)state;
    static const char text[] = "[*]\na.us temp us\na.box auth \"box\"\n"
                               "[otherwise]\na.shut tls \"shut\"\n";
    struct addr four = address("203.0.113.42"), six = address("2001:db8::42");
    struct reply_rules *rules = NULL;
    assert_int_equal(reply_rules_read(slice_of(""), slice_of(text), &rules, NULL), RC_OK);
    for (size_t i = 0; i < sizeof aside_rows / sizeof aside_rows[0]; i++) {
        struct reply_judgement j;
        bool is_six = strstr(aside_rows[i].text, "IPv6") != NULL;
        struct reply_facts f = { .source = is_six ? &six : &four,
                                 .code = 550,
                                 .text = slice_of(aside_rows[i].text) };
        reply_classify(rules, &f, &j);
        if (strcmp(j.rule, aside_rows[i].rule) != 0)
            fail_msg("%s for %s", j.rule, aside_rows[i].text);
        assert_int_equal(j.names_us, strstr(aside_rows[i].text, ".42") || is_six);
    }
    reply_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_beside_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
