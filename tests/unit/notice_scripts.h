/*
 * notice_scripts — what the peer says to a mail and to the notice behind it, for tests of notices
 *
 *   The one route has all mail: notices come back to the same peer.
 */
#ifndef WAYPOST_TESTS_UNIT_NOTICE_SCRIPTS_H
#define WAYPOST_TESTS_UNIT_NOTICE_SCRIPTS_H

#include "tests/unit/delivery_rig.h"

#define EHLO_OF(caps)                                                                              \
    { "", "220 peer\r\n", GO_ON },                                                                 \
    {                                                                                              \
        "EHLO gw.example\r\n", "250-peer\r\n" caps "250 PIPELINING\r\n", GO_ON                     \
    }
#define EHLO EHLO_OF("250-8BITMIME\r\n")
#define STOP                                                                                       \
    {                                                                                              \
        NULL, NULL, GO_ON                                                                          \
    }
#define ENVELOPE "MAIL FROM:<a@s.example>\r\nRCPT TO:<b@d.example>\r\n"
#define DOT "\r\n.\r\n"
#define TAKE                                                                                       \
    { "DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },                                       \
    {                                                                                              \
        DOT, "250 taken\r\n", GO_ON                                                                \
    }
#define TAKE_AFTER_RSET                                                                            \
    { "DATA\r\n", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", GO_ON },                             \
    {                                                                                              \
        DOT, "250 taken\r\n", GO_ON                                                                \
    }
#define REFUSE                                                                                     \
    {                                                                                              \
        "DATA\r\n", "250 ok\r\n550 5.1.1 no such user\r\n503 no\r\n", GO_ON                        \
    }
#define PUT_OFF                                                                                    \
    {                                                                                              \
        "DATA\r\n", "250 ok\r\n450 4.2.1 later\r\n503 no\r\n", GO_ON                               \
    }
#define BACK "MAIL FROM:<>\r\nRCPT TO:<a@s.example>"

static const struct mail_spec plain = { .from = "a@s.example",
                                        .to = { "b@d.example" },
                                        .body = "Subject: original\r\n\r\nhello\r\n" };

/* Does this to the mail, and takes the notice behind it. */
static const struct line refuses[] = { EHLO, REFUSE, TAKE_AFTER_RSET, STOP };
static const struct line puts_off[] = { EHLO, PUT_OFF, TAKE_AFTER_RSET, STOP };
static const struct line takes[] = { EHLO, TAKE, STOP };

/* The peer has this script, the gateway this mail. */
static void deliver(const struct line *script, const struct mail_spec *spec)
{
    play(0, script);
    rig_start("", "");
    rig_mail(spec);
}

/* Is the message still in the spool? */
static unsigned items_left;

static void on_load(void *arg, enum spool_rc rc, struct body *body)
{
    (void)arg;
    body_unref(&body);
    items_left = rc == SPOOL_OK ? 1 : 0;
}

static bool stored(struct spool_id id)
{
    items_left = 2;
    spool_load(rig.port, id, UINT64_MAX, on_load, NULL);
    for (int i = 0; i < 500 && items_left == 2; i++)
        loop_turn(rig.loop, 10);
    return items_left == 1;
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

#endif
