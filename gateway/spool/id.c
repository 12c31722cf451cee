/*
 * spool/id — see id.h
 */
#include "gateway/spool/id.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void spool_id_gen_init(struct spool_id_gen *gen, uint16_t node, uint16_t shard, uint32_t seq)
{
    gen->last = (struct spool_id){ .seq = seq, .node = node, .shard = shard };
}

struct spool_id spool_id_next(struct spool_id_gen *gen, int64_t wall_ms)
{
    struct spool_id *last = &gen->last;
    uint64_t now = wall_ms > 0 ? (uint64_t)wall_ms : 0;
    if (now > last->ms)
        last->ms = now;
    if (++last->seq == 0)
        last->ms++; /* the counter went round: stay in order */
    return *last;
}

int spool_id_cmp(struct spool_id a, struct spool_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    if (a.seq != b.seq)
        return a.seq < b.seq ? -1 : 1;
    if (a.node != b.node)
        return a.node < b.node ? -1 : 1;
    return a.shard < b.shard ? -1 : a.shard > b.shard;
}

static void put_be(unsigned char *p, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        p[i] = (unsigned char)v;
}

static uint64_t get_be(const unsigned char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

void spool_id_pack(struct spool_id id, unsigned char bytes_r[SPOOL_ID_BYTES])
{
    put_be(bytes_r, id.ms, 8);
    put_be(bytes_r + 8, id.seq, 4);
    put_be(bytes_r + 12, id.node, 2);
    put_be(bytes_r + 14, id.shard, 2);
}

struct spool_id spool_id_unpack(const unsigned char bytes[SPOOL_ID_BYTES])
{
    return (struct spool_id){ .ms = get_be(bytes, 8),
                              .seq = (uint32_t)get_be(bytes + 8, 4),
                              .node = (uint16_t)get_be(bytes + 12, 2),
                              .shard = (uint16_t)get_be(bytes + 14, 2) };
}

/* 26 digits hold 130 bits: the first digit carries only three of the 128. */
void spool_id_format(struct spool_id id, char text_r[SPOOL_ID_TEXT + 1])
{
    unsigned char bytes[SPOOL_ID_BYTES];
    spool_id_pack(id, bytes);
    uint64_t hi = get_be(bytes, 8), lo = get_be(bytes + 8, 8);
    for (int i = SPOOL_ID_TEXT - 1; i >= 0; i--) {
        text_r[i] = digits[lo & 31];
        lo = lo >> 5 | hi << 59;
        hi >>= 5;
    }
    text_r[SPOOL_ID_TEXT] = '\0';
}

bool spool_id_parse(struct slice text, struct spool_id *id_r)
{
    if (text.n != SPOOL_ID_TEXT)
        return false;
    uint64_t hi = 0, lo = 0;
    for (size_t i = 0; i < text.n; i++) {
        int c = (unsigned char)text.p[i];
        if (c >= 'a' && c <= 'z')
            c -= 'a' - 'A';
        const char *at = c ? memchr(digits, c, sizeof(digits) - 1) : NULL;
        if (!at || (i == 0 && at - digits > 7))
            return false;
        hi = hi << 5 | lo >> 59;
        lo = lo << 5 | (uint64_t)(at - digits);
    }
    unsigned char bytes[SPOOL_ID_BYTES];
    put_be(bytes, hi, 8);
    put_be(bytes + 8, lo, 8);
    *id_r = spool_id_unpack(bytes);
    return true;
}
