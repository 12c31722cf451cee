#include "gateway/daemon/feed_rest.h"

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct feed_mark *a, const struct feed_mark *b)
{
    return a->inode == b->inode && a->size == b->size && same_time(&a->written, &b->written) &&
           same_time(&a->changed, &b->changed);
}

enum feed_look feed_rest_look(struct feed_rest *f, const struct feed_mark *now, int64_t now_ms)
{
    bool rests = same(now, &f->seen), news = !f->told || !same(now, &f->sent);
    f->seen = *now;
    if (!news) {
        f->restless_ms = 0;
        return FEED_AS_BEFORE;
    }
    f->restless_ms = f->restless_ms ? f->restless_ms : now_ms;
    if (!rests && now_ms - f->restless_ms < FEED_RESTLESS_MS)
        return FEED_AS_BEFORE;
    f->sent = *now;
    f->told = rests; /* one that was restless is told once more when it rests, whatever it is */
    f->restless_ms = rests ? 0 : now_ms;
    return rests ? FEED_RESTS : FEED_RESTLESS;
}
