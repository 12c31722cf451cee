/*
 * reputation/alarm_internal — the records behind alarm.h, shared by its files only
 *
 *   alarm.c       what is told and when
 *   alarm_wire.c  the same as bytes; all that is in here is kept
 *
 *   Texts are the arena's, which begins anew with each message.
 */
#ifndef WAYPOST_REPUTATION_ALARM_INTERNAL_H
#define WAYPOST_REPUTATION_ALARM_INTERNAL_H

#include "gateway/base/mem.h"
#include "reputation/alarm.h"

enum { ALARM_BROKEN_MAX = STANDING_MEMBERS_MAX };

/* Subjects, by their hash, and when they were met last. */
struct memory {
    struct met {
        uint64_t subject;
        int64_t at_ms;
    } at[ALARM_SUBJECTS_MAX];
    uint32_t n;
};

struct heap {
    struct alarm at[ALARM_LINES_MAX];
    uint32_t n, more;
    int64_t since_ms; /* the first of them */
};

struct alarms {
    struct arena *arena; /* texts of both heaps */
    struct heap fresh, held;
    struct memory told, blocked;
    int64_t sent_ms[ALARMS_PER_HOUR]; /* a ring: the oldest is at sent_at */
    uint32_t sent_n, sent_at;
    struct addr broken[ALARM_BROKEN_MAX];
    uint32_t broken_n;
    struct faulty {
        uint64_t source;
        uint8_t fault; /* enum list_fault, not LIST_FINE */
    } faulty[ALARM_LISTS_MAX];
    uint32_t faulty_n;
};

/* Copies the alarm's texts. */
void alarm_heap_add(struct alarms *a, struct heap *h, const struct alarm *alarm, int64_t now_ms);

#endif
