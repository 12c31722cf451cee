/*
 * policies/pressure — what is still taken when the gateway fills up: bulk mail is refused first,
 * urgent mail last
 *
 *   Three things fill: the memory of what waits to be delivered, the bytes that wait to be written
 *   to the spool (mail comes in faster than the disk takes it), and the spool's disk. The fullest
 *   one counts. Mail of a lane is refused from this much of the limit on:
 *
 *     bulk 70 %    normal 80 %    high 90 %    urgent 100 %
 *
 *   so that each lane leaves room to those above it. Mail that its client wants held (RFC 4865) is
 *   refused from 50 % on, whatever its lane: it may stay for weeks, and nothing makes it leave; and
 *   that of one client as soon as it takes an eighth of the limit: a quarter of that room. The
 *   disk is full when no more than min_free is left; it has reached 70 % when that is 70 % of what
 *   is left; a client may have an eighth of what is left held.
 *
 *   Pure.
 */
#ifndef WAYPOST_POLICIES_PRESSURE_H
#define WAYPOST_POLICIES_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/conf/rules.h"

enum pressure_of { PRESSURE_QUEUE, PRESSURE_WRITES, PRESSURE_DISK, PRESSURES };

struct pressure {
    struct {
        uint64_t used, limit; /* bytes; limit 0: none */
    } of[PRESSURES];
};

/* Of the queue's memory or the disk, what one client's held mail takes: is that its share? */
bool pressure_held_enough(uint64_t used, uint64_t limit);
/* What mail of this lane is refused for; PRESSURES: it is taken. */
enum pressure_of pressure_judge(const struct pressure *p, enum lane lane, bool held);

#endif
