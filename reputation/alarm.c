#include "reputation/alarm.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "reputation/alarm_internal.h"

enum { ARENA_BYTES = 4096 };

const char *const alarm_kind_names[ALARM_KINDS] = {
    "address", "acknowledge", "provider", "pool", "list", "names", "state",
};

struct alarms *alarms_new(void)
{
    struct alarms *a = mem_zero(sizeof *a);
    a->arena = arena_new(ARENA_BYTES);
    return a;
}

void alarms_free(struct alarms **alarms)
{
    if (*alarms)
        arena_free(&(*alarms)->arena);
    free(*alarms);
    *alarms = NULL;
}

/* ---- memory ---- */

static struct met *find(struct memory *m, uint64_t subject)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (m->at[i].subject == subject)
            return &m->at[i];
    return NULL;
}

static struct met *room(struct memory *m)
{
    struct met *oldest = &m->at[0];
    if (m->n < ALARM_SUBJECTS_MAX)
        return &m->at[m->n++];
    for (uint32_t i = 1; i < m->n; i++)
        if (m->at[i].at_ms < oldest->at_ms)
            oldest = &m->at[i];
    return oldest;
}

static bool met_within(struct memory *m, uint64_t subject, int64_t within_ms, int64_t now_ms)
{
    const struct met *met = find(m, subject);
    return met && now_ms - met->at_ms < within_ms;
}

static void remember(struct memory *m, uint64_t subject, int64_t now_ms)
{
    struct met *met = find(m, subject);
    met = met ? met : room(m);
    *met = (struct met){ subject, now_ms };
}

static uint64_t subject_of(const struct alarm *a)
{
    char address[ADDR_TEXT_MAX];
    struct buf key;
    buf_init(&key, 1024);
    buf_printf(&key, "%u %.*s %s %.*s", (unsigned)a->kind, SLICE_FMT(a->egress),
               a->address.family == ADDR_NONE ? "" : addr_host_text(&a->address, address),
               SLICE_FMT(a->with));
    if (a->kind == ALARM_LIST ||
        a->kind == ALARM_POOL) /* its end is as good to know as its begin */
        buf_printf(&key, " %.*s", SLICE_FMT(a->state));
    uint64_t subject = slice_hash_stable(buf_slice(&key));
    buf_free(&key);
    return subject;
}

/* ---- what needs a person ---- */

static bool judge_provider(struct alarms *a, const struct standing_event *e, int64_t now_ms,
                           struct alarm *alarm)
{
    if (e->to != STANDING_BLOCKED)
        return false;
    alarm->kind = ALARM_PROVIDER;
    uint64_t subject = subject_of(alarm);
    bool again = met_within(&a->blocked, subject, ALARMS_MEMORY_MS, now_ms);
    remember(&a->blocked, subject, now_ms);
    return again || e->alone || e->from == STANDING_BLOCKED;
}

bool alarms_judge(struct alarms *a, const struct standing_event *e, bool acknowledge,
                  int64_t now_ms, struct alarm *alarm_r)
{
    *alarm_r = (struct alarm){
        .egress = e->egress, .address = e->address, .with = e->provider, .reason = e->reason
    };
    if (e->kind != STANDING_TRANSITION) {
        static const char *const states[] = {
            [STANDING_POOL_EMPTY] = "empty", [STANDING_POOL_BACK] = "back"
        };
        alarm_r->kind = ALARM_POOL;
        alarm_r->state = slice_of(states[e->kind]);
        return true;
    }
    alarm_r->state = slice_of(standing_state_names[e->to]);
    if (e->provider.n)
        return judge_provider(a, e, now_ms, alarm_r);
    bool waits = e->to == STANDING_QUARANTINED && acknowledge;
    alarm_r->kind = waits ? ALARM_ACKNOWLEDGE : ALARM_ADDRESS;
    return e->to == STANDING_DRAINING || e->to == STANDING_LISTED || e->to == STANDING_QUARANTINED;
}

bool alarms_judge_names(struct alarms *a, const struct addr *address, bool broken)
{
    uint32_t i = 0;
    while (i < a->broken_n && !addr_same_host(&a->broken[i], address))
        i++;
    bool known = i < a->broken_n;
    if (broken && !known && a->broken_n < ALARM_BROKEN_MAX)
        a->broken[a->broken_n++] = *address;
    else if (!broken && known)
        a->broken[i] = a->broken[--a->broken_n];
    return broken && !known;
}

static void set_fault(struct alarms *a, uint32_t at, uint64_t source, enum list_fault fault)
{
    struct faulty *f = &a->faulty[at];
    if (fault == LIST_FINE) {
        memmove(f, f + 1, (--a->faulty_n - at) * sizeof *f);
        return;
    }
    if (at == ALARM_LISTS_MAX) {
        memmove(a->faulty, a->faulty + 1, (--a->faulty_n) * sizeof *f);
        f--;
    }
    a->faulty_n += f == &a->faulty[a->faulty_n];
    *f = (struct faulty){ source, (uint8_t)fault };
}

bool alarms_judge_list(struct alarms *a, struct slice source, enum list_fault fault,
                       const char *text, struct alarm *alarm_r)
{
    uint64_t hash = slice_hash_stable(source);
    uint32_t at = 0;
    while (at < a->faulty_n && a->faulty[at].source != hash)
        at++;
    enum list_fault told = at < a->faulty_n ? (enum list_fault)a->faulty[at].fault : LIST_FINE;
    *alarm_r = (struct alarm){ .kind = ALARM_LIST,
                               .with = source,
                               .state = slice_of(list_fault_names[fault]),
                               .reason = slice_of(text) };
    bool worse_known = fault == LIST_REFUSED && told == LIST_SILENT;
    if (fault == told || worse_known)
        return false;
    set_fault(a, at, hash, fault);
    return true;
}

/* ---- messages ---- */

static struct slice keep(struct alarms *a, struct slice text)
{
    size_t n = text.n < STANDING_TEXT_MAX ? text.n : STANDING_TEXT_MAX;
    return (struct slice){ arena_strndup(a->arena, n ? text.p : "", n), n };
}

void alarm_heap_add(struct alarms *a, struct heap *h, const struct alarm *alarm, int64_t now_ms)
{
    if (!h->n)
        h->since_ms = now_ms;
    if (h->n == ALARM_LINES_MAX) {
        h->more++;
        return;
    }
    struct alarm *kept = &h->at[h->n++];
    *kept = *alarm;
    kept->egress = keep(a, alarm->egress);
    kept->with = keep(a, alarm->with);
    kept->state = keep(a, alarm->state);
    kept->reason = keep(a, alarm->reason);
}

void alarms_take(struct alarms *a, const struct alarm *alarm, int64_t now_ms)
{
    uint64_t subject = subject_of(alarm);
    if (met_within(&a->told, subject, ALARMS_EACH_MS, now_ms)) {
        alarm_heap_add(a, &a->held, alarm, now_ms);
        return;
    }
    remember(&a->told, subject, now_ms);
    alarm_heap_add(a, &a->fresh, alarm, now_ms);
}

/* The hour has room for a message from then on. */
static int64_t room_ms(const struct alarms *a)
{
    return a->sent_n < ALARMS_PER_HOUR ? 0 : a->sent_ms[a->sent_at] + ALARMS_EACH_MS;
}

int64_t alarms_due_ms(const struct alarms *a)
{
    if (!a->fresh.n && !a->held.n)
        return -1;
    int64_t due =
        a->fresh.n ? a->fresh.since_ms + ALARMS_GATHER_MS : a->held.since_ms + ALARMS_EACH_MS;
    return due > room_ms(a) ? due : room_ms(a);
}

bool alarms_begin(struct alarms *a, int64_t now_ms, struct alarm_digest *digest_r)
{
    int64_t due = alarms_due_ms(a);
    if (due < 0 || now_ms < due)
        return false;
    a->sent_ms[a->sent_at] = now_ms;
    a->sent_at = (a->sent_at + 1) % ALARMS_PER_HOUR;
    a->sent_n += a->sent_n < ALARMS_PER_HOUR;
    *digest_r = (struct alarm_digest){ .fresh = a->fresh.at,
                                       .held = a->held.at,
                                       .fresh_n = a->fresh.n,
                                       .held_n = a->held.n,
                                       .fresh_more = a->fresh.more,
                                       .held_more = a->held.more };
    return true;
}

void alarms_end(struct alarms *a)
{
    a->fresh.n = a->fresh.more = a->held.n = a->held.more = 0;
    arena_free(&a->arena);
    a->arena = arena_new(ARENA_BYTES);
}
