/*
 * tests/unit/test_reply_weighed — one sum of the rule and of what is weighed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

static const char rules_text[] = "[*]\n"
                                 "sure.tls tls \"sure\"\n"
                                 "sure.us ip-blocked \"ours\"\n"
                                 "sure.nobody none \"nobody\"\n"
                                 "[* little]\n"
                                 "any.box mailbox \"box\"\n"
                                 "[otherwise]\n"
                                 "step.rcpt mailbox code=5xx at=rcpt\n"
                                 "code.policy content code=5xx\n"
                                 "code.later greylist code=4xx\n"
                                 "[weighed]\n"
                                 "code=5xx greylist=-90\n"
                                 "code=4xx temp=+50\n"
                                 "\"all\" auth=+1\n"
                                 "\"light\" auth=+2\n"
                                 "\"heavy\" auth=+16\n"
                                 "\"our\" ip-blocked=+11\n"
                                 "\"own\" ip-blocked=+12 auth=+0\n"
                                 "us ip-throttled=+40\n"
                                 "^\"first thing*\" domain-blocked=+60\n"
                                 "\"three|four\" auth=+2\n"
                                 "\"box\" mailbox=+50\n"
                                 "at=rcpt mailbox=+20\n"
                                 "at=greeting ip-blocked=+40 content=-90\n";

static const struct {
    const char *text, *rule, *class;
} rows[] = {
    { "nothing", "code.policy", "content" },
    { "heavy", "weighed", "auth" },
    { "heavy, sure", "weighed", "auth" }, /* 16 against the vote of a rule: 15 */
    { "light, sure", "sure.tls", "tls" },
    { "heavy, nobody", "sure.nobody", "none" },  /* what is about nobody is not weighed */
    { "a light one", "code.policy", "content" }, /* 2 against 3 */
    { "light three", "weighed", "auth" },        /* 4 against 3 */
    { "our", "code.policy", "content" },         /* leads by 8: the address needs more */
    { "own", "weighed", "ip-blocked" },          /* by 9 */
    { "own light three", "weighed", "auth" },    /* the next of another subject is taken then */
    { "own, ours", "sure.us", "ip-blocked" },
    { "heavy, ours", "weighed", "auth" }, /* for somebody else no lead is needed */
    { "light, ours", "sure.us", "ip-blocked" },
    { "box", "any.box", "mailbox" }, /* said by the rule already */
    { "box heavy light", "any.box", "mailbox" },
    { "first things, x", "weighed", "domain-blocked" },
    { "all, first things", "code.policy", "content" },
    { "is it 203.0.113.42", "weighed", "ip-throttled" },
    { "all [203.0.113.42]", "code.policy", "content" }, /* only beside the text */
    { "http://heavy.example.net/heavy", "code.policy", "content" },
    { "contact heavy", "code.policy", "content" },
};

static struct reply_judgement judge(uint16_t code, const char *text, enum reply_at at)
{
    struct addr us;
    struct reply_rules *rules = NULL;
    struct reply_judgement j;
    assert_int_equal(addr_parse(slice_of("203.0.113.42"), &us), RC_OK);
    assert_int_equal(reply_rules_read(slice_of(""), slice_of(rules_text), &rules, NULL), RC_OK);
    struct reply_facts f = { .source = &us, .code = code, .text = slice_of(text), .at = at };
    reply_classify(rules, &f, &j);
    j.rule = strdup(j.rule);
    for (size_t i = 0; i < REPLY_REASONS && j.because[i].line; i++)
        j.because[i].line = strdup(j.because[i].line);
    reply_rules_free(&rules);
    return j;
}

static void done(struct reply_judgement *j)
{
    free((char *)(uintptr_t)j->rule);
    for (size_t i = 0; i < REPLY_REASONS; i++)
        free((char *)(uintptr_t)j->because[i].line);
}

static void beside_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_judgement j = judge(550, rows[i].text, REPLY_AT_FINAL);
        const char *class = reply_class_names[j.class];
        if (strcmp(j.rule, rows[i].rule) != 0 || strcmp(class, rows[i].class) != 0)
            fail_msg("%s by %s for %s", class, j.rule, rows[i].text);
        assert_int_equal(j.because[0].line != NULL, strcmp(j.rule, "weighed") == 0);
        done(&j);
    }
}

/* The code is known to the rules: alone it is no reason to overrule them. */
static void the_code_alone(void **state)
{
    (void)state;
    struct reply_judgement j = judge(450, "nothing", REPLY_AT_UNKNOWN);
    assert_string_equal(j.rule, "code.later");
    done(&j);
    j = judge(450, "all", REPLY_AT_UNKNOWN);
    assert_string_equal(j.rule, "weighed");
    assert_int_equal(j.class, REPLY_TEMP);
    done(&j);
}

/* A line may ask for the step; TLS and AUTH tell by themselves. */
static void the_step_counts(void **state)
{
    (void)state;
    static const struct {
        enum reply_at at;
        const char *text, *rule;
    } steps[] = {
        { REPLY_AT_UNKNOWN, "heavy", "weighed" },  { REPLY_AT_RCPT, "heavy", "step.rcpt" },
        { REPLY_AT_UNKNOWN, "own", "weighed" },    { REPLY_AT_RCPT, "own", "step.rcpt" },
        { REPLY_AT_MAIL, "own", "weighed" },       { REPLY_AT_GREETING, "all", "weighed" },
        { REPLY_AT_EHLO, "all", "code.policy" },   { REPLY_AT_TLS, "heavy", "code.policy" },
        { REPLY_AT_AUTH, "heavy", "code.policy" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct reply_judgement j = judge(550, steps[i].text, steps[i].at);
        if (strcmp(j.rule, steps[i].rule) != 0)
            fail_msg("%s for %s at %s", j.rule, steps[i].text, reply_at_names[steps[i].at]);
        done(&j);
    }
}

/* The lines as written, by what they say more for the class than for the rule's; heaviest first. */
static void the_reasons(void **state)
{
    (void)state;
    struct reply_judgement j = judge(550, "three, heavy, for our own", REPLY_AT_DATA);
    assert_string_equal(reply_class_names[j.class], "auth");
    assert_int_equal(j.scope, REPLY_SCOPE_SENDER);
    assert_string_equal(j.because[0].line, "\"heavy\"");
    assert_int_equal(j.because[0].points, 16);
    assert_string_equal(j.because[1].line, "\"three|four\"");
    assert_int_equal(j.because[1].points, 2);
    assert_null(j.because[2].line);
    struct reply_facts f = { .code = 550 };
    struct reply_judgement other = j;
    reply_overrule(&other, &f, REPLY_TEMP, "mine");
    assert_null(other.because[0].line);
    done(&j);
}

static void bad_lines(void **state)
{
    (void)state;
    static const char *const lines[] = { "\"heavy\" auth=12",
                                         "\"heavy\" auth=+1000",
                                         "\"heavy\" auth=+",
                                         "\"heavy\" none-such=+1",
                                         "\"heavy\" !auth=+1",
                                         "a.name auth=+1",
                                         "\"heavy auth=+1",
                                         "\"heavy\"",
                                         "auth=+1",
                                         "ends \"heavy\" auth=+1" };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[200];
        struct err err = { .text = "" };
        struct reply_rules *rules = NULL;
        snprintf(text, sizeof text, "[weighed]\n%s\n", lines[i]);
        assert_int_equal(reply_rules_read(slice_of(""), slice_of(text), &rules, &err), RC_PARSE);
        assert_non_null(strstr(err.text, "replies:2: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(beside_the_rules), cmocka_unit_test(the_code_alone),
        cmocka_unit_test(the_step_counts),  cmocka_unit_test(the_reasons),
        cmocka_unit_test(bad_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
