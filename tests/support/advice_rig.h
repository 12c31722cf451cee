/*
 * tests/support/advice_rig — standings, and the table of advice they make
 *
 *   What is returned is the caller's: standing_free(), advice_unref(). What cannot be made fails
 *   the test.
 */
#ifndef WAYPOST_TESTS_SUPPORT_ADVICE_RIG_H
#define WAYPOST_TESTS_SUPPORT_ADVICE_RIG_H

#include "reputation/standing_advice.h"

#define HOUR INT64_C(3600000)
#define T0 (500 * 24 * HOUR)

enum { FAR, ONE, TWO, UNKNOWN }; /* egresses of the table */

struct addr advice_rig_address(const char *text);
/* These, all clean. */
struct standing *advice_rig_of(const struct standing_member *member, uint32_t n);
/* One address of "one", two of "two", "far" with none that is known; the first is warming up. */
struct standing *advice_rig_four(bool warming);
/* Asserts that it can be sent, whatever it is. */
struct advice *advice_rig_table(const struct standing *s, int64_t now_ms);
/* That sender, in the name of that address. */
void advice_rig_refuse(struct standing *s, int member, const char *provider, uint64_t sender,
                       int64_t now_ms);

#endif
