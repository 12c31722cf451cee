/*
 * reputation/alarm_wire — what people were told, and what they are to be told, as bytes
 *
 *   Little-endian. Times are ages: how long ago it was when it was written. A week is the longest
 *   that anything is remembered for (ALARMS_MEMORY_MS), so what is older has no age beyond that.
 */
#include <string.h>

#include "gateway/base/cursor.h"
#include "reputation/alarm_internal.h"

/* "WPa2"; before that there were no lists in it. */
enum { MAGIC_1 = 0x31615057, MAGIC = 0x32615057 };
static const int64_t WALL_MOST = 1000000000000000;

/* ---- out ---- */

static void put_age(struct buf *out, int64_t at_ms, int64_t now_ms)
{
    int64_t age = now_ms - at_ms;
    put_u32(out, (uint32_t)(age < 0 ? 0 : age < ALARMS_MEMORY_MS ? age : ALARMS_MEMORY_MS));
}

static void put_address(struct buf *out, const struct addr *address)
{
    put_u8(out, address->family);
    buf_put(out, address->bytes, addr_bits(address) / 8);
}

static void put_memory(struct buf *out, const struct memory *m, int64_t now_ms)
{
    put_u16(out, (uint16_t)m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        put_u64(out, m->at[i].subject);
        put_age(out, m->at[i].at_ms, now_ms);
    }
}

static void put_heap(struct buf *out, const struct heap *h, int64_t now_ms)
{
    put_u8(out, (uint8_t)h->n);
    put_u32(out, h->more);
    put_age(out, h->n ? h->since_ms : now_ms, now_ms);
    for (uint32_t i = 0; i < h->n; i++) {
        put_u8(out, h->at[i].kind);
        put_slice16(out, h->at[i].egress);
        put_address(out, &h->at[i].address);
        put_slice16(out, h->at[i].with);
        put_slice16(out, h->at[i].state);
        put_slice16(out, h->at[i].reason);
    }
}

void alarms_pack(const struct alarms *a, int64_t now_ms, int64_t wall_ms, struct buf *out)
{
    put_u32(out, MAGIC);
    put_u64(out, (uint64_t)(wall_ms > 0 ? wall_ms : 0));
    put_memory(out, &a->told, now_ms);
    put_memory(out, &a->blocked, now_ms);
    put_u8(out, (uint8_t)a->sent_n);
    for (uint32_t i = 0; i < a->sent_n; i++) { /* the oldest first */
        uint32_t at = a->sent_n < ALARMS_PER_HOUR ? i : (a->sent_at + i) % ALARMS_PER_HOUR;
        put_age(out, a->sent_ms[at], now_ms);
    }
    put_u16(out, (uint16_t)a->broken_n);
    for (uint32_t i = 0; i < a->broken_n; i++)
        put_address(out, &a->broken[i]);
    put_u16(out, (uint16_t)a->faulty_n);
    for (uint32_t i = 0; i < a->faulty_n; i++) {
        put_u64(out, a->faulty[i].source);
        put_u8(out, a->faulty[i].fault);
    }
    put_heap(out, &a->fresh, now_ms);
    put_heap(out, &a->held, now_ms);
}

/* ---- in ---- */

struct reading {
    struct cursor c;
    int64_t then_ms; /* when it was written, by the clock of now */
};

static int64_t get_time(struct reading *r)
{
    return r->then_ms - (int64_t)cur_most(&r->c, cur_u32(&r->c), ALARMS_MEMORY_MS);
}

static void get_address(struct reading *r, struct addr *address)
{
    *address = (struct addr){ .family = cur_u8(&r->c) };
    if (address->family != ADDR_NONE && address->family != ADDR_V4 && address->family != ADDR_V6) {
        r->c.bad = true;
        return;
    }
    struct slice bytes = cur_bytes(&r->c, addr_bits(address) / 8);
    if (bytes.n)
        memcpy(address->bytes, bytes.p, bytes.n);
}

static void get_memory(struct reading *r, struct memory *m)
{
    m->n = (uint32_t)cur_most(&r->c, cur_u16(&r->c), ALARM_SUBJECTS_MAX);
    for (uint32_t i = 0; i < m->n; i++) {
        m->at[i].subject = cur_u64(&r->c);
        m->at[i].at_ms = get_time(r);
    }
}

static struct slice get_text(struct reading *r)
{
    struct slice text = cur_slice16(&r->c);
    if (text.n > STANDING_TEXT_MAX || (text.n && memchr(text.p, '\0', text.n)))
        r->c.bad = true;
    return r->c.bad ? slice_of("") : text;
}

static void get_heap(struct reading *r, struct alarms *a, struct heap *h)
{
    uint32_t n = (uint32_t)cur_most(&r->c, cur_u8(&r->c), ALARM_LINES_MAX), more = cur_u32(&r->c);
    int64_t since_ms = get_time(r);
    for (uint32_t i = 0; i < n && !r->c.bad; i++) {
        struct alarm alarm = { .kind = (uint8_t)cur_most(&r->c, cur_u8(&r->c), ALARM_KINDS - 1) };
        alarm.egress = get_text(r);
        get_address(r, &alarm.address);
        alarm.with = get_text(r);
        alarm.state = get_text(r);
        alarm.reason = get_text(r);
        alarm_heap_add(a, h, &alarm, since_ms);
    }
    h->more = more;
    if ((n < ALARM_LINES_MAX && more) || (!n && since_ms != r->then_ms))
        r->c.bad = true;
}

static void get_faulty(struct cursor *c, struct alarms *a)
{
    a->faulty_n = (uint32_t)cur_most(c, cur_u16(c), ALARM_LISTS_MAX);
    for (uint32_t i = 0; i < a->faulty_n; i++) {
        a->faulty[i].source = cur_u64(c);
        a->faulty[i].fault = (uint8_t)cur_most(c, cur_u8(c), LIST_FAULTS - 1);
        c->bad = c->bad || a->faulty[i].fault == LIST_FINE;
    }
}

static void get_all(struct reading *r, bool lists, struct alarms *a)
{
    get_memory(r, &a->told);
    get_memory(r, &a->blocked);
    a->sent_n = (uint32_t)cur_most(&r->c, cur_u8(&r->c), ALARMS_PER_HOUR);
    a->sent_at = a->sent_n % ALARMS_PER_HOUR;
    for (uint32_t i = 0; i < a->sent_n; i++)
        a->sent_ms[i] = get_time(r);
    a->broken_n = (uint32_t)cur_most(&r->c, cur_u16(&r->c), ALARM_BROKEN_MAX);
    for (uint32_t i = 0; i < a->broken_n; i++)
        get_address(r, &a->broken[i]);
    if (lists)
        get_faulty(&r->c, a);
    get_heap(r, a, &a->fresh);
    get_heap(r, a, &a->held);
}

enum rc alarms_unpack(struct slice bytes, int64_t now_ms, int64_t wall_ms, struct alarms **alarms_r,
                      struct err *err)
{
    struct reading r = { .c = cur_of(bytes.p, bytes.n) };
    uint32_t magic = cur_u32(&r.c);
    bool ours = magic == MAGIC || magic == MAGIC_1;
    int64_t wrote_ms = (int64_t)cur_most(&r.c, cur_u64(&r.c), (uint64_t)WALL_MOST);
    *alarms_r = NULL;
    r.then_ms = now_ms - (wall_ms > wrote_ms && !r.c.bad ? wall_ms - wrote_ms : 0);
    struct alarms *a = alarms_new();
    if (ours)
        get_all(&r, magic == MAGIC, a);
    if (!ours || r.c.bad || cur_left(&r.c)) {
        alarms_free(&a);
        return err_set(err, RC_PARSE, "not the alarms of this version");
    }
    *alarms_r = a;
    return RC_OK;
}
