/*
 * tests/unit/test_reply_names — whom a reply names: our host, the sender, the recipient, or nobody
 */
#include <stdlib.h>
#include <string.h>

#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

struct parties {
    const char *ehlo, *sender, *recipient;
};

static const struct parties usual = { "mail.example.com", "user@example.com", "box@example.net" };

/* The rule that asks for it, by a table of its own: what is named tells them apart. */
static const char text_of_rules[] = "[*]\n"
                                    "ehlo temp names=ehlo !names=sender\n"
                                    "both tls names=ehlo names=sender\n"
                                    "sender domain-blocked names=sender !names=recipient\n"
                                    "two content names=sender\n"
                                    "recipient mailbox names=recipient\n";

static const char *rule_for(const struct reply_rules *rules, const struct parties *p,
                            const char *text)
{
    struct reply_judgement j;
    struct reply_facts f = { .ehlo = slice_of(p->ehlo),
                             .sender = slice_of(p->sender),
                             .recipient = slice_of(p->recipient),
                             .code = 550,
                             .text = slice_of(text) };
    reply_classify(rules, &f, &j);
    assert_int_equal(j.names_ehlo, strcmp(j.rule, "ehlo") == 0 || strcmp(j.rule, "both") == 0);
    assert_int_equal(j.names_sender, strcmp(j.rule, "sender") == 0 || strcmp(j.rule, "two") == 0 ||
                                         strcmp(j.rule, "both") == 0);
    assert_int_equal(j.names_recipient,
                     strcmp(j.rule, "recipient") == 0 || strcmp(j.rule, "two") == 0);
    return j.rule;
}

#define NOBODY "no-rule"

static const struct {
    const char *text, *rule;
} usual_rows[] = {
    { "I do not believe you are mail.example.com", "ehlo" },
    { "MAIL.Example.COM: go away", "ehlo" },
    { "helo=mail.example.com", "ehlo" },
    { "Client mail.example.com[203.0.113.42] refused", "ehlo" },
    { "lost 'mail.example.com'.", "ehlo" },
    { "example.com is blacklisted", "sender" },
    { "the domain \"EXAMPLE.COM\" is blacklisted", "sender" },
    { "bounce.example.com is blacklisted", "sender" },
    { "smtp.mail.example.com is blacklisted", "sender" },
    { "<user@example.com>: rejected", "sender" },
    { "from=<other@example.com>", "sender" },
    { "from=user@example.com,", "sender" },
    { "bounce+box=example.net@news.example.com refused", "sender" },
    { "postmaster@mail.example.com refused", "sender" },
    { "<box@example.net>... rejected", "recipient" },
    { "rcpt=box@example.net.", "recipient" },
    { "Box@Example.Net unknown", "recipient" },
    { "no mailbox in example.net", "recipient" },
    { "mail.example.com may not send as example.com", "both" },
    { "user@example.com may not write to box@example.net", "two" },
    /* The receiver's own people, hosts and pages. */
    { "ask postmaster@example.net", NOBODY },
    { "mx.example.net says no", NOBODY },
    { "see https://example.net/why?d=example.com&h=mail.example.com", NOBODY },
    { "see www.example.net/example.com", NOBODY },
    { "see example.net/help/example.com now", NOBODY },
    { "see http://example.com", NOBODY },
    /* Whole labels. */
    { "badexample.com, example.com.au, example.community, example", NOBODY },
    { "xmail.example.co, mail-example.com", NOBODY },
    { "xbox@example.net", NOBODY },
    { "user@badexample.com", NOBODY },
    { "@", NOBODY },
    { "=@. .com @example", NOBODY },
    { "", NOBODY },
};

static struct reply_rules *rules_to_ask(void)
{
    struct reply_rules *rules = NULL;
    assert_int_equal(reply_rules_read(slice_of(""), slice_of(text_of_rules), &rules, NULL), RC_OK);
    return rules;
}

static void whom_a_reply_names(void **state)
{
    (void)state;
    struct reply_rules *rules = rules_to_ask();
    for (size_t i = 0; i < sizeof usual_rows / sizeof usual_rows[0]; i++) {
        const char *got = rule_for(rules, &usual, usual_rows[i].text);
        if (strcmp(got, usual_rows[i].rule) != 0)
            fail_msg("%s for %s", got, usual_rows[i].text);
    }
    reply_rules_free(&rules);
}

static void names_that_are_alike_or_missing(void **state)
{
    (void)state;
    static const struct {
        struct parties known;
        const char *text, *rule;
    } rows[] = {
        /* Our host has the name of the sender's domain: the host comes first. */
        { { "example.com", "u@example.com", "" }, "example.com is listed", "ehlo" },
        { { "example.com", "u@example.com", "" }, "u@example.com is listed", "sender" },
        { { "mail.example.com.", "example.com.", "" }, "mail.example.com", "ehlo" },
        { { "mail.example.com.", "example.com.", "" }, "example.com", "sender" },
        { { "", "example.com", "" }, "<any@example.com>", "sender" },
        /* One domain of both: only the whole address tells. */
        { { "", "a@example.com", "b@example.com" }, "example.com", NOBODY },
        { { "", "a@example.com", "b@example.com" }, "www.example.com", NOBODY },
        { { "", "a@example.com", "b@example.com" }, "<a@example.com>", "sender" },
        { { "", "a@example.com", "b@example.com" }, "<b@example.com>", "recipient" },
        { { "", "a@example.com", "b@example.com" }, "<c@example.com>", NOBODY },
        { { "", "a@example.com", "a@example.com" }, "<a@example.com>", NOBODY },
        /* The longest fits. */
        { { "", "a@example.com", "b@eu.example.com" }, "eu.example.com", "recipient" },
        { { "", "a@example.com", "b@eu.example.com" }, "mx.eu.example.com", NOBODY },
        { { "", "a@example.com", "b@eu.example.com" }, "us.example.com", "sender" },
        { { "", "a@us.example.com", "b@example.com" }, "us.example.com", "sender" },
        /* Nothing is known, or a word like any other. */
        { { "", "", "" }, "mail.example.com user@example.com", NOBODY },
        { { "mail", "u@host", "host" }, "mail host u@localhost x@host", NOBODY },
        { { "[203.0.113.42]", "", "" }, "[203.0.113.42]", NOBODY },
        { { ".", ".", "@." }, ". @ @.", NOBODY },
    };
    struct reply_rules *rules = rules_to_ask();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *got = rule_for(rules, &rows[i].known, rows[i].text);
        if (strcmp(got, rows[i].rule) != 0)
            fail_msg("%s for %s", got, rows[i].text);
    }
    reply_rules_free(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whom_a_reply_names),
        cmocka_unit_test(names_that_are_alike_or_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
