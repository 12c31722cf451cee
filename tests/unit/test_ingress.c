/*
 * test_ingress — the SMTP server in dialogues, whole and byte by byte
 *
 *   Client bytes in, replies and stored messages out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ingress_fixture.h"

static const char conf_text[] = INGRESS_CONF(
    "{ network: 10.0.0.0/8, name: office, may_set_priority: true }, "
    "{ network: 11.0.0.0/8, name: slow, rate: 3/min, connections: 2 }, "
    "{ network: 0.0.0.0/0, recipients: ['*@lists.test'] }",
    "message_size: 64KiB, recipients: 5, connections: 20, connections_per_client: 3, hops: 2, "
    "idle: 1m");

static const char rules_text[] =
    "priorities:\n"
    "  - { when: { header: { X-Hot: 'yes*' } }, priority: urgent }\n"
    "  - { when: { recipient: 'bulk@*' }, priority: bulk }\n"
    "routes:\n"
    "  - { name: fixed, when: { recipient_domain: fixed.test }, hosts: ['127.0.0.1:2500'] }\n"
    "  - { name: rest }\n";

static int setup(void **state)
{
    (void)state;
    rig_start(rig_policies(conf_text, rules_text, NULL, NULL, NULL));
    return 0;
}

#define MSG "Subject: x\r\n\r\nhello\r\n.\r\n"
#define OPEN "220 relay.test|250 LIMITS RCPTMAX=5|" /* greeting and EHLO */

/* Final lines of the replies, in order; each must begin with what is expected. */
static const struct dialogue {
    const char *in, *out;
    unsigned stored;
} dialogues[] = {
    { EHLO ENV "DATA\r\n" MSG "QUIT\r\n",
      OPEN "250 2.1.0|250 2.1.5|354 |250 2.0.0 Accepted as|221 2.0.0|END", 1 },
    { "HELO c.test\r\n" ENV "DATA\r\n" MSG, "220 |250 relay.test|250 |250 |354 |250 2.0.0", 1 },
    { EHLO ENV "DATA\r\n" MSG ENV "DATA\r\n" MSG ENV "DATA\r\n" MSG,
      OPEN "250 |250 |354 |250 |250 |250 |354 |250 |250 |250 |354 |250 ", 3 },
    { EHLO ENV "DATA\r\n.\r\n", OPEN "250 |250 |354 |250 2.0.0", 1 },
    /* order */
    { "MAIL FROM:<a@b.test>\r\n", "220 |503 5.5.1 Say EHLO", 0 },
    { EHLO "RCPT TO:<x@d.test>\r\nDATA\r\nBDAT 0 LAST\r\n", OPEN "503 |503 |503 5.5.1", 0 },
    { EHLO ENV "MAIL FROM:<c@b.test>\r\nDATA\r\n" MSG, OPEN "250 |250 |503 |354 |250 ", 1 },
    { EHLO "MAIL FROM:<a@b.test>\r\nDATA\r\n", OPEN "250 |554 5.5.1", 0 },
    { EHLO ENV EHLO "DATA\r\n", OPEN "250 |250 |250 LIMITS|503 ", 0 },
    { EHLO ENV "RSET\r\nDATA\r\n", OPEN "250 |250 |250 2.0.0|503 ", 0 },
    { "FROB\r\nNOOP x\r\nHELP\r\nVRFY a\r\nEXPN a\r\nRSET now\r\nQUIT\r\n",
      "220 |500 5.5.1|250 2.0.0|214 2.0.0|252 2.1.5|502 5.5.1|501 5.5.4|221 |END", 0 },
    { "STARTTLS\r\nAUTH PLAIN\r\n", "220 |502 5.5.1|503 5.5.1", 0 },
    { EHLO "AUTH PLAIN\r\n", OPEN "502 5.5.1", 0 },
    { "GET / HTTP/1.1\r\nHost: x\r\n", "220 |500 5.5.1 This is|END", 0 },
    /* parameters */
    { EHLO "MAIL FROM:<a@b.test> SIZE=65537\r\nMAIL FROM:<a@b.test> SIZE=65536\r\n",
      OPEN "552 5.3.4|250 ", 0 },
    { EHLO "MAIL FROM:<a@b.test> FROB=1\r\n", OPEN "555 5.5.4", 0 },
    { "HELO c.test\r\nMAIL FROM:<a@b.test> SIZE=1\r\n", "220 |250 |555 5.5.4", 0 },
    { EHLO "MAIL FROM:<\xc3\xbc@b.test>\r\nMAIL FROM:<\xc3\xbc@b.test> SMTPUTF8\r\n",
      OPEN "553 5.6.7|250 ", 0 },
    { EHLO "MAIL FROM:<> MT-PRIORITY=6 RET=HDRS ENVID=q\r\n", OPEN "250 2.1.0", 0 },
    { EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<x@-.test>\r\n",
      OPEN "250 |501 5.1.3|250 |501 5.1.3", 0 },
    { EHLO ENV "RCPT TO:<2@d.t>\r\nRCPT TO:<3@d.t>\r\nRCPT TO:<4@d.t>\r\nRCPT TO:<5@d.t>\r\n"
               "RCPT TO:<6@d.t>\r\nDATA\r\n" MSG,
      OPEN "250 |250 |250 |250 |250 |250 |452 4.5.3|354 |250 ", 1 },
    /* line ends */
    { "EHLO a\nNOOP\r\nNOOP\r\n", "220 |500 5.5.2|END", 0 },
    { "NOOP\n", "220 |500 5.5.2|END", 0 },
    { EHLO ENV "DATA\r\na\n.\nMAIL FROM:<evil@b.test>\r\n.\r\nNOOP\r\n",
      OPEN "250 |250 |354 |550 5.6.0|250 2.0.0", 0 },
    { EHLO ENV "DATA\r\na\r\n.\nMAIL FROM:<evil@b.test>\r\n.\r\nNOOP\r\n",
      OPEN "250 |250 |354 |550 5.6.0|250 2.0.0", 0 },
    { EHLO ENV "DATA\r\na\n.\r\nb\r.\r\nc\r\n.\r\nNOOP\r\n",
      OPEN "250 |250 |354 |550 5.6.0|250 2.0.0", 0 },
    { EHLO ENV "DATA\r\na\r\n.\rb\r\n.\r\nNOOP\r\n", OPEN "250 |250 |354 |550 5.6.0|250 2.0.0", 0 },
    /* BDAT */
    { EHLO ENV "BDAT 6 LAST\r\nab\r\nc\nNOOP\r\n", OPEN "250 |250 |550 5.6.0|250 2.0.0", 0 },
    { EHLO ENV "BDAT 6\r\nSubj: BDAT 4 LAST\r\nx\r\n.NOOP\r\n",
      OPEN "250 |250 |250 2.0.0 Chunk|250 2.0.0 Accepted|250 2.0.0 OK", 1 },
    { EHLO ENV "BDAT 6 LAST\r\nab\r\nc\r" ENV "BDAT 0 LAST\r\n",
      OPEN "250 |250 |550 |250 |250 |250 2.0.0 Acc", 1 },
    { EHLO "MAIL FROM:<a@b.test>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n",
      OPEN "250 |503 |503 |250 2.0.0 OK", 0 },
    { EHLO ENV "BDAT 1\r\nxRCPT TO:<y@d.test>\r\nDATA\r\nMAIL FROM:<>\r\n",
      OPEN "250 |250 |250 |503 |503 |503 ", 0 },
    { EHLO
      "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<x@d.test>\r\nDATA\r\nBDAT 3 LAST\r\na\nb",
      OPEN "250 |250 |503 |250 2.0.0", 1 },
    { EHLO ENV "BDAT x\r\nNOOP\r\n", OPEN "250 |250 |501 |END", 0 },
    { EHLO ENV "BDAT 65537 LAST\r\n", OPEN "250 |250 |552 5.3.4|END", 0 },
    /* loops */
    { EHLO ENV "DATA\r\nReceived: a\r\nReceived: b\r\n\r\nReceived: c\r\n.\r\n",
      OPEN "250 |250 |354 |250 ", 1 },
    { EHLO ENV "DATA\r\nReceived: a\r\nReceived: b\r\nreceived: c\r\n\r\n.\r\nNOOP\r\n",
      OPEN "250 |250 |354 |554 5.4.6|250 ", 0 },
};

static void all_dialogues(void **state)
{
    (void)state;
    static const size_t steps[] = { 0, 1, 7 };
    for (size_t i = 0; i < sizeof dialogues / sizeof dialogues[0]; i++)
        for (size_t k = 0; k < 3; k++) {
            unsigned before = rig.n;
            run_dialogue("10.0.0.1", 0, dialogues[i].in, dialogues[i].out, steps[k]);
            if (rig.n - before != dialogues[i].stored)
                fail_msg("%s\nstored %u", dialogues[i].in, rig.n - before);
        }
    assert_int_equal(rig.queued, rig.items);
}

static void strangers(void **state)
{
    (void)state;
    run_dialogue("192.0.2.1", 0, EHLO ENV "DATA\r\n", OPEN "250 |550 5.7.1|554 ", 0);
    run_dialogue("192.0.2.1", 0,
                 EHLO "MAIL FROM:<>\r\nRCPT TO:<\"x@lists.test\"@d.test>\r\n"
                      "RCPT TO:<x%d.test@lists.test.evil.test>\r\nRCPT TO:<y@LISTS.test>\r\n",
                 OPEN "250 |550 5.7.1|550 5.7.1|250 ", 0);
    run_dialogue("2001:db8::1", 0, EHLO ENV, OPEN "250 |550 5.7.1 Relaying denied", 0);
}

/* A NUL is no text: only BINARYMIME carries it. */
static void nul_bytes(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, BEGIN);
    buf_clear(&c.got);
    rig_send(&c, SLICE_LIT("a\0b\r\n.\r\n" ENV "BDAT 5 LAST\r\na\0b\r\n"), 0);
    check_replies(&c, "550 5.6.0|250 |250 |550 5.6.0", "a NUL");
    buf_clear(&c.got);
    rig_send(&c,
             SLICE_LIT("MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<x@d.test>\r\n"
                       "BDAT 5 LAST\r\na\0b\r\n"),
             0);
    check_replies(&c, "250 |250 |250 2.0.0", "a NUL in BINARYMIME");
    assert_int_equal(rig.n, 1);
    assert_true(rig.messages[0].envelope.content.has_nul);
    rig_close(&c);
}

/* The message as stored: trace header in front, dots taken out, envelope complete. */
static void stored_message(void **state)
{
    (void)state;
    run_dialogue("10.0.0.1", 0,
                 EHLO "MAIL FROM:<a@b.test> BODY=8BITMIME RET=FULL ENVID=e+2Bx MT-PRIORITY=3\r\n"
                      "RCPT TO:<x@D.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;y@d.test\r\n"
                      "DATA\r\nSubject: s\r\n\r\n..dot\r\n.\r\n",
                 OPEN "250 |250 |354 |250 ", 0);
    const struct rig_message *m = &rig.messages[0];
    struct slice body = buf_slice(&m->body);
    const char head[] = "Received: from c.test ([10.0.0.1])\r\n\tby relay.test with ESMTP\r\n\tid ";
    const char tail[] = "\r\nSubject: s\r\n\r\n.dot\r\n";
    assert_memory_equal(body.p, head, sizeof head - 1);
    assert_memory_equal(body.p + body.n - sizeof tail + 1, tail, sizeof tail - 1);
    assert_non_null(memmem(body.p, body.n, "for <x@D.test>\r\n\tPRIORITY 3;", 28));
    assert_string_equal(m->dest[0], "rest/d.test");
    assert_int_equal(m->lane[0], LANE_HIGH);
    const struct envelope *e = &m->envelope;
    assert_int_equal(e->size, body.n);
    assert_true(slice_eq_str(e->env_id, "e+2Bx") && slice_eq_str(e->sender, "a@b.test"));
    assert_true(slice_eq_str(e->origin.address, "10.0.0.1"));
    assert_true(slice_eq_str(e->origin.name, "office") && slice_eq_str(e->origin.helo, "c.test"));
    assert_int_equal(e->body, BODY_8BITMIME);
    assert_int_equal(e->ret, DSN_RET_FULL);
    assert_int_equal(e->mt_priority, 3);
    assert_int_equal(e->recipients[0].notify, NOTIFY_SUCCESS | NOTIFY_DELAY);
    assert_true(slice_eq_str(e->recipients[0].orcpt, "rfc822;y@d.test"));
    assert_false(m->streamed);
}

static void split_into_items(void **state)
{
    (void)state;
    run_dialogue("10.0.0.1", 0,
                 EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<1@d.test>\r\nRCPT TO:<2@fixed.test>\r\n"
                      "RCPT TO:<3@D.TEST>\r\nRCPT TO:<bulk@d.test>\r\nRCPT TO:<\xc3\xbc@e.test>\r\n"
                      "RCPT TO:<5@b\xc3\xbc.test>\r\nDATA\r\n" MSG,
                 OPEN "250 |250 |250 |250 |250 |553 5.6.7|553 5.6.7|354 |250 ", 0);
    const struct rig_message *m = &rig.messages[0];
    assert_int_equal(m->items, 3);
    assert_string_equal(m->dest[0], "rest/d.test");
    assert_int_equal(m->recipients[0], 2);
    assert_string_equal(m->dest[1], "fixed");
    assert_string_equal(m->dest[2], "rest/d.test");
    assert_int_equal(m->lane[2], LANE_BULK);
    assert_null(memmem(buf_slice(&m->body).p, buf_len(&m->body), "for <", 5));
    /* a header that a rule asks for decides for all recipients */
    run_dialogue("10.0.0.1", 0,
                 EHLO ENV "RCPT TO:<bulk@d.test>\r\nDATA\r\nx-hot:\r\n yes, very\r\n\r\n.\r\n",
                 OPEN "250 |250 |250 |354 |250 ", 0);
    assert_int_equal(rig.messages[1].items, 1);
    assert_int_equal(rig.messages[1].lane[0], LANE_URGENT);
}

/* One mailbox is one recipient, however it is written; what was asked first for it holds. */
static void duplicate_recipients(void **state)
{
    (void)state;
    run_dialogue("10.0.0.1", 0,
                 EHLO "MAIL FROM:<a@b.test>\r\nRCPT TO:<x@d.test> NOTIFY=NEVER\r\n"
                      "RCPT TO:<x@D.TEST> NOTIFY=SUCCESS\r\nRCPT TO:<\"x\"@d.test>\r\n"
                      "RCPT TO:<@r.test:x@d.test>\r\nRCPT TO:<X@d.test>\r\n"
                      "RCPT TO:<x@d.test>\r\nDATA\r\n" MSG,
                 OPEN "250 |250 |250 |250 |250 |250 |250 |354 |250 ", 0);
    const struct rig_message *m = &rig.messages[0];
    assert_int_equal(m->recipients[0], 2);
    assert_true(slice_eq_str(m->envelope.recipients[0].address, "x@d.test"));
    assert_int_equal(m->envelope.recipients[0].notify, NOTIFY_NEVER);
    assert_true(slice_eq_str(m->envelope.recipients[1].address, "X@d.test"));
}

static void priority_of_others_is_lowered(void **state)
{
    (void)state;
    run_dialogue("11.0.0.1", 0,
                 EHLO "MAIL FROM:<a@b.test> MT-PRIORITY=6\r\nRCPT TO:<x@d.test>\r\nDATA\r\n" MSG,
                 OPEN "250 2.3.6|250 |354 |250 ", 0);
    assert_int_equal(rig.messages[0].lane[0], LANE_NORMAL);
    assert_int_equal(rig.messages[0].envelope.mt_priority, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_dialogues, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(nul_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(stored_message, setup, teardown),
        cmocka_unit_test_setup_teardown(split_into_items, setup, teardown),
        cmocka_unit_test_setup_teardown(duplicate_recipients, setup, teardown),
        cmocka_unit_test_setup_teardown(priority_of_others_is_lowered, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
