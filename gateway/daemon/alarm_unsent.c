#include "gateway/daemon/alarm_unsent.h"

#include "gateway/base/cursor.h"

enum { MAGIC = 0x31755057 }; /* "WPu1" */
static const int64_t WALL_MOST = 1000000000000000;

void unsent_begin(struct buf *out)
{
    put_u32(out, MAGIC);
}

void unsent_put(struct buf *out, const struct unsent *m)
{
    put_u64(out, (uint64_t)m->since_ms);
    put_slice16(out, m->to);
    put_slice16(out, m->subject);
    put_slice32(out, m->text);
}

static bool get(struct cursor *c, struct unsent *m)
{
    m->since_ms = (int64_t)cur_most(c, cur_u64(c), (uint64_t)WALL_MOST);
    m->to = cur_slice16(c);
    m->subject = cur_slice16(c);
    m->text = cur_slice32(c);
    return !c->bad;
}

enum rc unsent_read(struct slice bytes, void (*fn)(void *arg, const struct unsent *message),
                    void *arg, struct err *err)
{
    struct unsent m;
    for (int pass = 0; pass < 2; pass++) {
        struct cursor c = cur_of(bytes.p, bytes.n);
        bool good = cur_u32(&c) == MAGIC;
        while (good && cur_left(&c)) {
            good = get(&c, &m);
            if (good && pass)
                fn(arg, &m);
        }
        if (!good)
            return err_set(err, RC_PARSE, "not unsent messages of this version");
    }
    return RC_OK;
}
