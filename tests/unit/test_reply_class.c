/*
 * tests/unit/test_reply_class — what remote replies mean: words that mislead
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static const struct trap {
    const char *mx, *source, *text; /* as received, with codes */
    uint16_t code;
    const char *status;
    enum reply_class class;
    enum reply_scope scope;
    bool names_us, names_other, ends;
    const char *zone;
} traps[] = {
    /* 5.7.1 says nothing by itself. */
    { "a.b.mail.protection.outlook.com", "203.0.113.42",
      "5.7.1 Service unavailable, Client host [203.0.113.42] blocked using Spamhaus.", 550, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, true, false, false, "spamhaus" },
    { "mx.example.net", "203.0.113.42", "<u@example.net>: Relay access denied", 554, "5.7.1",
      REPLY_AUTH, REPLY_SCOPE_SENDER, false, false, false, "" },
    { "mx.example.net", "203.0.113.42", "Message considered as spam", 550, "5.7.1", REPLY_CONTENT,
      REPLY_SCOPE_MESSAGE, false, false, false, "" },
    { "mx.example.net", "203.0.113.42", "No such user!", 550, "5.7.1", REPLY_MAILBOX,
      REPLY_SCOPE_RECIPIENT, false, false, false, "" },
    /* For good by the code, over in minutes in truth. */
    { "mx3.qq.com", "203.0.113.42", "Ip frequency limited.", 550, NULL, REPLY_IP_THROTTLED,
      REPLY_SCOPE_ADDRESS, false, false, true, "" },
    { "mx3.qq.com", "203.0.113.42", "Domain frequency limited.", 550, NULL, REPLY_DOMAIN_BLOCKED,
      REPLY_SCOPE_SENDER, false, false, true, "" },
    { "x.mail.protection.outlook.com", "203.0.113.42",
      "5.4.1 Recipient address rejected: Access denied. [AM5.prod.protection.outlook.com]", 550,
      "5.4.1", REPLY_MAILBOX, REPLY_SCOPE_RECIPIENT, false, false, false, "" },
    /* Their own query was refused: no listing at all. */
    { "mx.example.net", "203.0.113.42",
      "5.7.1 Service unavailable; Client host [mail.example.com] blocked using multi.uribl.com; "
      "127.0.0.1 -> Query Refused. See http://uribl.com/refused.shtml",
      554, "5.7.1", REPLY_TEMP, REPLY_SCOPE_RECEIVER, false, false, true, "multi.uribl.com" },
    { "mx.example.net", "203.0.113.42",
      "Client host [203.0.113.42] blocked using zen.spamhaus.org; Error: open resolver; "
      "https://www.spamhaus.org/returnc/pub/192.0.2.53",
      554, "5.7.1", REPLY_TEMP, REPLY_SCOPE_RECEIVER, true, false, true, "zen.spamhaus.org" },
    /* A list of names is about the sender, one of addresses about us. */
    { "mx.example.net", "203.0.113.42",
      "Service unavailable; Sender address [u@example.com] blocked using dbl.spamhaus.org", 554,
      "5.7.1", REPLY_DOMAIN_BLOCKED, REPLY_SCOPE_SENDER, false, false, false, "dbl.spamhaus.org" },
    { "mx.example.net", "203.0.113.42",
      "Service unavailable; client [203.0.113.42] blocked using zen.spamhaus.org", 554, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, true, false, false, "zen.spamhaus.org" },
    { "mx.example.net", "203.0.113.42",
      "Service unavailable; client [203.0.113.42] blocked using RBL.Receiver.example", 554, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, true, false, false, "RBL.Receiver.example" },
    /* Another address of ours: a reply through a relay or NAT. */
    { "mx.example.net", "203.0.113.42",
      "Service unavailable; client [203.0.113.99] blocked using zen.spamhaus.org", 554, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, false, true, false, "zen.spamhaus.org" },
    { "mx.example.net", NULL, "client [203.0.113.99] blocked using zen.spamhaus.org", 554, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, false, false, false, "zen.spamhaus.org" },
    /* Our address in other clothes. */
    { "mx.example.net", "2001:db8::42", "Blocked: [IPv6:2001:DB8:0:0::42] is on our block list",
      550, "5.7.1", REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, true, false, false, "" },
    { "mx.example.net", "2001:db8::42", "Blocked: 2001:db8::142 is on our block list", 550, "5.7.1",
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, false, true, false, "" },
    { "mx.example.net", "203.0.113.42", "found 42.113.0.203.zen.spamhaus.org, ip=203.0.113.4", 550,
      NULL, REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, true, false, false, "zen.spamhaus.org" },
    { "mx.example.net", "203.0.113.4", "ip 203.0.113.42 is blacklisted", 550, NULL,
      REPLY_IP_BLOCKED, REPLY_SCOPE_ADDRESS, false, true, false, "" },
    /* Several lines, the codes in each. */
    { "aspmx.l.google.com", "203.0.113.42",
      "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\n"
      "421-4.7.28 from your IP Netblock [203.0.113.0/24]. To protect our users\n"
      "421 4.7.28 mail has been temporarily rate limited. - gsmtp",
      421, "4.7.28", REPLY_IP_THROTTLED, REPLY_SCOPE_NETWORK, false, true, false, "" },
    /* A customer's host in front of the provider: the text gives it away. */
    { "mx.customer.example", "203.0.113.42",
      "4.7.650 The mail server [203.0.113.42] has been temporarily rate limited. "
      "https://postmaster.live.com (S775)",
      451, NULL, REPLY_IP_THROTTLED, REPLY_SCOPE_ADDRESS, true, false, false, "" },
    { "mx.example.net", "203.0.113.42", "Ok: queued as 203.0.113.42 blocked", 250, NULL, REPLY_NONE,
      REPLY_SCOPE_NONE, false, false, false, "" },
    { "", "203.0.113.42", "", 554, NULL, REPLY_CONTENT, REPLY_SCOPE_MESSAGE, false, false, false,
      "" },
};

static void check_trap(const struct reply_rules *rules, const struct trap *t)
{
    struct addr source = { 0 };
    struct reply_judgement j;
    struct reply_facts f = { .mx = slice_of(t->mx), .code = t->code, .text = slice_of(t->text) };
    if (t->source) {
        source = address(t->source);
        f.source = &source;
    }
    if (t->status)
        assert_true(enhanced_parse(slice_of(t->status), &f.status, NULL));
    reply_classify(rules, &f, &j);
    if (j.class != t->class || j.scope != t->scope || j.names_us != t->names_us ||
        j.names_other != t->names_other || j.ends_by_itself != t->ends)
        fail_msg("%s %s by %s, us %d, other %d, ends %d: %s", reply_class_names[j.class],
                 reply_scope_names[j.scope], j.rule, j.names_us, j.names_other, j.ends_by_itself,
                 t->text);
    assert_true(slice_eq_str(j.zone, t->zone));
}

static void words_that_mislead(void **state)
{
    (void)state;
    struct reply_rules *rules = reply_rules_shipped();
    for (size_t i = 0; i < sizeof traps / sizeof traps[0]; i++)
        check_trap(rules, &traps[i]);
    reply_rules_free(&rules);
}

/* A reply that only mentions our address says nothing about it. */
static void our_address_in_passing(void **state)
{
    (void)state;
    static const struct {
        uint16_t code;
        enum reply_class class;
        const char *text;
    } rows[] = {
        { 550, REPLY_CONTENT,
          "Message rejected as spam (score 12.3) from 203.0.113.42, contact abuse@example.net" },
        { 550, REPLY_CONTENT,
          "Our mail server blocked this message because it contains a virus. Client IP: "
          "203.0.113.42" },
        { 550, REPLY_MAILBOX, "<u@example.net>: user unknown (203.0.113.42)" },
        { 550, REPLY_CONTENT,
          "High probability of spam, ip=203.0.113.42, report to abuse@example.net" },
        { 451, REPLY_GREYLIST, "Temporarily deferred: greylisting in action for 203.0.113.42" },
        { 550, REPLY_AUTH, "SPF fail: 203.0.113.42 is not allowed to send mail for example.com" },
        { 550, REPLY_CONTENT, "Blocked attachment type .exe [203.0.113.42]" },
        { 550, REPLY_CONTENT,
          "Message blocked by our anti-spam system. See "
          "http://example.net/blocked?ip=203.0.113.42" },
        { 554, REPLY_CONTENT, "URL in body listed in SURBL, client 203.0.113.42" },
        { 550, REPLY_DOMAIN_BLOCKED,
          "Sender domain example.com is blocked, client [203.0.113.42]" },
        { 550, REPLY_DOMAIN_BLOCKED,
          "<spammer@example.com>: Sender address rejected: blocked by administrator "
          "(203.0.113.42)" },
        { 554, REPLY_CONTENT, "Mail from 203.0.113.42 refused: message contains malware Eicar" },
        { 530, REPLY_TLS, "Must issue a STARTTLS command first, client 203.0.113.42" },
        { 550, REPLY_CONTENT,
          "Message looks like spam to our filters; sent via ip address 203.0.113.42" },
    };
    struct addr us = address("203.0.113.42");
    struct reply_rules *rules = reply_rules_shipped();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_judgement j;
        struct reply_facts f = { .mx = SLICE_LIT("mx.example.net"),
                                 .source = &us,
                                 .code = rows[i].code,
                                 .text = slice_of(rows[i].text) };
        reply_classify(rules, &f, &j);
        if (j.class != rows[i].class)
            fail_msg("%s by %s: %s", reply_class_names[j.class], j.rule, rows[i].text);
        assert_true(j.names_us);
    }
    reply_rules_free(&rules);
}

static void the_step_decides_when_nothing_else_does(void **state)
{
    (void)state;
    static const struct {
        enum reply_at at;
        enum reply_class class;
    } rows[] = {
        { REPLY_AT_GREETING, REPLY_IP_BLOCKED }, { REPLY_AT_EHLO, REPLY_IP_BLOCKED },
        { REPLY_AT_MAIL, REPLY_DOMAIN_BLOCKED }, { REPLY_AT_RCPT, REPLY_MAILBOX },
        { REPLY_AT_FINAL, REPLY_CONTENT },       { REPLY_AT_UNKNOWN, REPLY_MAILBOX },
    };
    struct reply_rules *rules = reply_rules_shipped();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_judgement j;
        struct reply_facts f = { .code = 550, .text = SLICE_LIT("hm"), .at = rows[i].at };
        reply_classify(rules, &f, &j);
        assert_int_equal(j.class, rows[i].class);
        f.code = 450;
        reply_classify(rules, &f, &j);
        assert_int_equal(j.class, REPLY_TEMP);
    }
    reply_rules_free(&rules);
}

/* What has words, but none that say why. */
static void what_is_said_at_a_step(void **state)
{
    (void)state;
    static const struct {
        enum reply_at at;
        uint16_t code;
        const char *text;
        enum reply_class class;
    } rows[] = {
        { REPLY_AT_FINAL, 550, "5.7.1 Command rejected", REPLY_CONTENT },
        { REPLY_AT_RCPT, 550, "5.7.1 Command rejected", REPLY_MAILBOX },
        { REPLY_AT_FINAL, 550, "5.7.1 Command rejected: 203.0.113.42 is listed at zen.spamhaus.org",
          REPLY_IP_BLOCKED },
        { REPLY_AT_RCPT, 503, "5.5.1 Bad sequence of commands", REPLY_TEMP },
        { REPLY_AT_MAIL, 503, "5.5.2 Send hello first", REPLY_TEMP },
        { REPLY_AT_GREETING, 554, "Too many connections", REPLY_IP_THROTTLED },
        { REPLY_AT_GREETING, 421, "4.7.0 Too many connections", REPLY_IP_THROTTLED },
        { REPLY_AT_GREETING, 554, "5.7.1 Access denied", REPLY_IP_BLOCKED },
    };
    struct reply_rules *rules = reply_rules_shipped();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_judgement j;
        struct reply_facts f = { .code = rows[i].code,
                                 .text = slice_of(rows[i].text),
                                 .at = rows[i].at };
        reply_classify(rules, &f, &j);
        assert_int_equal(j.class, rows[i].class);
    }
    reply_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_that_mislead),
        cmocka_unit_test(our_address_in_passing),
        cmocka_unit_test(the_step_decides_when_nothing_else_does),
        cmocka_unit_test(what_is_said_at_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
