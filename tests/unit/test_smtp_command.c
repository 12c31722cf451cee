/*
 * tests/unit/test_smtp_command — from bytes to a checked command, and the replies that refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/command.h"
#include "gateway/smtp/limits.h"
#include "gateway/smtp/line.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

enum { ALL = 0xffff };

/* Splits `in`, arriving in pieces, and writes down what came: lines, and P or L for errors. */
static void split(struct slice in, size_t piece, size_t max, struct buf *out)
{
    struct line_reader reader = { false };
    size_t have = 0, taken = 0;
    while (have < in.n) {
        have = in.n - have < piece ? in.n : have + piece;
        for (;;) {
            struct slice line;
            size_t used;
            enum rc rc =
                line_next(&reader, (struct slice){ in.p + taken, have - taken }, max, &line, &used);
            taken += used;
            if (rc == RC_AGAIN)
                break;
            buf_puts(out, rc == RC_OK ? "[" : rc == RC_PARSE ? "P" : "L");
            buf_put_slice(out, line);
            buf_puts(out, rc == RC_OK ? "]" : "");
        }
    }
}

static void lines(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out;
    } rows[] = {
        { SLICE_INIT("NOOP\r\nQUIT\r\n"), "[NOOP][QUIT]" },
        { SLICE_INIT("\r\n"), "[]" },
        { SLICE_INIT("NOOP\nQUIT\r\n"), "P[QUIT]" },
        { SLICE_INIT("NO\rOP\r\nQUIT\r\n"), "P[QUIT]" },
        { SLICE_INIT("NOOP\r\r\nQUIT\r\n"), "P[QUIT]" },
        { SLICE_INIT("NO\0OP\r\nQUIT\r\n"), "P[QUIT]" },
        { SLICE_INIT("\nQUIT\r\n"), "P[QUIT]" },
        { SLICE_INIT("12345678\r\nQUIT\r\n"), "[12345678][QUIT]" },
        { SLICE_INIT("123456789\r\nQUIT\r\n"), "L[QUIT]" },
        { SLICE_INIT("1234567890\r\nQUIT\r\n"), "L[QUIT]" },
        { SLICE_INIT("12345678901234567890\nQUIT\r\nX\nNOOP\r\n"), "L[QUIT]P[NOOP]" },
        { SLICE_INIT("NOOP\r\nunfinished"), "[NOOP]L" },
        { SLICE_INIT("NOOP\r\nunfin"), "[NOOP]" },
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece <= rows[i].in.n; piece++) {
            buf_clear(&out);
            split(rows[i].in, piece, 10, &out);
            if (!slice_eq_str(buf_slice(&out), rows[i].out))
                fail_msg("row %zu piece %zu: %.*s", i, piece, SLICE_FMT(buf_slice(&out)));
        }
    }
    buf_free(&out);
}

static void verbs(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum smtp_verb verb;
        const char *args;
    } rows[] = {
        { "EHLO x", VERB_EHLO, "x" },
        { "helo\ty ", VERB_HELO, "y" },
        { "MAIL FROM:<a@b> SIZE=1", VERB_MAIL, "FROM:<a@b> SIZE=1" },
        { "rCpT TO:<a@b>", VERB_RCPT, "TO:<a@b>" },
        { "DATA", VERB_DATA, "" },
        { "DATA ", VERB_DATA, "" },
        { "BDAT 1 LAST", VERB_BDAT, "1 LAST" },
        { "RSET", VERB_RSET, "" },
        { "NOOP anything at all", VERB_NOOP, "anything at all" },
        { "QUIT", VERB_QUIT, "" },
        { "STARTTLS", VERB_STARTTLS, "" },
        { "AUTH PLAIN x", VERB_AUTH, "PLAIN x" },
        { "VRFY u", VERB_VRFY, "u" },
        { "EXPN l", VERB_EXPN, "l" },
        { "HELP", VERB_HELP, "" },
        { "", VERB_UNKNOWN, "" },
        { " NOOP", VERB_UNKNOWN, "NOOP" },
        { "DATAX", VERB_UNKNOWN, "" },
        { "GET / HTTP/1.1", VERB_UNKNOWN, "/ HTTP/1.1" },
        { "XCLIENT A=b", VERB_UNKNOWN, "A=b" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct command c;
        command_parse(slice_of(rows[i].line), &c);
        assert_int_equal(c.verb, rows[i].verb);
        assert_true(slice_eq_str(c.args, rows[i].args));
    }
    const char *reply = NULL;
    struct command lone = { VERB_DATA, SLICE_LIT("") }, more = { VERB_DATA, SLICE_LIT("x") };
    assert_int_equal(command_check_no_args(&lone, &reply), RC_OK);
    assert_int_equal(command_check_no_args(&more, &reply), RC_PARSE);
    assert_true(slice_starts_with(slice_of(reply), "501 5.5.4 "));
}

static void mail_accepted(void **state)
{
    (void)state;
    struct mail_args m;
    const char *reply = NULL;
    assert_int_equal(command_parse_mail(slice_of("FROM:<a@b>"), 0, &m, &reply), RC_OK);
    assert_true(slice_eq_str(m.from.text, "a@b") && !m.size_given && m.body == BODY_7BIT);
    assert_true(!m.smtputf8 && m.ret == DSN_RET_NONE && m.env_id.n == 0 && !m.mt_priority_given);
    assert_int_equal(command_parse_mail(slice_of("from: <>"), 0, &m, &reply), RC_OK);
    assert_true(address_is_null(&m.from));
    static const char full[] =
        "FROM:<\xc3\xbc@b>  size=123 body=8bitmime SMTPUTF8 ret=hdrs ENVID=q+2B "
        "AUTH=<> mt-priority=-7";
    assert_int_equal(command_parse_mail(slice_of(full), ALL, &m, &reply), RC_OK);
    assert_true(m.size_given && m.size == 123 && m.body == BODY_8BITMIME && m.smtputf8);
    assert_true(m.ret == DSN_RET_HDRS && slice_eq_str(m.env_id, "q+2B") && m.auth_given);
    assert_true(m.mt_priority_given && m.mt_priority == -7 && slice_eq_str(m.auth, "<>"));
    assert_int_equal(command_parse_mail(slice_of("FROM:<> BODY=BINARYMIME RET=FULL MT-PRIORITY=9"),
                                        ALL, &m, &reply),
                     RC_OK);
    assert_true(m.body == BODY_BINARYMIME && m.ret == DSN_RET_FULL && m.mt_priority == 9);
    assert_true(m.by_mode == BY_NONE && !m.hold_for_s && !m.hold_until_ms);
}

static void times_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        uint8_t mode;
        bool trace;
        int32_t by_s;
        uint32_t for_s;
        int64_t until_ms;
    } rows[] = {
        { "FROM:<a@b> BY=120;R", BY_RETURN, false, 120, 0, 0 },
        { "FROM:<a@b> by=+999999999;rt", BY_RETURN, true, 999999999, 0, 0 },
        { "FROM:<a@b> BY=-999999999;N", BY_NOTIFY, false, -999999999, 0, 0 },
        { "FROM:<a@b> BY=0;NT", BY_NOTIFY, true, 0, 0, 0 },
        { "FROM:<a@b> HOLDFOR=999999999", BY_NONE, false, 0, 999999999, 0 },
        { "FROM:<a@b> HOLDUNTIL=2026-11-29T01:02:03Z BY=9;R", BY_RETURN, false, 9, 0,
          1795914123000 },
        { "FROM:<a@b> holduntil=2026-11-29t03:02:03.25+02:00", BY_NONE, false, 0, 0,
          1795914123250 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct mail_args m;
        const char *reply = NULL;
        if (command_parse_mail(slice_of(rows[i].args), ALL, &m, &reply) != RC_OK)
            fail_msg("%s: %s", rows[i].args, reply);
        assert_int_equal(m.by_mode, rows[i].mode);
        assert_int_equal(m.by_trace, rows[i].trace);
        assert_int_equal(m.by_s, rows[i].by_s);
        assert_int_equal(m.hold_for_s, rows[i].for_s);
        assert_int_equal(m.hold_until_ms, rows[i].until_ms);
    }
}

#define X100                                                                                       \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" \
    "xxxxxxxx"

static void check_refused(const char *args, unsigned offered, const char *wanted)
{
    struct mail_args m;
    const char *reply = NULL;
    enum rc rc = command_parse_mail(slice_of(args), offered, &m, &reply);
    if (rc == RC_OK || !slice_starts_with(slice_of(reply), wanted))
        fail_msg("%s: %s", args, reply ? reply : "accepted");
}

static void mail_refused(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        unsigned offered;
        const char *reply; /* its start */
    } rows[] = {
        { "", ALL, "501 5.5.4 Syntax" },
        { "<a@b>", ALL, "501 5.5.4 Syntax" },
        { "TO:<a@b>", ALL, "501 5.5.4 Syntax" },
        { "FROM:", ALL, "501 5.1.7 " },
        { "FROM:a@b", ALL, "501 5.1.7 " },
        { "FROM:<a b@c>", ALL, "501 5.1.7 " },
        { "FROM:<postmaster>", ALL, "501 5.1.7 " },
        { "FROM:<" X100 "@b>", ALL, "501 5.1.7 Sender address too long" },
        { "FROM:<a@b>SIZE=1", ALL, "501 5.5.4 " },
        { "FROM:<a@b> SIZE=1 SIZE=1", ALL, "501 5.5.4 Parameter given twice" },
        { "FROM:<a@b> SIZE", ALL, "501 5.5.4 " },
        { "FROM:<a@b> SIZE=", ALL, "501 5.5.4 " },
        { "FROM:<a@b> SIZE=-1", ALL, "501 5.5.4 " },
        { "FROM:<a@b> SIZE=99999999999999999999999", ALL, "501 5.5.4 " },
        { "FROM:<a@b> SIZE=1", 0, "555 5.5.4 " },
        { "FROM:<a@b> BODY=9BIT", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BODY=BINARYMIME", EXT_8BITMIME, "501 5.5.4 " },
        { "FROM:<a@b> BODY=8BITMIME", 0, "555 5.5.4 " },
        { "FROM:<a@b> SMTPUTF8=1", ALL, "501 5.5.4 " },
        { "FROM:<a@b> RET=ALL", ALL, "501 5.5.4 " },
        { "FROM:<a@b> ENVID=", ALL, "501 5.5.4 " },
        { "FROM:<a@b> ENVID=a+", ALL, "501 5.5.4 " },
        { "FROM:<a@b> ENVID=x" X100, ALL, "501 5.5.4 " },
        { "FROM:<a@b> MT-PRIORITY=10", ALL, "501 5.5.4 " },
        { "FROM:<a@b> MT-PRIORITY=-0", ALL, "501 5.5.4 " },
        { "FROM:<a@b> MT-PRIORITY=+1", ALL, "501 5.5.4 " },
        { "FROM:<a@b> MT-PRIORITY=", ALL, "501 5.5.4 " },
        { "FROM:<a@b> FOO=BAR", ALL, "555 5.5.4 " },
        { "FROM:<a@b> =x", ALL, "555 5.5.4 " },
        { "FROM:<a@b> NOTIFY=NEVER", ALL, "555 5.5.4 " },
        { "FROM:<\xc3\xbc@b>", ALL, "553 5.6.7 " },
        { "FROM:<a@\xc3\xbc>", ALL, "553 5.6.7 " },
        { "FROM:<\xc3\xbc@b> SMTPUTF8", 0, "555 5.5.4 " },
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        check_refused(rows[i].args, rows[i].offered, rows[i].reply);
}

static void times_refused(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        unsigned offered;
        const char *reply;
    } rows[] = {
        { "FROM:<a@b> BY=0;R", ALL, "501 5.5.4 Bad BY" }, /* RFC 2852 section 4 */
        { "FROM:<a@b> BY=-1;R", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=;R", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1;", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1;T", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1;RX", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1;RTT", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=+-1;N", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1000000000;N", ALL, "501 5.5.4 " },
        { "FROM:<a@b> BY=1;R", ALL & ~(unsigned)EXT_DELIVERBY, "555 5.5.4 " },
        { "FROM:<a@b> HOLDFOR=0", ALL, "501 5.5.4 Bad HOLDFOR" },
        { "FROM:<a@b> HOLDFOR=01", ALL, "501 5.5.4 " },
        { "FROM:<a@b> HOLDFOR=1000000000", ALL, "501 5.5.4 " },
        { "FROM:<a@b> HOLDFOR=1 HOLDFOR=1", ALL, "501 5.5.4 Parameter given twice" },
        { "FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2027-01-01T00:00:00Z", ALL, "501 5.5.4 Bad HOLDUNTIL" },
        { "FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00Z HOLDFOR=1", ALL, "501 5.5.4 Bad HOLDFOR" },
        { "FROM:<a@b> HOLDUNTIL=2027-02-29T00:00:00Z", ALL, "501 5.5.4 Bad HOLDUNTIL" },
        { "FROM:<a@b> HOLDUNTIL=tomorrow", ALL, "501 5.5.4 " },
        { "FROM:<a@b> HOLDFOR=1", ALL & ~(unsigned)EXT_FUTURERELEASE, "555 5.5.4 " },
    };
    for (size_t i = 0; i < ROWS(rows); i++)
        check_refused(rows[i].args, rows[i].offered, rows[i].reply);
}

static void recipients(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        unsigned offered;
        bool utf8;
        const char *reply; /* NULL: accepted */
        unsigned notify;
    } rows[] = {
        { "TO:<a@b>", 0, false, NULL, 0 },
        { "TO:<Postmaster>", 0, false, NULL, 0 },
        { "to: <a@b>", 0, false, NULL, 0 },
        { "TO:<a@b> NOTIFY=NEVER", ALL, false, NULL, NOTIFY_NEVER },
        { "TO:<a@b> NOTIFY=success,Delay", ALL, false, NULL, NOTIFY_SUCCESS | NOTIFY_DELAY },
        { "TO:<a@b> NOTIFY=FAILURE ORCPT=rfc822;x+2By@b", ALL, false, NULL, NOTIFY_FAILURE },
        { "TO:<\xc3\xbc@b> ORCPT=utf-8;\xc3\xbc@b", ALL, true, NULL, 0 },
        { "TO:<>", ALL, false, "501 5.1.3 ", 0 },
        { "TO:<user>", ALL, false, "501 5.1.3 ", 0 },
        { "FROM:<a@b>", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<" X100 "@b>", ALL, false, "501 5.1.3 Recipient address too long", 0 },
        { "TO:<\xc3\xbc@b>", ALL, false, "553 5.6.7 ", 0 },
        { "TO:<a@b> NOTIFY=NEVER", 0, false, "555 5.5.4 ", 0 },
        { "TO:<a@b> NOTIFY=NEVER,FAILURE", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> NOTIFY=", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> NOTIFY=DELAY,", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> ORCPT=a@b", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> ORCPT=utf-8;\xc3\xbc@b", ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> ORCPT=rfc822;" X100 X100 X100 X100 X100, ALL, false, "501 5.5.4 ", 0 },
        { "TO:<a@b> SIZE=1", ALL, false, "555 5.5.4 ", 0 },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct rcpt_args r;
        const char *reply = NULL;
        enum rc rc =
            command_parse_rcpt(slice_of(rows[i].args), rows[i].offered, rows[i].utf8, &r, &reply);
        if ((rc == RC_OK) != (rows[i].reply == NULL) ||
            (reply && !slice_starts_with(slice_of(reply), rows[i].reply)))
            fail_msg("%s: %s", rows[i].args, reply ? reply : "accepted");
        if (rc == RC_OK)
            assert_int_equal(r.notify, rows[i].notify);
    }
}

static void other_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        bool ok, last;
        uint64_t size;
    } bdat[] = {
        { "0", true, false, 0 },
        { "0 LAST", true, true, 0 },
        { "86 last", true, true, 86 },
        { "18446744073709551615", true, false, UINT64_MAX },
        { "", false, false, 0 },
        { "x", false, false, 0 },
        { "-1", false, false, 0 },
        { "1 LASTX", false, false, 0 },
        { "1 LAST X", false, false, 0 },
        { "LAST", false, false, 0 },
        { "18446744073709551616", false, false, 0 },
    };
    for (size_t i = 0; i < ROWS(bdat); i++) {
        struct bdat_args b;
        const char *reply = NULL;
        enum rc rc = command_parse_bdat(slice_of(bdat[i].args), &b, &reply);
        assert_int_equal(rc == RC_OK, bdat[i].ok);
        if (bdat[i].ok)
            assert_true(b.size == bdat[i].size && b.last == bdat[i].last);
    }
    struct auth_args a;
    const char *reply = NULL;
    assert_int_equal(command_parse_auth(slice_of("PLAIN"), &a, &reply), RC_OK);
    assert_true(!a.initial_given && slice_eq_str(a.mechanism, "PLAIN"));
    assert_int_equal(command_parse_auth(slice_of("PLAIN ="), &a, &reply), RC_OK);
    assert_true(a.initial_given && a.initial.n == 0);
    assert_int_equal(command_parse_auth(slice_of("PLAIN  AGEAYg=="), &a, &reply), RC_OK);
    assert_true(slice_eq_str(a.initial, "AGEAYg=="));
    assert_int_equal(command_parse_auth(slice_of("PLAIN a b"), &a, &reply), RC_PARSE);
    assert_int_equal(command_parse_auth(slice_of(""), &a, &reply), RC_PARSE);
    struct slice name;
    assert_int_equal(command_parse_helo(slice_of("[192.0.2.1]"), &name, &reply), RC_OK);
    assert_int_equal(command_parse_helo(slice_of("my_pc"), &name, &reply), RC_OK);
    assert_int_equal(command_parse_helo(slice_of(""), &name, &reply), RC_PARSE);
    assert_int_equal(command_parse_helo(slice_of("a b"), &name, &reply), RC_PARSE);
    assert_int_equal(command_parse_helo(slice_of("a\x07"), &name, &reply), RC_PARSE);
    assert_int_equal(command_parse_helo(slice_of("\xff"), &name, &reply), RC_PARSE);
    assert_int_equal(command_parse_helo(slice_of(X100 X100 X100), &name, &reply), RC_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),          cmocka_unit_test(verbs),
        cmocka_unit_test(mail_accepted),  cmocka_unit_test(mail_refused),
        cmocka_unit_test(times_accepted), cmocka_unit_test(times_refused),
        cmocka_unit_test(recipients),     cmocka_unit_test(other_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
