#include "gateway/conf/nearest.h"

enum { WORD_MAX = 40 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned distance(struct slice a, struct slice b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b.n; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            int x = ascii_lower(a.p[i - 1]), y = ascii_lower(b.p[j - 1]);
            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == ascii_lower(b.p[j - 2]) && ascii_lower(a.p[i - 2]) == y &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b.n];
}

const char *nearest_name(struct slice word, const char *const *names, size_t n)
{
    const char *best = NULL;
    unsigned best_distance = 4;
    for (size_t i = 0; i < n; i++) {
        struct slice name = slice_of(names[i]);
        if (word.n > WORD_MAX || name.n > WORD_MAX)
            continue;
        size_t longer = word.n > name.n ? word.n : name.n;
        unsigned limit = longer < 6 ? 1 + (longer > 3) : 3;
        unsigned d = distance(word, name);
        if (d <= limit && d < best_distance && d < longer) {
            best = names[i];
            best_distance = d;
        }
    }
    return best;
}
