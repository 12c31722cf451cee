/*
 * tests/support/standing_rig — a standing with a clock of its own and a log of its events
 *
 *   Members are egresses "a", "b", ... with addresses 192.0.2.1, .2, ...; all one pool unless the
 *   test says otherwise in rig.config before sr_configure(). Asserts with cmocka.
 */
#ifndef WAYPOST_TESTS_SUPPORT_STANDING_RIG_H
#define WAYPOST_TESTS_SUPPORT_STANDING_RIG_H

#include "reputation/standing.h"

enum { RIG_MEMBERS = 8, RIG_EVENTS = 64 };
#define RIG_MINUTE 60000LL
#define RIG_HOUR 3600000LL
#define RIG_DAY 86400000LL

struct standing_rig {
    struct standing *s;
    int64_t now_ms;
    bool idle; /* what drains has no transaction left: told after each piece of evidence */
    struct standing_member member[RIG_MEMBERS];
    struct standing_config config;
    /* "a clean>suspect: reason", "a@gmail clean>blocked, alone: reason" */
    char log[RIG_EVENTS][200];
    uint32_t events; /* all of them; log holds the first RIG_EVENTS */
};

void sr_open(struct standing_rig *r, uint32_t members);
void sr_close(struct standing_rig *r);
/* Of a test of its own, for cmocka: *state is a rig with four members. */
int sr_set_up(void **state);
int sr_tear_down(void **state);
void sr_configure(struct standing_rig *r);
void sr_restart(struct standing_rig *r); /* packed, unpacked, configured */
void sr_clear(struct standing_rig *r);   /* the log */

void sr_wait(struct standing_rig *r, int64_t ms); /* ticks every minute at most */
void sr_reply(struct standing_rig *r, int m, const char *provider, enum standing_class c,
              uint64_t domain, bool names_us);
void sr_deliver(struct standing_rig *r, int m, const char *provider, uint32_t n);
void sr_list(struct standing_rig *r, int m, const char *source, double points, bool hard);
void sr_clear_check(struct standing_rig *r, int m, const char *source);
void sr_silent(struct standing_rig *r, int m, const char *source);
/* Refused by two providers: enough to leave, if its pool can spare it. */
void sr_condemn(struct standing_rig *r, int m);
enum rc sr_order(struct standing_rig *r, int m, enum standing_order order);
void sr_names(struct standing_rig *r, int m, enum standing_name fcrdns);

struct standing_view sr_view(const struct standing_rig *r, int m);
struct standing_provider_view sr_provider(const struct standing_rig *r, int m,
                                          const char *provider);
double sr_points(const struct standing_rig *r, int m);
void sr_state(const struct standing_rig *r, int m, enum standing_state state); /* asserts */
bool sr_logged(const struct standing_rig *r, const char *text);                /* in any line */

#endif
