/*
 * tests/unit/test_reply_rules — the reader of the reply rules, providers of hosts, the normal text,
 *   and the operator's word
 */
#include <stdlib.h>
#include <string.h>

#include "policies/reply.h"
#include "reputation/reply.h"
#include "tests/unit/conf_fixture.h"

static struct addr address(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

/* ---- providers, the normal text ---- */

static void providers_of_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *mx, *provider;
    } rows[] = {
        { "gmail-smtp-in.l.google.com", "google" },
        { "ALT1.ASPMX.L.GOOGLE.COM.", "google" },
        { "google.com", "google" },
        { "notgoogle.com", "notgoogle.com" },
        { "example-com.mail.protection.outlook.com", "microsoft365" },
        { "outlook-com.olc.protection.outlook.com", "outlook-consumer" },
        { "mta6.am0.yahoodns.net", "yahoo" },
        { "mx3.qq.com", "qq" },
        { "163mx01.mxmail.netease.com", "netease" },
        { "mx1.mail.icloud.com", "apple" },
        { "mx.a.example.co.uk", "example.co.uk" },
        { "mx.a.b.example.com.cn", "example.com.cn" },
        { "mx.example.net", "example.net" },
        { "co.uk", "co.uk" },
        { "localhost", "localhost" },
        { "192.0.2.1", "192.0.2.1" },
        { ".", "" },
        { "", "" },
    };
    struct reply_rules *rules = reply_rules_shipped();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice got = reply_provider(rules, slice_of(rows[i].mx));
        if (!slice_eq_str(got, rows[i].provider))
            fail_msg("%s is of %.*s", rows[i].mx, SLICE_FMT(got));
    }
    reply_rules_free(&rules);
}

static void the_normal_text(void **state)
{
    (void)state;
    static const struct {
        uint16_t code;
        const char *status, *text, *normal;
    } rows[] = {
        { 421, "4.7.0", "421-4.7.0 Our  System\r\n421-4.7.0\thas 421 4.7.0 detected ",
          "our system has detected" },
        { 550, NULL, "5.1.1 No such user", "5.1.1 no such user" },
        { 550, "5.1.1", "550-550-5.1.1 550 450-x", "450-x" },
        { 550, NULL, "\r\n \t\x7f", "" },
        { 550, NULL, "Utilisateur \xC3\x89 inconnu", "utilisateur \xC3\xA9 inconnu" },
        { 550, NULL, "\xC3\x9C \xC3\x97 \xD0\x90 \xD0\xAF \xD0\x81", /* U+0401 stays */
          "\xC3\xBC \xC3\x97 \xD0\xB0 \xD1\x8F \xD0\x81" },
    };
    char text[REPLY_TEXT_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct reply_facts f = { .code = rows[i].code, .text = slice_of(rows[i].text) };
        if (rows[i].status)
            assert_true(enhanced_parse(slice_of(rows[i].status), &f.status, NULL));
        assert_true(slice_eq_str(reply_normal(&f, text), rows[i].normal));
    }
}

static void long_replies(void **state)
{
    (void)state;
    struct reply_rules *rules = reply_rules_shipped();
    struct reply_judgement j;
    char *text = mem_zero(REPLY_TEXT_MAX * 4);
    memset(text, 'x', REPLY_TEXT_MAX * 4);
    memcpy(text, "user unknown ", 13);
    struct reply_facts f = { .code = 550, .text = { text, REPLY_TEXT_MAX * 4 } };
    reply_classify(rules, &f, &j);
    assert_int_equal(j.class, REPLY_MAILBOX);
    memset(text, ' ', REPLY_TEXT_MAX * 3);
    memcpy(text + REPLY_TEXT_MAX * 3, " user unknown ", 14);
    reply_classify(rules, &f, &j);
    assert_int_equal(j.class, REPLY_MAILBOX);
    memset(text, 'x', REPLY_TEXT_MAX); /* far behind: not looked for */
    memcpy(text + REPLY_TEXT_MAX / 2, " user suspended ", 16);
    f.code = 554;
    f.text.n = REPLY_TEXT_MAX;
    reply_classify(rules, &f, &j);
    assert_int_equal(j.class, REPLY_CONTENT);
    free(text);
    reply_rules_free(&rules);
}

/* ---- reading rules ---- */

static const struct {
    const char *providers, *rules, *error;
} bad_rows[] = {
    { "", "a content code=5xx\n",
      "replies:1: found \"a\", expected [*] or [PROVIDER] before the first rule" },
    { "", "[*]\n\n# x\na contents\n",
      "replies:4: found \"contents\", expected the class of such a reply" },
    { "", "[*]\na content\na content\n",
      "replies:3: found \"a\", expected a name for the rule, used once" },
    { "", "[nobody]\n", "replies:1: found \"nobody\", expected the name of a provider" },
    { "", "[*\n", "replies:1: found \"[*\", expected \"]\" at the end of the line" },
    { "", "[*]\na content \"Spam\"\n",
      "replies:2: found \"Spam\", expected words of 2 to 80 bytes in lower case" },
    { "", "[*]\na content \"sp*am\"\n",
      "replies:2: found \"sp*am\", expected words of 2 to 80 bytes in lower case" },
    { "", "[*]\na content \"spam|\"\n",
      "replies:2: found \"\", expected words of 2 to 80 bytes in lower case" },
    { "", "[*]\na content \"spam\n",
      "replies:2: found \"\"spam\", expected a quote at the end of the words" },
    { "", "[*]\na content code=250\n",
      "replies:2: found \"250\", expected a code such as 550 or 4xx" },
    { "", "[*]\na content ^us\n", "replies:2: found \"us\", expected words behind \"^\" or \"&\"" },
    { "", "[*]\na content &code=550\n",
      "replies:2: found \"code=550\", expected words behind \"^\" or \"&\"" },
    { "", "[*]\na content code=3xx\n",
      "replies:2: found \"3xx\", expected a code such as 550 or 4xx" },
    { "", "[*]\na content status=5.7\n",
      "replies:2: found \"5.7\", expected an enhanced code such as 5.7.1, x.7.* or "
      "5.7.606-649" },
    { "", "[*]\na content status=5.7.9-1\n",
      "replies:2: found \"5.7.9-1\", expected an enhanced code such as 5.7.1, x.7.* or "
      "5.7.606-649" },
    { "", "[*]\na content at=noon\n",
      "replies:2: found \"noon\", expected greeting, ehlo, tls, auth, mail, rcpt, data or "
      "final" },
    { "", "[*]\na content colour\n",
      "replies:2: found \"colour\", expected a condition: code= status= at= us ip network "
      "mail list names= @words \"words\"" },
    { "", "[*]\na content @spam\nwords spam \"ham\"\n",
      "replies:2: found \"@spam\", expected a name given to words above" },
    { "", "words\n", "replies:1: found \"\", expected a name for the words" },
    { "", "words \"spam\" \"ham\"\n", "replies:1: found \"spam\", expected a name for the words" },
    { "", "words spam ham\n", "replies:1: found \"ham\", expected words in one pair of quotes" },
    { "", "words spam \"ham\" \"eggs\"\n",
      "replies:1: found \"ham\", expected words in one pair of quotes" },
    { "", "words spam \"ham\n",
      "replies:1: found \"\"ham\", expected a quote at the end of the words" },
    { "", "list mac x.example\n", "replies:1: found \"mac\", expected \"ip\" or \"domain\"" },
    { "a a.example\na b.example\n", "",
      "providers:2: found \"a\", expected a provider that is not there yet" },
    { "a a.example\nb a.example\n", "",
      "providers:2: found \"a.example\", expected a suffix that is not there yet" },
    { "a A.example\n", "",
      "providers:1: found \"A.example\", expected the end of a host name, in lower case" },
};

static void bad_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_rows / sizeof bad_rows[0]; i++) {
        struct reply_rules *rules = NULL;
        struct err err;
        assert_int_equal(reply_rules_read(slice_of(bad_rows[i].providers),
                                          slice_of(bad_rows[i].rules), &rules, &err),
                         RC_PARSE);
        assert_string_equal(err.text, bad_rows[i].error);
        assert_null(rules);
    }
}

static const struct {
    const char *mx, *status, *text, *rule;
    uint16_t code;
} asked_rows[] = {
    { "mx.acme.example", NULL, "Hello", "acme.any", 550 },
    { "mx.other.example", NULL, "hello", "no-rule", 550 },
    { "mx.other.example", NULL, "ACME says hello", "acme.any", 550 },
    { "mx.acme.example", NULL, "othello", "no-rule", 550 },
    { "", NULL, "x 203.0.113.42", "r.us", 550 },
    { "", NULL, "at bl.example", "r.list", 550 },
    { "", NULL, "at bl.example, but", "no-rule", 550 },
    { "", "5.7.11", "x", "r.range", 550 },
    { "", "4.9.1", "x", "r.range", 450 },
    { "", "5.7.13", "x", "no-rule", 550 },
    { "", NULL, "5.7.12 x", "r.range", 550 },
    { "", NULL, "4.7.12 x", "no-rule", 550 },
    { "", NULL, "x", "r.codes", 451 },
    { "", NULL, "x", "no-refusal", 399 },
    { "", NULL, "all right", "r.good", 550 },
    { "", NULL, "c'est bien", "r.good", 550 },
    { "", NULL, "fine, bad", "no-rule", 550 },
    { "", NULL, "so so", "r.not-good", 550 },
    { "", NULL, "so so, fine, bad", "no-rule", 550 },
    /* Words in URLs, mail addresses and advice are not what is said; names of lists are. */
    { "", NULL, "see http://example.net/fine and www.example.net/fine", "no-rule", 550 },
    { "", NULL, "(http://example.net/x)fine", "r.good", 550 },
    { "", NULL, "<fine@example.net>: x", "no-rule", 550 },
    { "", NULL, "<u@example.net>:fine", "r.good", 550 },
    { "", NULL, "fine-host.example.net", "r.good", 550 },
    { "", NULL, "http://bl.example/?fine", "r.list", 550 },
    { "", NULL, "Please contact the fine people", "no-rule", 550 },
    { "", NULL, "Please contact us. Fine", "r.good", 550 },
    { "", NULL, "Please contact us because fine", "r.good", 550 },
    { "", NULL, "Please contact us but fine", "r.good", 550 },
    { "", NULL, "Please contact us; fine", "r.good", 550 },
    { "", NULL, "x. If all is fine, write", "no-rule", 550 },
    /* '&': all in one clause, and none of what is negated in that one; '^': in the first. */
    { "", NULL, "the host is shut", "r.same", 550 },
    { "", NULL, "see this, the host is shut", "r.same", 550 },
    { "", NULL, "the host, it is shut", "no-rule", 550 },
    { "", NULL, "the host but it is shut", "no-rule", 550 },
    { "", NULL, "the host is shut by a user", "no-rule", 550 },
    { "", NULL, "the host is shut, a user", "r.same", 550 },
    { "", NULL, "x. If the host is shut", "no-rule", 550 },
    { "", NULL, "a, b, c, d, e, f, g, h, the host is shut", "r.same", 550 },
    { "", NULL, "opens; x", "r.first", 550 },
    { "", NULL, "x; opens", "no-rule", 550 },
    /* What only the code tells comes last, behind an address beside the text. */
    { "", NULL, "nothing known", "r.code", 553 },
    { "", NULL, "all right", "r.good", 553 },
    { "", NULL, "nothing known [203.0.113.42]", "r.us", 553 },
    /* Words are found across the names between them; a mail address is a fact. */
    { "", NULL, "all 203.0.113.9 right", "r.good", 550 },
    { "", NULL, "all [203.0.113.9] right", "r.good", 550 },
    { "", NULL, "all mail.example.net right", "r.good", 550 },
    { "", NULL, "all <u@example.net> right", "r.good", 550 },
    { "", NULL, "all of it right", "no-rule", 550 },
    { "", NULL, "written u@example.net", "r.mail", 550 },
    { "", NULL, "written mail.example.net", "no-rule", 550 },
    { "", NULL,
      "\xc5\xa0PATN\xc3\x81 \xc4\x8c"
      "EST",
      "r.letters", 550 }, /* Czech capitals */
};

static void conditions(void **state)
{
    (void)state;
    static const char providers[] = "acme acme.example \"acme says\"\n";
    static const char text[] = "list ip bl.example\n"
                               "words good \"fine|all right\"\n"
                               "words good \"bien\"\n"
                               "[acme]\n"
                               "acme.any auth \"hello\"\n"
                               "[*]\n"
                               "r.same tls &\"host\" &\"shut\" !&\"user\"\n"
                               "r.first tls ^\"opens\"\n"
                               "r.us temp us\n"
                               "r.list content list=ip !\"but\" scope=network\n"
                               "r.range tls status=5.7.10-12,x.9.*\n"
                               "r.good content @good !\"bad\"\n"
                               "r.not-good mailbox !@good \"so so\"\n"
                               "r.mail domain-blocked mail \"written\"\n"
                               "r.letters temp \"\xc5\xa1patn\xc3\xa1 \xc4\x8d*\"\n"
                               "[otherwise]\n"
                               "r.code auth code=553\n"
                               "[*]\n"
                               "r.codes greylist code=451,55x \n";
    struct addr us = address("203.0.113.42");
    struct reply_rules *rules = NULL;
    struct err err;
    assert_int_equal(reply_rules_read(slice_of(providers), slice_of(text), &rules, &err), RC_PARSE);
    struct slice good = { text, sizeof text - 7 }; /* without ",55x \n" */
    assert_int_equal(reply_rules_read(slice_of(providers), good, &rules, &err), RC_OK);
    for (size_t i = 0; i < sizeof asked_rows / sizeof asked_rows[0]; i++) {
        struct reply_judgement j;
        struct reply_facts f = { .mx = slice_of(asked_rows[i].mx),
                                 .source = &us,
                                 .code = asked_rows[i].code,
                                 .text = slice_of(asked_rows[i].text) };
        if (asked_rows[i].status)
            assert_true(enhanced_parse(slice_of(asked_rows[i].status), &f.status, NULL));
        reply_classify(rules, &f, &j);
        assert_string_equal(j.rule, asked_rows[i].rule);
        if (strcmp(j.rule, "r.list") == 0)
            assert_int_equal(j.scope, REPLY_SCOPE_NETWORK);
    }
    reply_rules_free(&rules);
}

/* ---- the operator's word ---- */

static void the_operator_comes_first(void **state)
{
    (void)state;
    static const char yaml[] =
        "replies:\n"
        "  - { when: { mx: \"*.qq.com\", text: \"*frequency limited*\" }, class: temp }\n"
        "  - { when: { recipient_domain: vip.example, not: { text: \"*spam*\" } }, class: none }\n"
        "  - { when: { site: slow.example, text: [\"*busy*\", \"*later*\"] }, class: greylist }\n";
    struct policies *p = fixture_good(BASE "policies: policies.yaml\n", yaml);
    struct slice qq = SLICE_LIT("mx3.qq.com");
    struct facts f = { .mx = &qq, .mx_count = 1, .text = SLICE_LIT("ip frequency limited.") };
    f.known = FACT_BIT(WHEN_MX) | FACT_BIT(WHEN_TEXT);
    struct reply_choice c = policies_reply(p, &f);
    assert_string_equal(c.rule, "replies[0]");
    assert_int_equal(c.class, REPLY_TEMP);

    struct reply_facts facts = { .code = 550, .text = f.text };
    struct reply_judgement j = { .class = REPLY_IP_THROTTLED, .names_us = true };
    reply_overrule(&j, &facts, c.class, c.rule);
    assert_int_equal(j.class, REPLY_TEMP);
    assert_int_equal(j.scope, REPLY_SCOPE_RECEIVER);
    assert_string_equal(j.rule, "replies[0]");
    assert_true(j.ends_by_itself && j.names_us);

    f.text = SLICE_LIT("no spam");
    assert_null(policies_reply(p, &f).rule);
    facts_set_recipient(&f, SLICE_LIT("boss@vip.example"));
    assert_null(policies_reply(p, &f).rule);
    f.text = SLICE_LIT("nobody there");
    assert_string_equal(policies_reply(p, &f).rule, "replies[1]");
    f = (struct facts){ .site = SLICE_LIT("slow.example"), .text = SLICE_LIT("come back later") };
    f.known = FACT_BIT(WHEN_SITE) | FACT_BIT(WHEN_TEXT);
    assert_int_equal(policies_reply(p, &f).class, REPLY_GREYLIST);
    policies_unref(&p);
}

static void costs(void **state)
{
    (void)state;
    for (unsigned c = 0; c < REPLY_CLASSES; c++)
        assert_int_equal(reply_points((enum reply_class)c), c == REPLY_IP_BLOCKED     ? 30
                                                            : c == REPLY_IP_THROTTLED ? 8
                                                                                      : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_of_hosts),
        cmocka_unit_test(the_normal_text),
        cmocka_unit_test(long_replies),
        cmocka_unit_test(bad_rules),
        cmocka_unit_test(conditions),
        cmocka_unit_test(the_operator_comes_first),
        cmocka_unit_test(costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
