/*
 * tests/unit/test_mail_letter — a message of ours to a person (mail/letter.h)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/base64.h"
#include "gateway/base/mem.h"
#include "gateway/mail/content.h"
#include "gateway/mail/letter.h"

static char *write_letter(const char *to, const char *subject, const char *text, enum rc rc)
{
    struct buf out;
    struct letter letter = { .hostname = slice_of("gw.test"),
                             .id = slice_of("0001"),
                             .to = slice_of(to),
                             .subject = slice_of(subject),
                             .text = slice_of(text),
                             .now_ms = 0 };
    buf_init(&out, 1 << 20);
    assert_int_equal(letter_put(&out, &letter), rc);
    struct content_scan scan;
    content_scan_init(&scan);
    content_scan_feed(&scan, buf_slice(&out));
    content_scan_end(&scan);
    assert_false(scan.facts.has_8bit || scan.facts.has_bare_eol || scan.facts.has_nul);
    assert_true(scan.facts.longest_line <= 998);
    char *copy = mem_strndup(buf_slice(&out).p, buf_len(&out));
    buf_free(&out);
    return copy;
}

static void test_plain(void **state)
{
    (void)state;
    char *message = write_letter("p@x.test", "a\r\nBcc: evil@x.test", "one\ntwo", RC_OK);
    assert_string_equal(message, "From: Mail Delivery System <MAILER-DAEMON@gw.test>\r\n"
                                 "To: <p@x.test>\r\n"
                                 "Subject: a??Bcc: evil@x.test\r\n"
                                 "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
                                 "Message-ID: <0001@gw.test>\r\n"
                                 "Auto-Submitted: auto-generated\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: 7bit\r\n"
                                 "\r\none\r\ntwo\r\n");
    free(message);
}

static void test_other_text_is_base64(void **state)
{
    (void)state;
    static const char text[] = "\xe9\x82\xae\xe4\xbb\xb6\r\x01\n"
                               "a rather long line, so that the coded form has several of them\n";
    char *message = write_letter("p@x.test", "s", text, RC_OK);
    assert_non_null(strstr(message, "Encoding: base64\r\n"));
    char *body = strstr(message, "\r\n\r\n") + 4;
    struct buf coded, plain;
    buf_init(&coded, 4096);
    buf_init(&plain, 4096);
    for (char *p = body; *p; p++)
        if (*p != '\r' && *p != '\n')
            buf_putc(&coded, *p);
    assert_int_equal(base64_decode(buf_slice(&coded), &plain), RC_OK);
    buf_putc(&plain, '\0');
    assert_non_null(strstr(buf_slice(&plain).p, "\xe9\x82\xae\xe4\xbb\xb6"));
    assert_non_null(strstr(buf_slice(&plain).p, "several of them\r\n"));
    buf_free(&coded);
    buf_free(&plain);
    free(message);
}

static void test_long_lines_and_addresses(void **state)
{
    (void)state;
    char text[4000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    free(write_letter("p@x.test", "s", text, RC_OK));
    free(write_letter("no mailbox", "s", "t", RC_PARSE));
    free(write_letter("\xc3\xa9@x.test", "s", "t", RC_DENIED));
    char *message = write_letter("p@b\xc3\xbc"
                                 "cher.test",
                                 "s", "t", RC_OK);
    assert_non_null(strstr(message, "To: <p@xn--bcher-kva.test>\r\n"));
    free(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_plain),
                                        cmocka_unit_test(test_other_text_is_base64),
                                        cmocka_unit_test(test_long_lines_and_addresses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
