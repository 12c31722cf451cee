#include "gateway/report/reasons.h"

#include <stdlib.h>
#include <string.h>

/* The words that make a reason: runs of digits become '#', control bytes and blanks one blank. */
static void fold(struct slice text, char out[REASON_TEXT_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < REASON_TEXT_MAX - 1; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == 0x7f)
            c = ' ';
        else if (c >= '0' && c <= '9')
            c = '#';
        if ((c == ' ' || c == '#') && n && out[n - 1] == (char)c)
            continue;
        out[n++] = (char)c;
    }
    out[n] = '\0';
}

static bool same_code(struct enhanced a, struct enhanced b)
{
    return a.class_ == b.class_ && a.subject == b.subject && a.detail == b.detail;
}

/* The entry of this reason, or the one to give it. */
static struct reason *place(struct reasons *r, const struct reason *like)
{
    struct reason *least = &r->at[0];
    for (unsigned i = 0; i < r->n; i++) {
        struct reason *at = &r->at[i];
        if (at->kind == like->kind && at->code == like->code &&
            same_code(at->enhanced, like->enhanced) && strcmp(at->text, like->text) == 0)
            return at;
        if (at->count < least->count)
            least = at;
    }
    if (r->n < REASONS_MAX) {
        least = &r->at[r->n++];
        least->count = 0;
    }
    uint64_t inherited = least->count;
    *least = *like;
    least->count = inherited;
    return least;
}

void reasons_count(struct reasons *r, unsigned kind, uint16_t code, struct enhanced enhanced,
                   struct slice text, uint64_t times, int64_t wall_ms)
{
    struct reason like = { .kind = (uint8_t)kind, .code = code, .enhanced = enhanced };
    fold(text, like.text);
    struct reason *at = place(r, &like);
    at->count += times;
    if (wall_ms > at->last_ms)
        at->last_ms = wall_ms;
}

void reasons_merge(struct reasons *into, const struct reasons *from)
{
    for (unsigned i = 0; i < from->n; i++) {
        const struct reason *f = &from->at[i];
        reasons_count(into, f->kind, f->code, f->enhanced, slice_of(f->text), f->count, f->last_ms);
    }
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

void reasons_sort(struct reasons *r)
{
    qsort(r->at, r->n, sizeof r->at[0], by_count);
}
