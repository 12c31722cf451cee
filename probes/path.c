#include "probes/path.h"

#include "policies/advice.h"

static const int64_t SAME_CONNECTION_MS = 50;
static const int64_t OUTDATED_MS = 500; /* a connection begun that long before a good one */

static enum path_change become_up(struct path *p, int64_t now_ms)
{
    p->state = PATH_UP;
    p->up_ms = now_ms;
    p->n = 0;
    p->by_egress = false;
    return PATH_NOW_UP;
}

/* Its first success since it went down. */
static void alive_again(struct path *p, int64_t start_ms, int64_t end_ms)
{
    p->alive_ms = end_ms;
    if (start_ms - path_run_start(p) < PATH_SHORT_MS && p->span_ms < PATH_SHORT_SPAN_MS)
        p->span_ms = PATH_SHORT_SPAN_MS;
}

enum path_change path_success(struct path *p, int64_t start_ms, int64_t end_ms)
{
    if (end_ms >= p->ok_end_ms) {
        p->ok_end_ms = end_ms;
        p->ok_start_ms = start_ms;
    }
    switch ((enum path_state)p->state) {
    case PATH_UNKNOWN:
        return become_up(p, end_ms);
    case PATH_SUSPECT:
        return end_ms > p->fail_end_ms || start_ms >= p->fail_start_ms ? become_up(p, end_ms)
                                                                       : PATH_SAME;
    case PATH_DOWN:
        if (end_ms <= p->fail_end_ms || (p->ups > 0 && end_ms - p->ups_ms < PATH_SPACING_MS))
            return PATH_SAME;
        p->ups_ms = end_ms;
        if (p->ups == 0)
            alive_again(p, start_ms, end_ms);
        if (p->ups < PATH_NEED_MOST)
            p->ups++;
        return p->ups >= p->need && end_ms - p->alive_ms >= p->span_ms ? become_up(p, end_ms)
                                                                       : PATH_SAME;
    case PATH_UP:
        break;
    }
    return PATH_SAME;
}

/* The piece that is about the same connection, or a new one; NULL when there is no room. */
static struct evidence *piece(struct path *p, uint64_t address, int64_t start_ms)
{
    for (unsigned i = 0; i < p->n; i++) {
        int64_t off = p->at[i].start_ms - start_ms;
        if (p->at[i].address == address && off < SAME_CONNECTION_MS && -off < SAME_CONNECTION_MS)
            return &p->at[i];
    }
    if (p->n == PATH_EVIDENCE)
        return NULL;
    p->at[p->n] = (struct evidence){ .address = address, .start_ms = start_ms };
    return &p->at[p->n++];
}

/* With the room used up by overdue ones, a failure takes the place of one of them. */
static struct evidence *overdue_piece(struct path *p)
{
    for (unsigned i = p->n; i > 0; i--)
        if (!p->at[i - 1].failed)
            return &p->at[i - 1];
    return NULL;
}

enum path_change path_failure(struct path *p, uint64_t address, bool failed, int64_t start_ms,
                              int64_t end_ms)
{
    if (start_ms + OUTDATED_MS < p->ok_start_ms || (!failed && end_ms <= p->ok_end_ms))
        return PATH_SAME;
    p->fail_end_ms = end_ms > p->fail_end_ms ? end_ms : p->fail_end_ms;
    p->fail_start_ms = start_ms > p->fail_start_ms ? start_ms : p->fail_start_ms;
    if (p->state == PATH_DOWN) {
        if (failed)
            p->ups = 0;
        return PATH_SAME;
    }
    struct evidence *e = piece(p, address, start_ms);
    if (!e && failed && (e = overdue_piece(p)) != NULL)
        *e = (struct evidence){ .address = address, .start_ms = start_ms };
    if (e)
        e->failed = e->failed || failed;
    if (p->state == PATH_SUSPECT)
        return PATH_SAME;
    p->state = PATH_SUSPECT;
    p->suspect_ms = end_ms;
    return PATH_NOW_SUSPECT;
}

unsigned path_failures(const struct path *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++)
        n += p->at[i].failed;
    return n;
}

unsigned path_addresses(const struct path *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++) {
        bool seen = false;
        for (unsigned k = 0; k < i; k++)
            seen = seen || p->at[k].address == p->at[i].address;
        n += !seen;
    }
    return n;
}

bool path_condemned(const struct path *p, unsigned addresses)
{
    return p->state == PATH_SUSPECT && p->n >= PATH_FAILURES &&
           path_failures(p) + 1 >= PATH_FAILURES && path_addresses(p) >= addresses;
}

int64_t path_run_start(const struct path *p)
{
    int64_t start = p->fail_start_ms;
    for (unsigned i = 0; i < p->n; i++)
        start = p->at[i].start_ms < start ? p->at[i].start_ms : start;
    return start;
}

void path_down(struct path *p, bool by_egress, int64_t now_ms)
{
    bool relapse = p->down_ms && p->up_ms && now_ms - p->up_ms < PATH_RELAPSE_MS;
    unsigned need = relapse ? 2u * p->need : PATH_NEED;
    int64_t alive_ms = relapse ? (p->n ? path_run_start(p) : now_ms) - p->alive_ms : PATH_FLAP_MS;
    p->need = (uint8_t)(need > PATH_NEED_MOST ? PATH_NEED_MOST : need);
    p->span_ms = alive_ms >= PATH_FLAP_MS ? 0 : 2 * alive_ms;
    p->span_ms = p->span_ms > PATH_FLAP_MS ? PATH_FLAP_MS : p->span_ms;
    p->state = PATH_DOWN;
    p->down_ms = now_ms;
    p->by_egress = by_egress;
    p->ups = 0;
}

void path_up(struct path *p, int64_t now_ms)
{
    p->alive_ms = now_ms;
    become_up(p, now_ms);
}

void path_lapse(struct path *p, int64_t now_ms)
{
    path_up(p, now_ms);
    p->state = PATH_UNKNOWN;
}

void path_acquit(struct path *p)
{
    if (p->state == PATH_SUSPECT)
        p->state = p->ok_end_ms ? PATH_UP : PATH_UNKNOWN;
    p->n = 0;
}

void path_forget(struct path *p, uint64_t address)
{
    uint8_t kept = 0;
    if (p->state != PATH_SUSPECT)
        return;
    for (unsigned i = 0; i < p->n; i++)
        if (p->at[i].address != address)
            p->at[kept++] = p->at[i];
    p->n = kept;
    if (kept == 0)
        path_acquit(p);
}

double path_doubt(const struct path *p)
{
    if (p->state != PATH_SUSPECT || p->n == 0)
        return 0;
    if (p->n == 1 && !p->at[0].failed)
        return 0.06; /* mostly a lost packet */
    static const double one = 0.3, each_more = 0.2, most = 0.95;
    double doubt = one + each_more * (path_addresses(p) - 1) + each_more * path_failures(p);
    return doubt < most ? doubt : most;
}
