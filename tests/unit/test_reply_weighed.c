/*
 * tests/unit/test_reply_weighed — what is weighed where the rules have little to go by
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

static const char rules_text[] = "[*]\n"
                                 "sure.tls tls \"sure\"\n"
                                 "[* little]\n"
                                 "any.box mailbox \"box\"\n"
                                 "[otherwise]\n"
                                 "step.rcpt mailbox code=5xx at=rcpt\n"
                                 "code.policy content code=5xx\n"
                                 "[weighed]\n"
                                 "code=5xx greylist=-90\n"
                                 "\"light\" auth=+9\n"
                                 "\"heavy\" auth=+12\n"
                                 "\"our\" ip-blocked=+29\n"
                                 "\"own\" ip-blocked=+30 auth=+0\n"
                                 "us ip-throttled=+40\n"
                                 "^\"first thing*\" domain-blocked=+30\n"
                                 "\"three|four\" temp=+7\n"
                                 "\"box\" mailbox=+50\n"
                                 "at=rcpt mailbox=+20\n";

static const struct {
    const char *text, *rule, *class;
} rows[] = {
    { "nothing", "code.policy", "content" },
    { "heavy", "weighed", "auth" },
    { "heavy, sure", "sure.tls", "tls" },
    { "a light one", "code.policy", "content" }, /* leads by too little */
    { "heavy, three", "code.policy", "content" },
    { "heavy light three", "weighed", "auth" },
    { "our", "code.policy", "content" }, /* the address needs more */
    { "own", "weighed", "ip-blocked" },
    { "own heavy", "code.policy", "content" },
    { "box", "any.box", "mailbox" }, /* said by the rule already */
    { "box heavy light", "any.box", "mailbox" },
    { "box own our light first", "any.box", "mailbox" },
    { "first things, x", "weighed", "domain-blocked" },
    { "x, first things", "code.policy", "content" },
    { "is it 203.0.113.42", "weighed", "ip-throttled" },
    { "is it [203.0.113.42]", "code.policy", "content" }, /* only beside the text */
    { "http://heavy.example.net/heavy", "code.policy", "content" },
    { "contact heavy", "code.policy", "content" },
};

static struct reply_judgement judge(const char *text, enum reply_at at)
{
    struct addr us;
    struct reply_rules *rules = NULL;
    struct reply_judgement j;
    assert_int_equal(addr_parse(slice_of("203.0.113.42"), &us), RC_OK);
    assert_int_equal(reply_rules_read(slice_of(""), slice_of(rules_text), &rules, NULL), RC_OK);
    struct reply_facts f = { .source = &us, .code = 550, .text = slice_of(text), .at = at };
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

static void behind_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_judgement j = judge(rows[i].text, REPLY_AT_FINAL);
        const char *class = reply_class_names[j.class];
        if (strcmp(j.rule, rows[i].rule) != 0 || strcmp(class, rows[i].class) != 0)
            fail_msg("%s by %s for %s", class, j.rule, rows[i].text);
        assert_int_equal(j.because[0].line != NULL, strcmp(j.rule, "weighed") == 0);
        done(&j);
    }
}

/* A line may ask for the step; the steps of the session tell by themselves. */
static void the_step_counts(void **state)
{
    (void)state;
    static const struct {
        enum reply_at at;
        const char *text, *rule;
    } steps[] = {
        { REPLY_AT_UNKNOWN, "heavy", "weighed" },    { REPLY_AT_RCPT, "heavy", "step.rcpt" },
        { REPLY_AT_UNKNOWN, "own", "weighed" },      { REPLY_AT_RCPT, "own", "step.rcpt" },
        { REPLY_AT_RCPT, "our own", "weighed" },     { REPLY_AT_MAIL, "own", "weighed" },
        { REPLY_AT_GREETING, "own", "code.policy" }, { REPLY_AT_EHLO, "own", "code.policy" },
        { REPLY_AT_AUTH, "our own", "code.policy" },
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct reply_judgement j = judge(steps[i].text, steps[i].at);
        if (strcmp(j.rule, steps[i].rule) != 0)
            fail_msg("%s for %s at %s", j.rule, steps[i].text, reply_at_names[steps[i].at]);
        done(&j);
    }
}

/* The lines as written, by what they say more for the class than for the next; heaviest first. */
static void the_reasons(void **state)
{
    (void)state;
    struct reply_judgement j = judge("three, light, for our own", REPLY_AT_DATA);
    assert_string_equal(reply_class_names[j.class], "ip-blocked");
    assert_int_equal(j.scope, REPLY_SCOPE_ADDRESS);
    assert_string_equal(j.because[0].line, "\"own\"");
    assert_int_equal(j.because[0].points, 30);
    assert_string_equal(j.because[1].line, "\"our\"");
    assert_int_equal(j.because[1].points, 29);
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
        cmocka_unit_test(behind_the_rules),
        cmocka_unit_test(the_step_counts),
        cmocka_unit_test(the_reasons),
        cmocka_unit_test(bad_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
