/*
 * tests/unit/test_smtp_mailparams — what a next hop is told, and what it cannot take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/smtp/mailparams.h"

#define ROWS(t) (sizeof(t) / sizeof(t)[0])
#define U "\xc3\xbc"

enum { EVERYTHING = 0xfff, NOTHING = 0 };

static const struct content_facts plain = { .longest_line = 70 };
static const struct content_facts eight = { .longest_line = 70, .has_8bit = true };
static const struct content_facts utf8_header = { .has_8bit = true, .header_8bit = true };
static const struct content_facts binary = { .has_nul = true,
                                             .has_bare_eol = true,
                                             .has_8bit = true };
static const struct content_facts nul = { .has_nul = true };
static const struct content_facts unended = { .longest_line = 70, .lacks_final_eol = true };

struct row {
    const char *sender, *recipient;
    unsigned ext;
    uint64_t size_max;
    uint8_t body;
    bool smtputf8;
    const struct content_facts *content;
    const char *mail; /* the line expected, or NULL: refused with `status` */
    const char *status;
    bool bdat;
};

static const struct row rows[] = {
    { "a@b", "r@x", NOTHING, 0, BODY_7BIT, false, &plain, "MAIL FROM:<a@b>\r\n", NULL, false },
    { "", "r@x", EXT_SIZE, 0, BODY_7BIT, false, &plain, "MAIL FROM:<> SIZE=4000\r\n", NULL, false },
    { "a@b", "r@x", EXT_SIZE, 4000, BODY_7BIT, false, &plain, "MAIL FROM:<a@b> SIZE=4000\r\n", NULL,
      false },
    { "a@b", "r@x", EXT_SIZE, 3999, BODY_7BIT, false, &plain, NULL, "552/5.3.4", false },
    /* 8-bit: named only when it is there; refused only when it was declared */
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, false, &plain, "MAIL FROM:<a@b>\r\n", NULL,
      false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, false, &eight,
      "MAIL FROM:<a@b> BODY=8BITMIME\r\n", NULL, false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_7BIT, false, &eight, "MAIL FROM:<a@b> BODY=8BITMIME\r\n",
      NULL, false },
    { "a@b", "r@x", NOTHING, 0, BODY_8BITMIME, false, &eight, NULL, "554/5.6.3", false },
    { "a@b", "r@x", NOTHING, 0, BODY_8BITMIME, false, &plain, "MAIL FROM:<a@b>\r\n", NULL, false },
    { "a@b", "r@x", NOTHING, 0, BODY_7BIT, false, &eight, "MAIL FROM:<a@b>\r\n", NULL, false },
    /* binary */
    { "a@b", "r@x", EXT_CHUNKING | EXT_BINARYMIME, 0, BODY_BINARYMIME, false, &binary,
      "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", NULL, true },
    { "a@b", "r@x", EXT_CHUNKING | EXT_BINARYMIME, 0, BODY_BINARYMIME, false, &unended,
      "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", NULL, true },
    { "a@b", "r@x", EXT_CHUNKING | EXT_8BITMIME, 0, BODY_BINARYMIME, false, &binary, NULL,
      "554/5.6.3", false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_BINARYMIME, false, &eight,
      "MAIL FROM:<a@b> BODY=8BITMIME\r\n", NULL, false },
    { "a@b", "r@x", NOTHING, 0, BODY_BINARYMIME, false, &eight, NULL, "554/5.6.3", false },
    { "a@b", "r@x", NOTHING, 0, BODY_BINARYMIME, false, &unended, "MAIL FROM:<a@b>\r\n", NULL,
      false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, false, &binary, NULL, "554/5.6.3", false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_7BIT, false, &nul, NULL, "554/5.6.3", false },
    { "a@b", "r@x", EXT_CHUNKING | EXT_BINARYMIME, 0, BODY_BINARYMIME, false, &nul,
      "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", NULL, true },
    /* SMTPUTF8: named only when needed */
    { "a@b", "r@x", EVERYTHING, 0, BODY_8BITMIME, true, &plain, "MAIL FROM:<a@b> SIZE=4000\r\n",
      NULL, false },
    { "a@b", "r@x", EXT_SMTPUTF8 | EXT_8BITMIME, 0, BODY_8BITMIME, true, &utf8_header,
      "MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8\r\n", NULL, false },
    { U "@b", "r@x", EXT_SMTPUTF8, 0, BODY_7BIT, true, &plain, "MAIL FROM:<" U "@b> SMTPUTF8\r\n",
      NULL, false },
    { "a@b", "r@" U, EXT_SMTPUTF8, 0, BODY_7BIT, true, &plain, "MAIL FROM:<a@b> SMTPUTF8\r\n", NULL,
      false },
    { "a@b" U, "r@x", EXT_8BITMIME, 0, BODY_7BIT, true, &plain, "MAIL FROM:<a@xn--b-eha>\r\n", NULL,
      false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, true, &eight,
      "MAIL FROM:<a@b> BODY=8BITMIME\r\n", NULL, false },
    { U "@b", "r@x", EXT_8BITMIME, 0, BODY_7BIT, true, &plain, NULL, "553/5.6.7", false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, true, &utf8_header, NULL, "553/5.6.7", false },
    { "a@b", "r@x", EXT_8BITMIME, 0, BODY_8BITMIME, false, &utf8_header,
      "MAIL FROM:<a@b> BODY=8BITMIME\r\n", NULL, false },
};

static void put_refusal(struct buf *out, const struct hop_refusal *refusal)
{
    buf_put_u64(out, refusal->code);
    buf_putc(out, '/');
    enhanced_put(out, refusal->status);
}

static void plans(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 2000);
    for (size_t i = 0; i < ROWS(rows); i++) {
        const struct row *row = &rows[i];
        struct recipient r = { .address = slice_of(row->recipient) };
        struct envelope e = { .sender = slice_of(row->sender),
                              .size = 4000,
                              .body = row->body,
                              .smtputf8 = row->smtputf8,
                              .content = *row->content,
                              .recipients = &r,
                              .recipients_n = 1 };
        struct ehlo_caps caps = { .ext = row->ext, .size_max = row->size_max };
        struct mail_plan plan;
        struct hop_refusal refusal = { 0 };
        buf_clear(&out);
        enum rc rc = mailparams_plan(&e, &caps, 0, &plan, &refusal);
        if (rc == RC_OK)
            mailparams_put_mail(&out, &e, &plan, 0);
        else
            put_refusal(&out, &refusal);
        const char *want = row->mail ? row->mail : row->status;
        if ((rc == RC_OK) != (row->mail != NULL) || !slice_eq_str(buf_slice(&out), want))
            fail_msg("row %zu: %.*s, want %s", i, SLICE_FMT(buf_slice(&out)), want);
        if (rc == RC_OK)
            assert_int_equal(plan.need_bdat, row->bdat);
        else
            assert_non_null(refusal.text);
    }
    buf_free(&out);
}

static void all_parameters(void **state)
{
    (void)state;
    struct recipient r = { .address = SLICE_LIT("r@x"),
                           .orcpt = SLICE_LIT("rfc822;r+2B@x"),
                           .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY };
    struct envelope e = { .sender = SLICE_LIT("a@b"),
                          .env_id = SLICE_LIT("id+2B"),
                          .ret = DSN_RET_HDRS,
                          .size = 7,
                          .mt_priority_given = true,
                          .mt_priority = -3,
                          .recipients = &r,
                          .recipients_n = 1 };
    struct ehlo_caps caps = { .ext = EVERYTHING };
    struct mail_plan plan;
    struct hop_refusal refusal;
    struct buf out;
    buf_init(&out, 2000);
    assert_int_equal(mailparams_plan(&e, &caps, 0, &plan, &refusal), RC_OK);
    mailparams_put_mail(&out, &e, &plan, 0);
    mailparams_put_rcpt(&out, &r, &plan);
    assert_true(slice_eq_str(buf_slice(&out),
                             "MAIL FROM:<a@b> SIZE=7 RET=HDRS ENVID=id+2B MT-PRIORITY=-3\r\n"
                             "RCPT TO:<r@x> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;r+2B@x\r\n"));
    assert_false(mailparams_relayed_dsn(&plan, &r));
    /* A hop without DSN: nothing of it is sent, and the report about success is ours to make. */
    caps.ext = EXT_SIZE;
    e.ret = DSN_RET_FULL;
    buf_clear(&out);
    assert_int_equal(mailparams_plan(&e, &caps, 0, &plan, &refusal), RC_OK);
    mailparams_put_mail(&out, &e, &plan, 0);
    mailparams_put_rcpt(&out, &r, &plan);
    assert_true(slice_eq_str(buf_slice(&out), "MAIL FROM:<a@b> SIZE=7\r\nRCPT TO:<r@x>\r\n"));
    assert_true(mailparams_relayed_dsn(&plan, &r));
    r.notify = NOTIFY_FAILURE;
    assert_false(mailparams_relayed_dsn(&plan, &r));
    buf_free(&out);
}

/* RFC 2852 section 4.1.4; it is the time 100000. */
static const struct {
    struct deliver_by by;
    unsigned ext;
    uint32_t by_min;
    uint8_t notify;
    const char *say; /* or the refusal */
    bool relayed;
} by[] = {
    { { BY_RETURN, false, false, false, 220000 }, EXT_DELIVERBY, 0, 0, " BY=120;R", false },
    { { BY_RETURN, true, false, false, 100001 }, EXT_DELIVERBY, 1, 0, " BY=1;RT", true },
    { { BY_RETURN, false, false, false, 220000 }, EXT_DELIVERBY, 121, 0, "554/5.4.7", false },
    { { BY_RETURN, false, false, false, 100000 }, EXT_DELIVERBY, 0, 0, "554/5.4.7", false },
    { { BY_RETURN, false, false, false, 220000 }, 0, 0, 0, "554/5.3.3", false },
    { { BY_RETURN, false, true, false, 220000 }, 0, 0, 0, "", false }, /* our own wish */
    { { BY_RETURN, false, true, false, 220000 }, EXT_DELIVERBY, 121, 0, "", false },
    { { BY_NOTIFY, false, false, false, 40000 }, EXT_DELIVERBY, 99, 0, " BY=-60;N", false },
    { { BY_NOTIFY, false, false, false, 100000 }, EXT_DELIVERBY, 0, 0, " BY=0;N", false },
    { { BY_NOTIFY, true, false, false, 220000 },
      EXT_DELIVERBY,
      0,
      NOTIFY_FAILURE,
      " BY=120;NT",
      true },
    { { BY_NOTIFY, true, false, false, 220000 },
      EXT_DELIVERBY,
      0,
      NOTIFY_NEVER,
      " BY=120;NT",
      false },
    { { BY_NOTIFY, false, false, false, 220000 }, 0, 0, 0, "", true },
    { { BY_NOTIFY, false, false, false, 220000 }, 0, 0, NOTIFY_NEVER, "", false },
    { { BY_NOTIFY, false, false, false, 40000 }, 0, 0, 0, "", false }, /* told already */
    { { BY_NOTIFY, false, true, false, 220000 }, 0, 0, 0, "", false },
};

static void deadlines(void **state)
{
    (void)state;
    struct buf out, want;
    buf_init(&out, 2000);
    buf_init(&want, 2000);
    for (size_t i = 0; i < ROWS(by); i++) {
        struct recipient r = { .address = SLICE_LIT("r@x"), .notify = by[i].notify };
        struct envelope e = {
            .sender = SLICE_LIT("a@b"), .by = by[i].by, .recipients = &r, .recipients_n = 1
        };
        struct ehlo_caps caps = { .ext = by[i].ext, .by_min = by[i].by_min };
        struct mail_plan plan;
        struct hop_refusal refusal = { 0 };
        buf_clear(&out);
        buf_clear(&want);
        enum rc rc = mailparams_plan(&e, &caps, 100000, &plan, &refusal);
        if (rc == RC_OK) {
            mailparams_put_mail(&out, &e, &plan, 100000);
            buf_printf(&want, "MAIL FROM:<a@b>%s\r\n", by[i].say);
            assert_int_equal(mailparams_relayed_dsn(&plan, &r), by[i].relayed);
        } else {
            put_refusal(&out, &refusal);
            buf_puts(&want, by[i].say);
        }
        if (!slice_eq(buf_slice(&out), buf_slice(&want)))
            fail_msg("row %zu: %.*s, want %.*s", i, SLICE_FMT(buf_slice(&out)),
                     SLICE_FMT(buf_slice(&want)));
    }
    buf_free(&out);
    buf_free(&want);
}

/* Section 4.1.4.2: a hop that knows DSN and not DELIVERBY is asked to tell of delays. */
static void delay_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        uint8_t notify;
        const char *say;
    } asked[] = {
        { 0, " NOTIFY=FAILURE,DELAY" },
        { NOTIFY_SUCCESS, " NOTIFY=SUCCESS,DELAY" },
        { NOTIFY_NEVER, " NOTIFY=NEVER" },
    };
    struct envelope e = { .by = { .mode = BY_NOTIFY, .at_ms = 1000 } };
    struct ehlo_caps caps = { .ext = EXT_DSN };
    struct mail_plan plan;
    struct hop_refusal refusal;
    struct buf out, want;
    buf_init(&out, 2000);
    buf_init(&want, 2000);
    assert_int_equal(mailparams_plan(&e, &caps, 0, &plan, &refusal), RC_OK);
    for (size_t i = 0; i < ROWS(asked); i++) {
        struct recipient r = { .address = SLICE_LIT("r@x"), .notify = asked[i].notify };
        buf_clear(&out);
        buf_clear(&want);
        mailparams_put_rcpt(&out, &r, &plan);
        buf_printf(&want, "RCPT TO:<r@x>%s\r\n", asked[i].say);
        assert_true(slice_eq(buf_slice(&out), buf_slice(&want)));
    }
    buf_free(&out);
    buf_free(&want);
}

static void recipients(void **state)
{
    (void)state;
    static const struct {
        const char *address, *orcpt;
        bool smtputf8;
        const char *line; /* NULL: refused */
    } cases[] = {
        { "r@x", "", false, "RCPT TO:<r@x>\r\n" },
        { "r@b" U, "", false, "RCPT TO:<r@xn--b-eha>\r\n" },
        { "r@b" U, "", true, "RCPT TO:<r@b" U ">\r\n" },
        { U "@x", "", true, "RCPT TO:<" U "@x>\r\n" },
        { U "@x", "", false, NULL },
        { "r@x", "utf-8;" U "@x", true, "RCPT TO:<r@x> ORCPT=utf-8;" U "@x\r\n" },
        { "r@x", "utf-8;" U "@x", false, "RCPT TO:<r@x> ORCPT=utf-8;\\x{FC}@x\r\n" },
    };
    struct buf out;
    buf_init(&out, 2000);
    for (size_t i = 0; i < ROWS(cases); i++) {
        struct recipient r = { .address = slice_of(cases[i].address),
                               .orcpt = slice_of(cases[i].orcpt) };
        struct mail_plan plan = { .ext = EXT_DSN, .smtputf8 = cases[i].smtputf8 };
        struct hop_refusal refusal = { 0 };
        enum rc rc = mailparams_check_rcpt(&plan, &r, &refusal);
        assert_int_equal(rc, cases[i].line ? RC_OK : RC_DENIED);
        if (rc) {
            assert_true(refusal.code == 553 && refusal.status.detail == 7);
            continue;
        }
        buf_clear(&out);
        mailparams_put_rcpt(&out, &r, &plan);
        if (!slice_eq_str(buf_slice(&out), cases[i].line))
            fail_msg("%.*s, want %s", SLICE_FMT(buf_slice(&out)), cases[i].line);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans),      cmocka_unit_test(all_parameters),
        cmocka_unit_test(deadlines),  cmocka_unit_test(delay_is_asked_for),
        cmocka_unit_test(recipients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
