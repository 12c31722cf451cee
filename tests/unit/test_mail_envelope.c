/*
 * tests/unit/test_mail_envelope — what is stored of a message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/mail/body.h"
#include "gateway/mail/content.h"
#include "gateway/mail/envelope.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])

static void body_grows_and_counts(void **state)
{
    (void)state;
    size_t before = body_memory_total();
    static const char piece[1000] = "x";
    struct body *b = body_new(10);
    for (int i = 0; i < 100; i++)
        body_append(b, (struct slice){ piece, sizeof piece });
    body_append(b, (struct slice){ NULL, 0 });
    body_prepend(b, SLICE_LIT("Received: x\r\n"));
    body_prepend(b, SLICE_LIT("First: y\r\n"));
    assert_int_equal(body_size(b), 100000 + 23);
    assert_int_equal(body_head_size(b), 23);
    assert_true(slice_starts_with(body_slice(b), "First: y\r\nReceived: x\r\nx"));
    assert_true(body_memory_total() >= before + 100000);
    struct body *other = body_ref(b);
    body_unref(&b);
    assert_null(b);
    assert_int_equal(body_size(other), 100000 + 23);
    body_unref(&other);
    body_unref(&other);
    assert_int_equal(body_memory_total(), before);
}

static void announced_bytes_are_not_all_reserved(void **state)
{
    (void)state;
    size_t before = body_memory_total();
    struct body *b = body_new(SIZE_MAX / 2);
    assert_true(body_memory_total() - before < 100000);
    body_unref(&b);
}

static void body_takes_a_long_head(void **state)
{
    (void)state;
    static char head[5000];
    memset(head, 'h', sizeof head);
    struct body *b = body_new(0);
    body_append(b, SLICE_LIT("data"));
    body_prepend(b, (struct slice){ head, sizeof head });
    body_prepend(b, SLICE_LIT("z"));
    struct slice all = body_slice(b);
    assert_int_equal(all.n, 5005);
    assert_true(all.p[0] == 'z' && all.p[1] == 'h' && all.p[5000] == 'h');
    assert_memory_equal(all.p + 5001, "data", 4);
    body_unref(&b);
}

static struct content_facts scan(struct slice s, size_t piece)
{
    struct content_scan scan;
    content_scan_init(&scan);
    for (size_t i = 0; i < s.n; i += piece)
        content_scan_feed(&scan, (struct slice){ s.p + i, s.n - i < piece ? s.n - i : piece });
    content_scan_end(&scan);
    assert_int_equal(scan.size, s.n);
    return scan.facts;
}

static void content(void **state)
{
    (void)state;
    static const struct {
        struct slice text;
        struct content_facts facts;
    } rows[] = {
        { SLICE_INIT(""), { .longest_line = 0 } },
        { SLICE_INIT("a\r\nbcd\r\n"), { .longest_line = 3 } },
        { SLICE_INIT("a\r\nbcde"), { .longest_line = 4, .lacks_final_eol = true } },
        { SLICE_INIT("a\nb\r\n"), { .longest_line = 1, .has_bare_eol = true } },
        { SLICE_INIT("a\rb\r\n"), { .longest_line = 3, .has_bare_eol = true } },
        { SLICE_INIT("a\r\r\n"), { .longest_line = 2, .has_bare_eol = true } },
        { SLICE_INIT("\n"), { .has_bare_eol = true } },
        { SLICE_INIT("a\r"), { .longest_line = 2, .has_bare_eol = true, .lacks_final_eol = true } },
        { SLICE_INIT("a\0b\r\n"), { .longest_line = 3, .has_nul = true } },
        { SLICE_INIT("\xc3\xa9\r\n"), { .longest_line = 2, .has_8bit = true } },
        { SLICE_INIT("12345678\x80 90\r\n"), { .longest_line = 12, .has_8bit = true } },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        for (size_t piece = 1; piece <= rows[i].text.n + 1; piece++) {
            struct content_facts f = scan(rows[i].text, piece), want = rows[i].facts;
            assert_int_equal(f.longest_line, want.longest_line);
            assert_int_equal(f.has_8bit, want.has_8bit);
            assert_int_equal(f.has_nul, want.has_nul);
            assert_int_equal(f.has_bare_eol, want.has_bare_eol);
            assert_int_equal(f.lacks_final_eol, want.lacks_final_eol);
            assert_false(f.header_8bit);
        }
    }
}

static struct envelope usual(struct recipient *r)
{
    *r = (struct recipient){ .address = SLICE_LIT("recipient@example.com") };
    return (struct envelope){
        .sender = SLICE_LIT("sender@corp.example"),
        .size = 4400,
        .received_ms = 1795352431123,
        .origin = { .address = SLICE_LIT("192.0.2.17"), .name = SLICE_LIT("office") },
        .content = { .longest_line = 78 },
        .recipients = r,
        .recipients_n = 1,
    };
}

static void usual_record_is_small(void **state)
{
    (void)state;
    struct recipient r;
    struct envelope e = usual(&r);
    struct buf b;
    buf_init(&b, 10000);
    envelope_pack(&e, &b);
    size_t addresses = e.sender.n + r.address.n;
    assert_true(buf_len(&b) <= addresses + 40);
    buf_free(&b);
}

static void assert_same(struct slice a, struct slice b)
{
    assert_true(slice_eq(a, b));
}

static void check_times(struct slice record, const struct envelope *got)
{
    struct deliver_by by;
    struct mail_hold hold;
    assert_true(got->by.mode == BY_NOTIFY && got->by.trace && got->by.ours && got->by.told);
    assert_true(got->by.at_ms == -5 && got->hold.until_ms == 1795914123250);
    assert_int_equal(got->hold.for_s, 999999999);
    envelope_peek_times(record, &by, &hold);
    assert_true(by.mode == BY_NOTIFY && by.at_ms == -5 && hold.until_ms == 1795914123250);
    envelope_peek_times((struct slice){ record.p, 9 }, &by, &hold);
    assert_true(by.mode == BY_NONE && hold.until_ms == 0);
}

static void full_envelope_comes_back(void **state)
{
    (void)state;
    struct recipient r[2] = {
        { .address = SLICE_LIT("a@x"),
          .orcpt = SLICE_LIT("rfc822;a@x"),
          .notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
          .state = RECIPIENT_FAILED,
          .delay_notified = true,
          .code = 550,
          .status = { 5, 1, 1 },
          .reply = SLICE_LIT("5.1.1 no such user"),
          .reply_host = SLICE_LIT("mx.x") },
        { .address = SLICE_LIT("b@x") },
    };
    struct envelope e = {
        .sender = SLICE_LIT(""),
        .env_id = SLICE_LIT("id+2B"),
        .body = BODY_BINARYMIME,
        .ret = DSN_RET_HDRS,
        .smtputf8 = true,
        .mt_priority_given = true,
        .mt_priority = -9,
        .by = { .mode = BY_NOTIFY, .trace = true, .ours = true, .told = true, .at_ms = -5 },
        .hold = { .until_ms = 1795914123250, .for_s = 999999999 },
        .content = { 2000, true, true, true, true, true },
        .size = UINT64_MAX,
        .received_ms = 1,
        .origin = { SLICE_LIT("::1"), SLICE_LIT("n"), SLICE_LIT("h"), SLICE_LIT("u"),
                    SLICE_LIT("t") },
        .recipients = r,
        .recipients_n = 2,
    };
    struct buf b;
    buf_init(&b, 10000);
    envelope_pack(&e, &b);
    struct arena *arena = arena_new(1000);
    struct envelope got;
    assert_int_equal(envelope_unpack(buf_slice(&b), arena, &got), RC_OK);
    assert_same(got.sender, e.sender);
    assert_same(got.env_id, e.env_id);
    assert_true(got.body == e.body && got.ret == e.ret && got.smtputf8 && got.mt_priority_given);
    assert_int_equal(got.mt_priority, -9);
    assert_true(got.content.longest_line == 2000 && got.content.has_8bit && got.content.has_nul);
    assert_true(got.content.has_bare_eol && got.content.lacks_final_eol && got.content.header_8bit);
    assert_true(got.size == UINT64_MAX && got.received_ms == 1);
    assert_same(got.origin.address, e.origin.address);
    assert_same(got.origin.tls, e.origin.tls);
    check_times(buf_slice(&b), &got);
    assert_int_equal(got.recipients_n, 2);
    assert_same(got.recipients[0].reply, r[0].reply);
    assert_same(got.recipients[0].reply_host, r[0].reply_host);
    assert_same(got.recipients[0].orcpt, r[0].orcpt);
    assert_true(got.recipients[0].notify == r[0].notify && got.recipients[0].delay_notified);
    assert_true(got.recipients[0].code == 550 && got.recipients[0].status.detail == 1);
    assert_int_equal(got.recipients[0].state, RECIPIENT_FAILED);
    assert_int_equal(got.recipients[1].state, RECIPIENT_PENDING);
    arena_free(&arena);
    buf_free(&b);
}

/* Written before there were deadlines and release times, byte for byte. */
static void records_of_the_last_version_are_read(void **state)
{
    (void)state;
    static const char record[] = "\x01\x1a\xd3\xd1\xac\xe5\xa0\x34\x05\x03"
                                 "a@x\x06\x09"
                                 "192.0.2.1\x06"
                                 "office\x01\x00\x03"
                                 "b@y";
    struct arena *arena = arena_new(1000);
    struct envelope got;
    struct buf b;
    assert_int_equal(envelope_unpack((struct slice){ record, sizeof record - 1 }, arena, &got),
                     RC_OK);
    assert_true(slice_eq_str(got.sender, "a@x") && got.mt_priority == 3 && got.size == 5);
    assert_true(slice_eq_str(got.origin.address, "192.0.2.1"));
    assert_true(slice_eq_str(got.recipients[0].address, "b@y"));
    assert_true(got.by.mode == BY_NONE && got.hold.until_ms == 0 && got.hold.for_s == 0);
    buf_init(&b, 1000); /* and mail without them is still written so */
    envelope_pack(&got, &b);
    assert_true(slice_eq(buf_slice(&b), (struct slice){ record, sizeof record - 1 }));
    arena_free(&arena);
    buf_free(&b);
}

/* A record cut anywhere, or with a byte too many, is corrupt; so is one of a later version. */
static void damaged_records(void **state)
{
    (void)state;
    struct recipient r;
    struct envelope e = usual(&r), got;
    struct buf b;
    buf_init(&b, 10000);
    envelope_pack(&e, &b);
    struct arena *arena = arena_new(1000);
    for (size_t n = 0; n < buf_len(&b); n++)
        assert_int_equal(envelope_unpack((struct slice){ buf_slice(&b).p, n }, arena, &got),
                         RC_CORRUPT);
    buf_putc(&b, 0);
    assert_int_equal(envelope_unpack(buf_slice(&b), arena, &got), RC_CORRUPT);
    b.mem[b.start] = 2;
    b.end--;
    assert_int_equal(envelope_unpack(buf_slice(&b), arena, &got), RC_CORRUPT);
    arena_free(&arena);
    buf_free(&b);
}

static void long_replies_are_cut(void **state)
{
    (void)state;
    static char text[5000];
    struct recipient r;
    struct envelope e = usual(&r), got;
    memset(text, 'x', sizeof text);
    r.reply = (struct slice){ text, sizeof text };
    struct buf b;
    buf_init(&b, 10000);
    envelope_pack(&e, &b);
    struct arena *arena = arena_new(1000);
    assert_int_equal(envelope_unpack(buf_slice(&b), arena, &got), RC_OK);
    assert_int_equal(got.recipients[0].reply.n, RECIPIENT_REPLY_MAX);
    arena_free(&arena);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(body_grows_and_counts),
        cmocka_unit_test(body_takes_a_long_head),
        cmocka_unit_test(announced_bytes_are_not_all_reserved),
        cmocka_unit_test(content),
        cmocka_unit_test(usual_record_is_small),
        cmocka_unit_test(full_envelope_comes_back),
        cmocka_unit_test(records_of_the_last_version_are_read),
        cmocka_unit_test(damaged_records),
        cmocka_unit_test(long_replies_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
