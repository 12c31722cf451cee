/*
 * tests/unit/test_mail_dsn — who is told, and a message that other mail systems can read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/mail/dsn.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])
#define U "\xc3\xbc"

static void who_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *sender;
        unsigned notify;
        bool failed, delayed, relayed;
    } rows[] = {
        { "a@b", 0, true, true, false },
        { "a@b", NOTIFY_NEVER, false, false, false },
        { "a@b", NOTIFY_FAILURE, true, false, false },
        { "a@b", NOTIFY_DELAY, false, true, false },
        { "a@b", NOTIFY_SUCCESS, false, false, true },
        { "a@b", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, true, true, true },
        { "", 0, false, false, false },
        { "", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, false, false, false },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct slice sender = slice_of(rows[i].sender);
        assert_int_equal(dsn_wanted(sender, rows[i].notify, DSN_FAILED), rows[i].failed);
        assert_int_equal(dsn_wanted(sender, rows[i].notify, DSN_DELAYED), rows[i].delayed);
        assert_int_equal(dsn_wanted(sender, rows[i].notify, DSN_RELAYED), rows[i].relayed);
        assert_int_equal(dsn_wanted(sender, rows[i].notify, DSN_DELIVERED), rows[i].relayed);
    }
}

static struct dsn usual(const struct dsn_recipient *recipients, size_t n)
{
    return (struct dsn){
        .hostname = SLICE_LIT("gw1.example.net"),
        .id = SLICE_LIT("BOUNCE1"),
        .original_id = SLICE_LIT("ORIG1"),
        .to = SLICE_LIT("sender@corp.example"),
        .env_id = SLICE_LIT("QQ+2B1"),
        .boundary = 0x0123456789abcdef,
        .now_ms = 1795352431123,
        .arrival_ms = 1795348831000,
        .recipients = recipients,
        .recipients_n = n,
        .original = SLICE_LIT("Received: x\r\nSubject: hi\r\n\r\nthe body\r\n"),
        .original_max = 100000,
        .original_facts = { .longest_line = 11 },
    };
}

static const struct dsn_recipient failed = { .address = SLICE_INIT("user@example.com"),
                                             .orcpt = SLICE_INIT("rfc822;user+2Bx@example.com"),
                                             .action = DSN_FAILED,
                                             .code = 550,
                                             .status = { 5, 1, 1 },
                                             .reply = SLICE_INIT(
                                                 "5.1.1 User unknown\nsee \x07our site \xff"),
                                             .remote_mta = SLICE_INIT("mx.example.com"),
                                             .last_attempt_ms = 1795352430000 };

static const char failure_text[] =
    "From: Mail Delivery System <MAILER-DAEMON@gw1.example.net>\r\n"
    "To: <sender@corp.example>\r\n"
    "Subject: Undelivered mail: your message could not be delivered\r\n"
    "Date: Sun, 22 Nov 2026 13:00:31 +0000\r\n"
    "Message-ID: <BOUNCE1@gw1.example.net>\r\n"
    "Auto-Submitted: auto-replied\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
    "\tboundary=\"=_dsn_0123456789abcdef\"\r\n"
    "\r\n--=_dsn_0123456789abcdef\r\n"
    "Content-Type: text/plain; charset=us-ascii\r\n"
    "Content-Description: Notification\r\n"
    "\r\n"
    "This is the mail relay at gw1.example.net.\r\n"
    "\r\n"
    "Your message could not be delivered to the recipients below, and will not be\r\n"
    "tried again. What went wrong is written under each of them.\r\n"
    "\r\n"
    "<user@example.com>\r\n"
    "    mx.example.com said: 550 5.1.1 User unknown see our site ?\r\n"
    "\r\n"
    "Details for your mail administrator and the message, or its header, are\r\n"
    "attached.\r\n"
    "\r\n--=_dsn_0123456789abcdef\r\n"
    "Content-Type: message/delivery-status\r\n"
    "Content-Description: Delivery report\r\n"
    "\r\n"
    "Original-Envelope-Id: QQ+1\r\n"
    "Reporting-MTA: dns; gw1.example.net\r\n"
    "X-Waypost-Id: ORIG1\r\n"
    "Arrival-Date: Sun, 22 Nov 2026 12:00:31 +0000\r\n"
    "\r\n"
    "Original-Recipient: rfc822;user+x@example.com\r\n"
    "Final-Recipient: rfc822; user@example.com\r\n"
    "Action: failed\r\n"
    "Status: 5.1.1\r\n"
    "Remote-MTA: dns; mx.example.com\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1 User unknown see our site ?\r\n"
    "Last-Attempt-Date: Sun, 22 Nov 2026 13:00:30 +0000\r\n"
    "\r\n--=_dsn_0123456789abcdef\r\n"
    "Content-Type: message/rfc822\r\n"
    "Content-Description: Your message\r\n"
    "\r\n"
    "Received: x\r\nSubject: hi\r\n\r\nthe body\r\n"
    "\r\n--=_dsn_0123456789abcdef--\r\n";

static void assert_fields(const struct dsn *d, const char *fields)
{
    struct dsn_needs needs;
    struct buf out, want;
    buf_init(&out, 100000);
    buf_init(&want, 1000);
    dsn_put(&out, d, &needs);
    buf_printf(&want, "Arrival-Date: Sun, 22 Nov 2026 12:00:31 +0000\r\n%s\r\n", fields);
    struct slice all = buf_slice(&out), part = buf_slice(&want);
    assert_non_null(memmem(all.p, all.n, part.p, part.n));
    buf_free(&out);
    buf_free(&want);
}

/* RFC 2852 section 5, RFC 4865 section 5.1.2 */
static void times_that_were_asked_for(void **state)
{
    (void)state;
    struct dsn d = usual(&failed, 1);
    assert_fields(&d, "");
    d.deliver_by_ms = 1795352431123;
    d.hold = (struct mail_hold){ 1795352431123, 3600 };
    assert_fields(&d, "Deliver-By-Date: Sun, 22 Nov 2026 13:00:31 +0000\r\n"
                      "Future-Release-Request: for;3600\r\n");
    d.deliver_by_ms = 0;
    d.hold = (struct mail_hold){ 1795352431123, 0 };
    assert_fields(&d, "Future-Release-Request: until;2026-11-22T13:00:31.123Z\r\n");
}

static void whole_failure(void **state)
{
    (void)state;
    struct dsn d = usual(&failed, 1);
    struct dsn_needs needs;
    struct buf out;
    buf_init(&out, 100000);
    dsn_put(&out, &d, &needs);
    assert_int_equal(buf_len(&out), strlen(failure_text));
    assert_memory_equal(buf_slice(&out).p, failure_text, buf_len(&out));
    assert_true(!needs.smtputf8 && !needs.facts.has_8bit && !needs.facts.has_bare_eol);
    assert_true(!needs.facts.lacks_final_eol && !needs.facts.header_8bit);
    buf_free(&out);
}

static bool contains(const struct buf *b, const char *text)
{
    return memmem(buf_slice(b).p, buf_len(b), text, strlen(text)) != NULL;
}

static void statuses_and_dates(void **state)
{
    (void)state;
    static const struct {
        struct dsn_recipient r;
        const char *want[3];
    } rows[] = {
        { { .action = DSN_FAILED, .code = 554 }, { "Action: failed\r\nStatus: 5.0.0\r\n" } },
        { { .action = DSN_FAILED, .expired = true },
          { "Action: failed\r\nStatus: 4.4.7\r\n", "time for delivering" } },
        { { .action = DSN_FAILED, .reply = SLICE_INIT("No such domain"), .status = { 5, 1, 2 } },
          { "Status: 5.1.2\r\n", "Diagnostic-Code: X-Waypost; No such domain\r\n",
            "\r\n    No such domain\r\n" } },
        { { .action = DSN_DELAYED, .code = 451, .will_retry_until_ms = 1795352431123 },
          { "Action: delayed\r\nStatus: 4.0.0\r\n",
            "Will-Retry-Until: Sun, 22 Nov 2026 13:00:31 +0000\r\n", "Subject: Delayed mail" } },
        { { .action = DSN_RELAYED },
          { "Action: relayed\r\nStatus: 2.0.0\r\n", "Subject: Delivery report" } },
        { { .action = DSN_DELIVERED, .code = 250, .status = { 2, 1, 5 } },
          { "Action: delivered\r\nStatus: 2.1.5\r\n" } },
    };
    struct buf out;
    buf_init(&out, 100000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct dsn_recipient r = rows[i].r;
        r.address = SLICE_LIT("u@x");
        struct dsn d = usual(&r, 1);
        struct dsn_needs needs;
        buf_clear(&out);
        dsn_put(&out, &d, &needs);
        for (size_t k = 0; k < ROWS(rows[i].want) && rows[i].want[k]; k++)
            if (!contains(&out, rows[i].want[k]))
                fail_msg("%s not in\n%.*s", rows[i].want[k], SLICE_FMT(buf_slice(&out)));
        assert_int_equal(contains(&out, "Will-Retry-Until"), r.action == DSN_DELAYED);
    }
    buf_free(&out);
}

static void what_is_returned(void **state)
{
    (void)state;
    static const struct {
        uint8_t ret, action;
        bool cut, bare;
        size_t max;
        bool whole;
    } rows[] = {
        { DSN_RET_NONE, DSN_FAILED, false, false, 1000, true },
        { DSN_RET_FULL, DSN_FAILED, false, false, 1000, true },
        { DSN_RET_HDRS, DSN_FAILED, false, false, 1000, false },
        { DSN_RET_FULL, DSN_FAILED, false, false, 10, false },
        { DSN_RET_FULL, DSN_FAILED, true, false, 1000, false },
        { DSN_RET_FULL, DSN_FAILED, false, true, 1000, false },
        { DSN_RET_FULL, DSN_DELAYED, false, false, 1000, false },
        { DSN_RET_FULL, DSN_RELAYED, false, false, 1000, false },
    };
    struct buf out;
    buf_init(&out, 100000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct dsn_recipient r = { .address = SLICE_LIT("u@x"),
                                   .action = (enum dsn_action)rows[i].action };
        struct dsn d = usual(&r, 1);
        struct dsn_needs needs;
        d.ret = rows[i].ret;
        d.original_cut = rows[i].cut;
        d.original_max = rows[i].max;
        d.original_facts.has_bare_eol = rows[i].bare;
        buf_clear(&out);
        dsn_put(&out, &d, &needs);
        assert_int_equal(contains(&out, "the body"), rows[i].whole);
        assert_int_equal(contains(&out, "text/rfc822-headers"), !rows[i].whole);
        assert_true(contains(&out, "Subject: hi\r\n"));
    }
    buf_free(&out);
}

/* Broken 8-bit headers that nobody declared are returned in quoted-printable: any next hop takes
 * that. */
static void eight_bit_headers_are_encoded(void **state)
{
    (void)state;
    struct dsn d = usual(&failed, 1);
    struct dsn_needs needs;
    struct buf out;
    buf_init(&out, 100000);
    d.ret = DSN_RET_HDRS;
    d.original = SLICE_LIT("Subject: caf\xe9=1 \r\nX: \n\r\n\r\nbody");
    d.original_facts = (struct content_facts){ .has_8bit = true, .header_8bit = true };
    dsn_put(&out, &d, &needs);
    assert_true(contains(&out, "Content-Transfer-Encoding: quoted-printable"));
    assert_true(contains(&out, "Subject: caf=E9=3D1=20\r\nX: =0A\r\n"));
    assert_true(!needs.facts.has_8bit && !needs.facts.has_bare_eol && !needs.smtputf8);
    d.ret = DSN_RET_FULL;
    buf_clear(&out);
    dsn_put(&out, &d, &needs);
    assert_true(contains(&out, "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n"));
    assert_true(needs.facts.has_8bit);
    buf_free(&out);
}

static void internationalized(void **state)
{
    (void)state;
    struct dsn_recipient r = { .address = SLICE_LIT(U "@example.com"),
                               .orcpt = SLICE_LIT("utf-8;\\x{FC}@x"),
                               .action = DSN_FAILED,
                               .code = 550,
                               .reply = SLICE_LIT("nein " U) };
    struct dsn d = usual(&r, 1);
    struct dsn_needs needs;
    struct buf out;
    buf_init(&out, 100000);
    d.to = SLICE_LIT("s" U "@corp.example");
    d.original_smtputf8 = true;
    dsn_put(&out, &d, &needs);
    assert_true(needs.smtputf8 && needs.facts.header_8bit && needs.facts.has_8bit);
    assert_true(contains(&out, "To: <s" U "@corp.example>\r\n"));
    assert_true(contains(&out, "message/global-delivery-status\r\n"));
    assert_true(contains(&out, "Final-Recipient: utf-8; " U "@example.com\r\n"));
    assert_true(contains(&out, "Original-Recipient: utf-8;" U "@x\r\n"));
    assert_true(contains(&out, "Content-Type: message/global\r\n"));
    assert_true(contains(&out, "nein " U));
    r.reply = SLICE_LIT("no \xff");
    buf_clear(&out);
    dsn_put(&out, &d, &needs);
    assert_true(contains(&out, "Diagnostic-Code: smtp; 550 no ?\r\n"));
    /* Only domains are beyond ASCII: the plain form does, with A-labels. */
    r.address = SLICE_LIT("u@b" U "cher.example");
    d.to = SLICE_LIT("s@b" U "cher.example");
    buf_clear(&out);
    dsn_put(&out, &d, &needs);
    assert_true(!needs.smtputf8 && !needs.facts.has_8bit);
    assert_true(contains(&out, "To: <s@xn--bcher-kva.example>\r\n"));
    assert_true(contains(&out, "Final-Recipient: rfc822; u@xn--bcher-kva.example\r\n"));
    assert_true(contains(&out, "Original-Recipient: utf-8;\\x{FC}@x\r\n"));
    buf_free(&out);
}

/* A hostile reply cannot add lines, and no line gets too long. */
static void hostile_texts(void **state)
{
    (void)state;
    static char text[20000];
    memset(text, 'x', sizeof text);
    memcpy(text, "5.0.0 a\r\n\r\n--=_dsn_0123456789abcdef\r\nStatus: 2.0.0\n\n", 50);
    struct dsn_recipient r = { .address = SLICE_LIT("u@x"),
                               .action = DSN_FAILED,
                               .code = 550,
                               .reply = { text, sizeof text },
                               .remote_mta = SLICE_LIT("mx\r\nAction: x"),
                               .orcpt = SLICE_LIT("rfc822;a+0D+0AAction: y") };
    struct dsn d = usual(&r, 1);
    struct dsn_needs needs;
    struct buf out;
    buf_init(&out, 1000000);
    d.env_id = SLICE_LIT("x+0D+0AReporting-MTA:");
    dsn_put(&out, &d, &needs);
    assert_false(contains(&out, "\nStatus: 2.0.0"));
    assert_false(contains(&out, "\nAction: x"));
    assert_false(contains(&out, "\nAction: y"));
    assert_true(contains(&out, "Original-Envelope-Id: x??Reporting-MTA:\r\n"));
    assert_true(needs.facts.longest_line < 500 && !needs.facts.has_bare_eol);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_told),
        cmocka_unit_test(whole_failure),
        cmocka_unit_test(times_that_were_asked_for),
        cmocka_unit_test(statuses_and_dates),
        cmocka_unit_test(what_is_returned),
        cmocka_unit_test(eight_bit_headers_are_encoded),
        cmocka_unit_test(internationalized),
        cmocka_unit_test(hostile_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
