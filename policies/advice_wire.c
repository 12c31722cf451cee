/*
 * policies/advice_wire — an advice table as bytes, between control and relay
 *
 *   Little-endian, figures as IEEE bits. A path about which nothing is known is one byte.
 */
#include <math.h>
#include <string.h>

#include "gateway/base/cursor.h"
#include "policies/advice.h"

static const uint32_t MAGIC = 0x35615057; /* "WPa5" */
enum {
    BLANK = 0xff,
    NAME_MAX_BYTES = 255,
    PATH_BYTES = 30,
    PER_HOUR_MAX = 1000000000,
    FAULTS = EGRESS_BARRED + 1,
    STATES = PATH_DOWN + 1
};

/* ---- out ---- */

static void put_f32(struct buf *b, float v)
{
    uint32_t bits = 0;
    memcpy(&bits, &v, sizeof bits);
    put_u32(b, bits);
}

static void put_f64(struct buf *b, double v)
{
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof bits);
    put_u64(b, bits);
}

static bool blank(const struct advice_path *p)
{
    return p->state == PATH_UNKNOWN && !p->near && p->rtt_ms <= 0 && p->rtt_var_ms <= 0 &&
           p->loss <= 0 && p->fail <= 0 && p->goodput <= 0 && p->samples <= 0 && !p->age_ms;
}

static char *write_u32(char *to, uint32_t v)
{
    for (unsigned i = 0; i < sizeof v; i++)
        *to++ = (char)(v >> (8 * i) & 0xff);
    return to;
}

static char *write_f32(char *to, float v)
{
    uint32_t bits = 0;
    memcpy(&bits, &v, sizeof bits);
    return write_u32(to, bits);
}

/* Most of a table are these: each is written as a whole. */
static void put_path(struct buf *out, const struct advice_path *p)
{
    if (blank(p)) {
        put_u8(out, BLANK);
        return;
    }
    char *to = buf_reserve(out, PATH_BYTES);
    if (!to)
        return;
    *to++ = (char)p->state;
    *to++ = (char)p->near;
    to = write_f32(to, p->rtt_ms);
    to = write_f32(to, p->rtt_var_ms);
    to = write_f32(to, p->loss);
    to = write_f32(to, p->fail);
    to = write_f32(to, p->goodput);
    to = write_f32(to, p->samples);
    (void)write_u32(to, p->age_ms);
    buf_commit(out, PATH_BYTES);
}

static void put_address(struct buf *out, const struct addr *a)
{
    put_u8(out, a->family);
    buf_put(out, a->bytes, addr_bits(a) / 8);
}

static void put_standing(struct buf *out, const struct advice_standing *s)
{
    put_u16(out, (uint16_t)s->egress);
    put_slice16(out, s->provider);
    put_address(out, &s->source);
    put_f32(out, s->share);
    put_u32(out, s->per_hour);
    put_u8(out, s->last_resort);
}

void advice_pack(const struct advice *a, struct buf *out)
{
    put_u32(out, MAGIC);
    put_u64(out, a->version);
    put_u64(out, (uint64_t)a->made_ms);
    put_u32(out, a->egress_n);
    put_u32(out, a->group_n);
    put_u32(out, a->standing_n);
    put_u32(out, a->barred_n);
    for (uint32_t e = 0; e < a->egress_n; e++) {
        put_slice16(out, a->egress[e].name);
        put_u8(out, a->egress[e].fault);
        put_u8(out, a->egress[e].probed);
        put_f64(out, a->egress[e].share);
    }
    for (uint32_t g = 0; g < a->group_n; g++) {
        const struct advice_group *group = &a->group[g];
        put_slice16(out, group->carrier);
        put_slice16(out, group->region);
        put_f64(out, group->think_ms);
        put_u8(out, group->destination_suspect);
        put_u16(out, (uint16_t)group->preferred);
        put_u16(out, (uint16_t)group->preferred_large);
    }
    for (size_t i = 0; i < (size_t)a->egress_n * a->group_n; i++)
        put_path(out, &a->path[i]);
    for (uint32_t i = 0; i < a->standing_n; i++)
        put_standing(out, &a->standing[i]);
    for (uint32_t i = 0; i < a->barred_n; i++)
        put_address(out, &a->barred[i]);
}

/* ---- in ---- */

/* As cur_f64(). */
static float cur_f32(struct cursor *c, float max)
{
    uint32_t bits = cur_u32(c);
    float v = 0;
    memcpy(&v, &bits, sizeof v);
    if (!(v >= 0 && v <= max) || signbit(v))
        c->bad = true;
    return c->bad ? 0 : v;
}

static uint8_t cur_choice(struct cursor *c, unsigned choices)
{
    uint8_t v = cur_u8(c);
    if (v >= choices)
        c->bad = true;
    return c->bad ? 0 : v;
}

static struct slice cur_name(struct cursor *c, struct advice *a)
{
    struct slice name = cur_slice16(c);
    if (name.n == 0 || name.n > NAME_MAX_BYTES)
        c->bad = true;
    return c->bad ? slice_of("") : advice_text(a, name);
}

static int16_t cur_row(struct cursor *c, uint32_t egress_n)
{
    int16_t row = (int16_t)cur_u16(c);
    if (row < ADVICE_NONE || row >= (int32_t)egress_n)
        c->bad = true;
    return c->bad ? ADVICE_NONE : row;
}

static void get_egress(struct cursor *c, struct advice *a, uint32_t e)
{
    struct slice name = cur_name(c, a);
    if (!c->bad && advice_egress(a, name) != ADVICE_NONE)
        c->bad = true;
    a->egress[e] = (struct advice_egress){ .name = name,
                                           .fault = cur_choice(c, FAULTS),
                                           .probed = cur_choice(c, 2),
                                           .share = cur_f64(c, 1) };
}

static void get_group(struct cursor *c, struct advice *a, uint32_t g)
{
    struct advice_group *group = &a->group[g];
    group->carrier = cur_name(c, a);
    group->region = cur_name(c, a);
    group->think_ms = cur_f64(c, 1e9);
    group->destination_suspect = cur_choice(c, 2);
    group->preferred = cur_row(c, a->egress_n);
    group->preferred_large = cur_row(c, a->egress_n);
    if (g > 0 && !c->bad &&
        advice_group_cmp(group[-1].carrier, group[-1].region, group->carrier, group->region) >= 0)
        c->bad = true;
}

static void get_path(struct cursor *c, struct advice_path *p)
{
    uint8_t state = cur_u8(c);
    if (state == BLANK)
        return;
    if (state >= STATES)
        c->bad = true;
    p->state = c->bad ? PATH_UNKNOWN : state;
    p->near = cur_choice(c, (PATH_NEAR | PATH_NEAR_LARGE) + 1);
    p->rtt_ms = cur_f32(c, 1e9F);
    p->rtt_var_ms = cur_f32(c, 1e9F);
    p->loss = cur_f32(c, 1);
    p->fail = cur_f32(c, 1);
    p->goodput = cur_f32(c, 1e9F);
    p->samples = cur_f32(c, 1e9F);
    p->age_ms = cur_u32(c);
    if (blank(p)) /* has one form only */
        c->bad = true;
}

static void get_address(struct cursor *c, struct addr *a, bool may_be_none)
{
    a->family = cur_u8(c);
    if (a->family != ADDR_V4 && a->family != ADDR_V6 && !(may_be_none && a->family == ADDR_NONE))
        c->bad = true;
    struct slice bytes = cur_bytes(c, c->bad ? 0 : addr_bits(a) / 8);
    if (bytes.n)
        memcpy(a->bytes, bytes.p, bytes.n);
}

static void get_standing(struct cursor *c, struct advice *a, uint32_t i)
{
    struct advice_standing *s = &a->standing[i];
    s->egress = cur_row(c, a->egress_n);
    struct slice provider = cur_slice16(c);
    if (s->egress == ADVICE_NONE || provider.n > NAME_MAX_BYTES)
        c->bad = true;
    if (!c->bad)
        s->provider = advice_text(a, provider);
    get_address(c, &s->source, true);
    s->share = cur_f32(c, 1);
    s->per_hour = cur_u32(c);
    s->last_resort = cur_choice(c, 2);
    if (s->per_hour > PER_HOUR_MAX || (i > 0 && !c->bad && advice_standing_cmp(s - 1, s) >= 0))
        c->bad = true;
}

static void get_all(struct cursor *c, struct advice *a)
{
    for (uint32_t e = 0; e < a->egress_n && !c->bad; e++)
        get_egress(c, a, e);
    for (uint32_t g = 0; g < a->group_n && !c->bad; g++)
        get_group(c, a, g);
    for (size_t i = 0; i < (size_t)a->egress_n * a->group_n && !c->bad; i++)
        get_path(c, &a->path[i]);
    for (uint32_t i = 0; i < a->standing_n && !c->bad; i++)
        get_standing(c, a, i);
    for (uint32_t i = 0; i < a->barred_n && !c->bad; i++) {
        get_address(c, &a->barred[i], false);
        if (i > 0 && !c->bad && addr_cmp(&a->barred[i - 1], &a->barred[i]) > 0)
            c->bad = true;
    }
}

enum rc advice_unpack(struct slice bytes, struct advice **advice_r, struct err *err)
{
    struct cursor c = cur_of(bytes.p, bytes.n);
    *advice_r = NULL;
    if (cur_u32(&c) != MAGIC)
        return err_set(err, RC_PARSE, "not an advice table");
    uint64_t version = cur_u64(&c), made = cur_u64(&c);
    uint32_t egress_n = cur_u32(&c), group_n = cur_u32(&c);
    uint32_t standing_n = cur_u32(&c), barred_n = cur_u32(&c);
    if (c.bad || egress_n > ADVICE_EGRESS_MAX || group_n > ADVICE_GROUPS_MAX ||
        standing_n > ADVICE_STANDINGS_MAX || barred_n > ADVICE_BARRED_MAX ||
        (size_t)egress_n * group_n + standing_n + barred_n > cur_left(&c))
        return err_set(err, RC_PARSE, "advice of %u egresses and %u groups in %zu bytes", egress_n,
                       group_n, bytes.n);
    struct advice *a = advice_new(egress_n, group_n);
    advice_standings(a, standing_n, barred_n);
    a->version = version;
    a->made_ms = (int64_t)made;
    get_all(&c, a);
    if (c.bad || cur_left(&c)) {
        size_t left = cur_left(&c);
        advice_unref(&a);
        return err_set(err, RC_PARSE, "the advice table is damaged, %zu bytes before its end",
                       left);
    }
    advice_seal(a);
    *advice_r = a;
    return RC_OK;
}
