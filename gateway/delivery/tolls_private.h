/*
 * delivery/tolls_private — what the files of tolls share
 *
 *   tolls.c looks limits up and asks them for mail; tolls_session.c for sessions and their bytes;
 *   tolls_ahead.c for sessions that are opened for mail of a rate.
 *   Nobody else includes it.
 */
#ifndef WAYPOST_DELIVERY_TOLLS_PRIVATE_H
#define WAYPOST_DELIVERY_TOLLS_PRIVATE_H

#include "gateway/delivery/gauge.h"
#include "gateway/delivery/tolls.h"

struct toll {
    struct gauge *gauge;
    struct traffic_toll is;
    char over[80]; /* for people; empty: the site */
};

/* Of a target and an egress, or of all egresses alike. */
struct tolls {
    struct list link; /* target->tolls, or on no list */
    unsigned refs;    /* the target and its sessions */
    int egress;
    struct gauges *gauges;
    struct traffic_limits limits;
    uint32_t opening;                  /* sessions */
    uint64_t usual[TRAFFIC_BYTES + 1]; /* smoothed: what a transaction takes */
    size_t n;
    struct toll at[];
};

struct hold {
    const struct toll *toll; /* NULL: nothing does */
    const char *what;        /* NULL: as many are being opened as it has use for */
    int64_t wait_us;
};

/* NULL: no rule limits anything. */
struct tolls *tolls_of(struct target *t, int egress);
void tolls_unref(struct tolls *ts);

/* What holds back longest: rates from `first` to `last`, or one session more. `ts` may be NULL. */
struct hold tolls_hold_of_rates(const struct tolls *ts, enum traffic_rate first,
                                enum traffic_rate last, enum lane lane);
extern const char *const tolls_rate_names[TRAFFIC_RATES];
struct hold tolls_hold_of_mail(const struct tolls *ts, enum lane lane);
struct hold tolls_hold_of_sessions(const struct tolls *ts, enum lane lane, bool relay);
/* n[kind] of each rate from `first` to `last`: all of them or, when another worker was faster,
 * nothing. */
bool tolls_take(const struct tolls *ts, enum traffic_rate first, enum traffic_rate last,
                const uint64_t n[TRAFFIC_RATES]);
/* Into the site's hold, and the target looks again. True: nothing holds. */
bool tolls_note(struct target *t, const struct hold *h);

/* ---- tolls_session.c ---- */

/* The smaller of two limits; 0: none. */
uint64_t tolls_stricter(uint64_t a, uint64_t b);
/* A session that rests makes way, or is asked to, where there are as many as may be. */
void tolls_want_room(struct target *t, int egress, enum lane lane);

/* ---- tolls_ahead.c ---- */
bool tolls_is_rated(const struct tolls *ts); /* ts may be NULL */
struct hold tolls_hold_of_opening(const struct target *t, const struct tolls *ts, enum lane lane);
/* A session is opened for mail of it; it was of no use. */
void tolls_pace(struct session *s);
void tolls_pace_back(struct session *s);

/* Of its connections, those that mail of this lane may hold. */
uint64_t toll_most(const struct toll *toll, enum lane lane);
/* Does it bound the number of such sessions? */
bool toll_counts(const struct toll *toll, bool relay);

#endif
