/*
 * reputation/hygiene — do our own names fit our addresses? (pure)
 *
 *   Two things many receivers insist on, of each egress address: its reverse name leads back to it
 *   (forward-confirmed reverse DNS), and the name said in EHLO has the address. A name of localhost
 *   or an address literal is nobody's name. What name servers fail to answer is UNKNOWN.
 *
 * See: RFC 1912 section 2.1, RFC 8601 section 3 (iprev), RFC 5321 section 4.1.4.
 */
#ifndef WAYPOST_REPUTATION_HYGIENE_H
#define WAYPOST_REPUTATION_HYGIENE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/base/addr.h"

enum hygiene_state { HYGIENE_UNKNOWN, HYGIENE_OK, HYGIENE_BROKEN };
extern const char *const hygiene_state_names[]; /* "unknown", "ok", "broken", NULL */

enum {
    HYGIENE_NAMES_MAX = 4,
    HYGIENE_ADDRS_MAX = 16,
    HYGIENE_NAME_MAX = 256,
    HYGIENE_WHY_MAX = 400
};

/* What name servers said of one name. */
struct hygiene_lookup {
    bool answered;                        /* false: they failed; `n` is 0 then */
    struct addr addrs[HYGIENE_ADDRS_MAX]; /* of the family asked for */
    size_t n;
};

struct hygiene_facts {
    struct addr address;
    char ehlo[HYGIENE_NAME_MAX];
    bool relayed; /* a relay says EHLO to the world, in its own name: it is not ours to judge */
    struct hygiene_lookup of_ehlo;
    bool reverse_answered;
    char names[HYGIENE_NAMES_MAX][HYGIENE_NAME_MAX]; /* of the reverse DNS; the first ones */
    size_t name_n;
    struct hygiene_lookup of_name[HYGIENE_NAMES_MAX];
};

struct hygiene {
    struct addr address;
    enum hygiene_state reverse, ehlo;
    char name[HYGIENE_NAME_MAX]; /* the reverse name that leads back, or the first one; "" */
    char why[HYGIENE_WHY_MAX];   /* what is not OK, for people; "" */
};

void hygiene_judge(const struct hygiene_facts *facts, struct hygiene *hygiene_r);

#endif
