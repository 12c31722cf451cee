/*
 * tests/unit/test_mail_address — what is a mailbox, and its forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/mail/address.h"
#include "gateway/mail/xtext.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])
#define A16 "aaaaaaaaaaaaaaaa"
#define A63 A16 A16 A16 "aaaaaaaaaaaaaaa"
#define D248 A63 "." A63 "." A63 "." A16 A16 A16 "aaaaaaaa"

static void domains(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rc rc;
        const char *ascii;
    } rows[] = {
        { "Example.COM", RC_OK, "example.com" },
        { "a", RC_OK, "a" },
        { "_dmarc.x_y.example", RC_OK, "_dmarc.x_y.example" },
        { "xn--fsq.example", RC_OK, "xn--fsq.example" },
        { "\xe4\xbe\x8b\xe5\xad\x90.\xe6\xb5\x8b\xe8\xaf\x95", RC_OK, "xn--fsqu00a.xn--0zwm56d" },
        { "B\xc3\x9c"
          "CHER.example",
          RC_OK, "xn--bcher-kva.example" },
        { "[192.0.2.1]", RC_OK, "[192.0.2.1]" },
        { "[IPv6:2001:DB8::1]", RC_OK, "[ipv6:2001:db8::1]" },
        { A63 ".example", RC_OK, A63 ".example" },
        { A63 "a.example", RC_LIMIT, "" },
        { D248 ".aaaaaaa.bb", RC_LIMIT, "" },
        { "", RC_PARSE, "" },
        { ".", RC_PARSE, "" },
        { "example.com.", RC_PARSE, "" },
        { ".example", RC_PARSE, "" },
        { "a..b", RC_PARSE, "" },
        { "-a.example", RC_PARSE, "" },
        { "a-.example", RC_PARSE, "" },
        { "a b.example", RC_PARSE, "" },
        { "a\x01.example", RC_PARSE, "" },
        { "a/b.example", RC_PARSE, "" },
        { "\xd6\xd0\xce\xc4.example", RC_PARSE, "" },
        { "a\xe2\x80\x8b"
          "b.example",
          RC_OK, "ab.example" }, /* zero width space is mapped away */
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct domain d;
        enum rc rc = domain_to_ascii(slice_of(rows[i].text), &d);
        if (rc != rows[i].rc || !slice_eq_str(domain_slice(&d), rows[i].ascii))
            fail_msg("%s: %s %s", rows[i].text, rc_name(rc), d.text);
    }
    assert_int_equal(domain_check(slice_of("b\xc3\xbc.example"), false), RC_PARSE);
    assert_int_equal(domain_check(slice_of("b\xc3\xbc.example"), true), RC_OK);
}

static const struct {
    const char *text;
    enum rc rc;
    const char *key;
} mailboxes[] = {
    { "user@example.com", RC_OK, "user@example.com" },
    { "User+tag@Example.COM", RC_OK, "User+tag@example.com" },
    { "a.b.c@x", RC_OK, "a.b.c@x" },
    { "!#$%&'*+-/=?^_`{|}~@x", RC_OK, "!#$%&'*+-/=?^_`{|}~@x" },
    { "\"plain\"@x", RC_OK, "plain@x" },
    { "\"a\\b\"@x", RC_OK, "ab@x" },
    { "\"a b\"@x", RC_OK, "\"a b\"@x" },
    { "\"a@b\"@x", RC_OK, "\"a@b\"@x" },
    { "\"a\\\"b\\\\\"@x", RC_OK, "\"a\\\"b\\\\\"@x" },
    { "\"\"@x", RC_OK, "\"\"@x" },
    { "\"\\\\\xc3\xa9\"@x", RC_OK, "\"\\\\\xc3\xa9\"@x" },
    { "u@[192.0.2.1]", RC_OK, "u@[192.0.2.1]" },
    { "u@[IPv6:2001:db8::1]", RC_OK, "u@[ipv6:2001:db8::1]" },
    { "Postmaster", RC_OK, "Postmaster" },
    { "\xc3\xa9t\xc3\xa9@x", RC_OK, "\xc3\xa9t\xc3\xa9@x" },
    { "u@b\xc3\xbc"
      "cher.example",
      RC_OK, "u@xn--bcher-kva.example" },
    { "", RC_PARSE, NULL },
    { "user", RC_PARSE, NULL },
    { "user@", RC_PARSE, NULL },
    { "@example.com", RC_PARSE, NULL },
    { "a..b@x", RC_PARSE, NULL },
    { ".a@x", RC_PARSE, NULL },
    { "a.@x", RC_PARSE, NULL },
    { "a b@x", RC_PARSE, NULL },
    { "a@x y", RC_PARSE, NULL },
    { "a@b@c", RC_PARSE, NULL },
    { "\"a@x", RC_PARSE, NULL },
    { "\"a\"b@x", RC_PARSE, NULL },
    { "\"a\nb\"@x", RC_PARSE, NULL },
    { "\"\\\xc3\xa9\"@x", RC_PARSE, NULL },
    { "a\x7f@x", RC_PARSE, NULL },
    { "a\xff@x", RC_PARSE, NULL },
    { "a@\xc2\xbc_", RC_PARSE, NULL }, /* no A-label, found by the fuzzer */
    { "u@[192.0.2]", RC_PARSE, NULL },
    { "u@[192.0.2.1:25]", RC_PARSE, NULL },
    { "u@[2001:db8::1]", RC_PARSE, NULL },
    { "u@[IPv6:192.0.2.1]", RC_PARSE, NULL },
    { "u@[IPv6:[::1]]", RC_PARSE, NULL },
    { "u@[x25:1234]", RC_PARSE, NULL },
    { "u@[192.0.2.1", RC_PARSE, NULL },
    { A16 A16 A16 A16 "@x", RC_OK, A16 A16 A16 A16 "@x" },
    { A16 A16 A16 A16 "a@x", RC_LIMIT, NULL },
    { "aaaaa@" D248, RC_OK, "aaaaa@" D248 },
    { "aaaaaa@" D248, RC_LIMIT, NULL },
};

static void addresses(void **state)
{
    (void)state;
    struct buf key;
    buf_init(&key, 1000);
    for (size_t i = 0; i < ROWS(mailboxes); i++) {
        struct address a;
        enum rc rc = address_parse(slice_of(mailboxes[i].text), &a);
        if (rc != mailboxes[i].rc)
            fail_msg("%s: %s", mailboxes[i].text, rc_name(rc));
        if (rc)
            continue;
        assert_true(slice_eq_str(a.text, mailboxes[i].text));
        buf_clear(&key);
        address_put_key(&key, &a);
        if (!slice_eq_str(buf_slice(&key), mailboxes[i].key))
            fail_msg("%s: key %.*s", mailboxes[i].text, SLICE_FMT(buf_slice(&key)));
    }
    buf_free(&key);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rc rc;
        const char *mailbox, *rest;
    } rows[] = {
        { "<>", RC_OK, "", "" },
        { "<> SIZE=1", RC_OK, "", " SIZE=1" },
        { "<a@b>", RC_OK, "a@b", "" },
        { "<a@b>x", RC_OK, "a@b", "x" },
        { "<@r1.example:a@b>", RC_OK, "a@b", "" },
        { "<@r1.example,@[192.0.2.1],@r2:a@b> X", RC_OK, "a@b", " X" },
        { "<PostMaster>", RC_OK, "PostMaster", "" },
        { "<\"x>y\"@b>", RC_OK, "\"x>y\"@b", "" },
        { "<a@b", RC_PARSE, NULL, NULL },
        { "a@b>", RC_PARSE, NULL, NULL },
        { "<", RC_PARSE, NULL, NULL },
        { "", RC_PARSE, NULL, NULL },
        { "< a@b>", RC_PARSE, NULL, NULL },
        { "<a@b >", RC_PARSE, NULL, NULL },
        { "<<a@b>>", RC_PARSE, NULL, NULL },
        { "<@r1:>", RC_PARSE, NULL, NULL },
        { "<@r1>", RC_PARSE, NULL, NULL },
        { "<@r1,a@b>", RC_PARSE, NULL, NULL },
        { "<@r1,@:a@b>", RC_PARSE, NULL, NULL },
        { "<@r1:@r2:a@b>", RC_PARSE, NULL, NULL },
        { "<@:a@b>", RC_PARSE, NULL, NULL },
        { "<user>", RC_PARSE, NULL, NULL },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct address a;
        struct slice rest = { NULL, 0 };
        enum rc rc = address_parse_path(slice_of(rows[i].text), &a, &rest);
        if (rc != rows[i].rc)
            fail_msg("%s: %s", rows[i].text, rc_name(rc));
        if (rc)
            continue;
        assert_true(slice_eq_str(a.text, rows[i].mailbox));
        assert_true(slice_eq_str(rest, rows[i].rest));
        assert_int_equal(address_is_null(&a), rows[i].mailbox[0] == '\0');
    }
}

static void ascii_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool needs_utf8;
        const char *ascii;
    } rows[] = {
        { "u@example.com", false, "u@example.com" },
        { "U@B\xc3\xbc"
          "cher.example",
          false, "U@xn--bcher-kva.example" },
        { "\xc3\xbc@example.com", true, NULL },
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct address a;
        buf_clear(&out);
        assert_int_equal(address_parse(slice_of(rows[i].text), &a), RC_OK);
        assert_int_equal(address_needs_utf8(&a), rows[i].needs_utf8);
        enum rc rc = address_put_ascii(&out, &a);
        assert_int_equal(rc, rows[i].ascii ? RC_OK : RC_DENIED);
        assert_true(slice_eq_str(buf_slice(&out), rows[i].ascii ? rows[i].ascii : ""));
    }
    buf_free(&out);
}

static void xtexts(void **state)
{
    (void)state;
    struct buf plain;
    char code[4];
    buf_init(&plain, 10);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(code, sizeof code, "+%02X", i);
        assert_true(xtext_is_valid(slice_of(code)));
        buf_clear(&plain);
        assert_int_equal(xtext_decode(slice_of(code), &plain), RC_OK);
        assert_true(buf_len(&plain) == 1 && (unsigned char)*buf_slice(&plain).p == i);
    }
    buf_free(&plain);
    static const char *const bad[] = { "", "a b", "a+", "a+2", "a+G0", "a=b", "\xc3\xa9", "+" };
    for (size_t i = 0; i < ROWS(bad); i++)
        assert_false(xtext_is_valid(slice_of(bad[i])));
}

static void orcpts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *decoded, *ascii; /* decoded NULL: not valid */
    } rows[] = {
        { "rfc822;u@x", "rfc822;u@x", "rfc822;u@x" },
        { "rfc822;u+2Bt@x", "rfc822;u+t@x", "rfc822;u+2Bt@x" },
        { "rfc822;a+0D+0Ab@x", "rfc822;a??b@x", "rfc822;a+0D+0Ab@x" },
        { "utf-8;\xc3\xbc@x", "utf-8;\xc3\xbc@x", "utf-8;\\x{FC}@x" },
        { "UTF-8;\\x{FC}@x", "UTF-8;\xc3\xbc@x", "UTF-8;\\x{FC}@x" },
        { "utf-8;\\x{1F600}@x", "utf-8;\xf0\x9f\x98\x80@x", "utf-8;\\x{1F600}@x" },
        { "utf-8;\\x{D}\\x{A}@x", "utf-8;??@x", "utf-8;\\x{D}\\x{A}@x" },
        { "utf-8;\\x{D800}@x", "utf-8;\\x{D800}@x", "utf-8;\\x{D800}@x" },
        { "rfc822", NULL, NULL },
        { ";u@x", NULL, NULL },
        { "rfc822;", NULL, NULL },
        { "rf c;u@x", NULL, NULL },
        { "rfc822;\xc3\xbc@x", NULL, NULL },
        { "utf-8;\xff@x", NULL, NULL },
    };
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice text = slice_of(rows[i].text);
        assert_int_equal(orcpt_is_valid(text), rows[i].decoded != NULL);
        if (!rows[i].decoded)
            continue;
        buf_clear(&b);
        orcpt_put_decoded(text, &b);
        assert_true(slice_eq_str(buf_slice(&b), rows[i].decoded));
        buf_clear(&b);
        orcpt_put_ascii(text, &b);
        assert_true(slice_eq_str(buf_slice(&b), rows[i].ascii));
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains),     cmocka_unit_test(addresses), cmocka_unit_test(paths),
        cmocka_unit_test(ascii_forms), cmocka_unit_test(xtexts),    cmocka_unit_test(orcpts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
