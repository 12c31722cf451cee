/*
 * tests/unit/test_ingress_pressure — a gateway that fills up refuses bulk first and urgent last
 *
 *   Each as soon as its lane is known, always before the 250.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/queue/held.h"
#include "policies/pressure.h"
#include "tests/unit/ingress_fixture.h"

static const char *const rules = "routes: [ { name: rest } ]\n"
                                 "priorities:\n"
                                 "  - { when: { sender: \"u@*\" }, priority: urgent }\n"
                                 "  - { when: { sender: \"h@*\" }, priority: high }\n"
                                 "  - { when: { sender: \"b@*\" }, priority: bulk }\n"
                                 "  - { when: { recipient: \"list@*\" }, priority: bulk }\n"
                                 "  - { when: { header: { X-Lane: bulk } }, priority: bulk }\n"
                                 "  - { when: { header: { X-Lane: urgent } }, priority: urgent }\n";

static int setup(void **state)
{
    (void)state;
    rig_start(rig_policies(INGRESS_CONF("{ network: 10.0.0.0/8 }", ""), rules, NULL, NULL, NULL));
    return 0;
}

/* Of 1000 bytes that may wait to be written. */
static void fill(uint64_t bytes)
{
    rig.fill = (struct spool_fill){ .waiting_bytes = bytes, .waiting_most = 1000 };
}

/* ---- the decision ---- */

static void each_lane_at_its_part(void **state)
{
    (void)state;
    static const struct {
        uint64_t queue, writes, disk; /* of 1000 each */
        enum pressure_of bulk, normal, high, urgent;
    } rows[] = {
        { 0, 0, 0, PRESSURES, PRESSURES, PRESSURES, PRESSURES },
        { 699, 699, 699, PRESSURES, PRESSURES, PRESSURES, PRESSURES },
        { 700, 0, 0, PRESSURE_QUEUE, PRESSURES, PRESSURES, PRESSURES },
        { 799, 0, 0, PRESSURE_QUEUE, PRESSURES, PRESSURES, PRESSURES },
        { 0, 800, 0, PRESSURE_WRITES, PRESSURE_WRITES, PRESSURES, PRESSURES },
        { 0, 0, 900, PRESSURE_DISK, PRESSURE_DISK, PRESSURE_DISK, PRESSURES },
        { 700, 0, 900, PRESSURE_QUEUE, PRESSURE_DISK, PRESSURE_DISK, PRESSURES },
        { 999, 999, 999, PRESSURE_QUEUE, PRESSURE_QUEUE, PRESSURE_QUEUE, PRESSURES },
        { 0, 1000, 5000, PRESSURE_WRITES, PRESSURE_WRITES, PRESSURE_WRITES, PRESSURE_WRITES },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pressure p = { .of = { [PRESSURE_QUEUE] = { rows[i].queue, 1000 },
                                      [PRESSURE_WRITES] = { rows[i].writes, 1000 },
                                      [PRESSURE_DISK] = { rows[i].disk, 1000 } } };
        assert_int_equal(pressure_judge(&p, LANE_BULK, false), rows[i].bulk);
        assert_int_equal(pressure_judge(&p, LANE_NORMAL, false), rows[i].normal);
        assert_int_equal(pressure_judge(&p, LANE_HIGH, false), rows[i].high);
        assert_int_equal(pressure_judge(&p, LANE_URGENT, false), rows[i].urgent);
    }
    struct pressure half = { .of = { [PRESSURE_DISK] = { 500, 1000 } } };
    assert_int_equal(pressure_judge(&half, LANE_URGENT, true), PRESSURE_DISK);
    half.of[PRESSURE_DISK].used = 499;
    assert_int_equal(pressure_judge(&half, LANE_BULK, true), PRESSURES);
    struct pressure none = { .of = { [PRESSURE_QUEUE] = { UINT64_MAX, 0 } } };
    assert_int_equal(pressure_judge(&none, LANE_BULK, false), PRESSURES);
    struct pressure huge = { .of = { [PRESSURE_QUEUE] = { UINT64_MAX, UINT64_MAX } } };
    assert_int_equal(pressure_judge(&huge, LANE_URGENT, false), PRESSURE_QUEUE);
}

/* ---- who is refused, where ---- */

static void a_sender_of_bulk_at_mail(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    fill(750);
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\n", "451 4.3.2 Too busy to take bulk mail");
    EXPECT(&c, "MAIL FROM:<h@b.test>\r\n", "250");
    EXPECT(&c, "RSET\r\nMAIL FROM:<u@b.test>\r\n", "250");
    fill(950);
    EXPECT(&c, "RSET\r\nMAIL FROM:<h@b.test>\r\n", "451 4.3.2 Too busy to take mail but urgent");
    EXPECT(&c, "MAIL FROM:<u@b.test>\r\n", "250");
    EXPECT(&c, "RCPT TO:<x@d.test>\r\nDATA\r\n", "354");
    EXPECT(&c, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0");
    fill(1000);
    EXPECT(&c, "MAIL FROM:<u@b.test>\r\n", "451 4.3.2 Too busy to take mail,");
    EXPECT(&c, "MAIL FROM:<a@b.test>\r\n", "451"); /* undecided: no lane is taken */
    rig_close(&c);
}

static void a_recipient_of_bulk_at_rcpt(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    fill(750);
    EXPECT(&c, "MAIL FROM:<a@b.test>\r\n", "250");
    EXPECT(&c, "RCPT TO:<list@d.test>\r\n", "451 4.3.2 Too busy to take bulk mail");
    EXPECT(&c, "DATA\r\n", "554 5.5.1");
    EXPECT(&c, "RCPT TO:<x@d.test>\r\n", "250");
    EXPECT(&c, "DATA\r\n", "354");
    EXPECT(&c, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0");
    assert_int_equal(rig.n, 1);
    rig_close(&c);
}

/* What may stay for weeks leaves half of the room to what does not. */
static void mail_to_be_held_at_half(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    fill(499);
    EXPECT(&c, "MAIL FROM:<b@b.test> HOLDFOR=60\r\n", "250");
    fill(500);
    EXPECT(&c, "RCPT TO:<x@d.test>\r\n", "451 4.3.2 Too busy to hold mail");
    EXPECT(&c, "RSET\r\nMAIL FROM:<u@b.test> HOLDFOR=60\r\n", "451 4.3.2 Too busy to hold mail");
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\n", "250");
    rig_close(&c);
}

/* An eighth of the memory, or of the free disk, is one client's; others go on, and so does what it
 * does not want held. */
static void one_client_does_not_fill_the_room(void **state)
{
    (void)state;
    static const struct held rows[] = { { 128 << 20, 0 }, { 1, 2000 } };
    uint64_t client = slice_hash(slice_of("10.0.0.1"));
    struct rig_client c = rig_connect("10.0.0.1", 0), other = rig_connect("10.0.0.2", 0);
    ask(&c, EHLO);
    ask(&other, EHLO);
    rig.fill = (struct spool_fill){ .free_bytes = 16000 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT(&c, "MAIL FROM:<b@b.test> HOLDFOR=60\r\n", "250");
        held_add(client, rows[i]);
        EXPECT(&c, "RCPT TO:<x@d.test>\r\n", "452 4.3.1 Too much mail of yours is held");
        EXPECT(&c, "RSET\r\nMAIL FROM:<u@b.test> HOLDFOR=60\r\n", "452 4.3.1 Too much mail of");
        EXPECT(&c, "MAIL FROM:<b@b.test>\r\n", "250");
        EXPECT(&other, "RSET\r\nMAIL FROM:<b@b.test> HOLDFOR=60\r\n", "250");
        held_sub(client, rows[i]);
        EXPECT(&c, "RSET\r\nMAIL FROM:<b@b.test> HOLDFOR=60\r\n", "250");
        ask(&c, "RSET\r\n");
    }
    rig.fill.free_bytes = 800; /* of which its own body would take more */
    EXPECT(&c, "MAIL FROM:<b@b.test> HOLDFOR=60\r\nRCPT TO:<x@d.test>\r\nDATA\r\n", "354");
    EXPECT(&c, "x\r\n.\r\n", "452 4.3.1 Too much mail of yours is held");
    assert_int_equal(held_of(client).disk, 0);
    rig_close(&c);
    rig_close(&other);
}

/* It was taken at RCPT, and then we filled up. */
static void all_its_recipients_at_data(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\nRCPT TO:<x@d.test>\r\n", "250 2.1.5");
    fill(750);
    EXPECT(&c, "DATA\r\n", "451 4.3.2");
    fill(0);
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\nRCPT TO:<x@d.test>\r\n", "250 2.1.5");
    fill(750);
    EXPECT(&c, "BDAT 4\r\nNOOP", "451 4.3.2");
    EXPECT(&c, "MAIL FROM:<u@b.test>\r\nRCPT TO:<x@d.test>\r\nDATA\r\n", "354");
    EXPECT(&c, "x\r\n.\r\n", "250 2.0.0");
    rig_close(&c);
}

/* The header decides: nothing is stored of what is refused, and the session goes on. */
static void a_header_at_the_end_of_the_data(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    fill(850);
    EXPECT(&c, ENV "DATA\r\n", "354");
    EXPECT(&c, "X-Lane: bulk\r\n\r\nx\r\n.\r\n", "451 4.3.2 Too busy to take bulk mail");
    EXPECT(&c, ENV "DATA\r\n", "354");
    EXPECT(&c, "Subject: none\r\n\r\nx\r\n.\r\n", "451 4.3.2 Too busy to take normal mail");
    assert_int_equal(rig.n, 0);
    EXPECT(&c, ENV "DATA\r\n", "354");
    EXPECT(&c, "X-Lane: urgent\r\n\r\nx\r\n.\r\n", "250 2.0.0");
    EXPECT(&c, ENV "BDAT 16 LAST\r\nX-Lane: bulk\r\n\r\n", "451 4.3.2 Too busy to take bulk mail");
    assert_int_equal(rig.n, 1);
    rig_close(&c);
}

/* Each cause has its words; a disk that has not been looked at yet holds nobody up. */
static void what_is_full_is_said(void **state)
{
    (void)state;
    struct rig_client c = rig_connect("10.0.0.1", 0);
    ask(&c, EHLO);
    rig.fill = (struct spool_fill){ .free_bytes = 1300, .min_free = 1000 };
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\n", "452 4.3.1 Not enough disk space to take bulk mail");
    rig.fill.free_bytes = 1500;
    EXPECT(&c, "MAIL FROM:<b@b.test>\r\n", "250");
    rig.fill.free_bytes = 0;
    EXPECT(&c, "RSET\r\nMAIL FROM:<b@b.test>\r\n", "250");
    rig_close(&c);
}

int main(void)
{
#define PRESSED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_at_its_part), PRESSED(a_sender_of_bulk_at_mail),
        PRESSED(mail_to_be_held_at_half),        PRESSED(a_recipient_of_bulk_at_rcpt),
        PRESSED(all_its_recipients_at_data),     PRESSED(a_header_at_the_end_of_the_data),
        PRESSED(what_is_full_is_said),           PRESSED(one_client_does_not_fill_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
