/*
 * tests/unit/test_fuzz_corpus — what the fuzzers of kept state begin with is state, and not junk
 *
 *   A target returns at once from what its parser refuses: a corpus that a change of the format has
 *   made junk would go on passing, and prove nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/admin/under_way.h"
#include "gateway/daemon/alarm_unsent.h"
#include "gateway/daemon/kept_allowances.h"
#include "reputation/alarm.h"
#include "reputation/learned.h"
#include "reputation/standing.h"

enum { CORPUS_MAX = 1 << 20 };

static const int64_t NOW = 5000000;

/* How much there was in it; 0: it is refused. */
typedef size_t accepts_fn(struct slice bytes);

static size_t accepts_alarms(struct slice bytes)
{
    struct alarms *a = NULL;
    struct alarm_digest d = { .fresh_n = 0 };
    if (alarms_unpack(bytes, NOW, 0, &a, NULL) != RC_OK)
        return 0;
    int64_t due = alarms_due_ms(a);
    bool told = due >= 0 && alarms_begin(a, due > NOW ? due : NOW, &d);
    alarms_free(&a);
    return told ? d.fresh_n + d.held_n : 0;
}

static void count_owed(void *arg, uint64_t key, int64_t left_us)
{
    *(size_t *)arg += key && left_us > 0;
}

static size_t accepts_allowances(struct slice bytes)
{
    size_t n = 0;
    struct allowances *a = allowances_new();
    if (kept_allowances_read(bytes, a, NOW, 0, NULL) == RC_OK)
        allowances_each(a, NOW, count_owed, &n);
    allowances_free(&a);
    return n;
}

static void count_sessions(void *arg, struct slice egress, const struct addr *source, uint32_t n)
{
    (void)source;
    (void)n;
    *(size_t *)arg += egress.n > 0;
}

static size_t accepts_under_way(struct slice bytes)
{
    size_t n = 0;
    int64_t table_ms;
    return under_way_read(bytes, &table_ms, count_sessions, &n) == RC_OK ? n : 0;
}

static size_t accepts_standing(struct slice bytes)
{
    static const struct standing_hooks hooks = { NULL, NULL };
    struct standing *s = NULL;
    bool good = standing_unpack(bytes, &hooks, &s, NULL) == RC_OK;
    standing_free(&s);
    return good;
}

static void count_unsent(void *arg, const struct unsent *m)
{
    *(size_t *)arg += m->text.n > 0;
}

static size_t accepts_unsent(struct slice bytes)
{
    size_t n = 0;
    return unsent_read(bytes, count_unsent, &n, NULL) == RC_OK ? n : 0;
}

static size_t accepts_learned(struct slice bytes)
{
    struct learned *l = NULL;
    struct addr address[LEARNED_EACH];
    bool good = learned_unpack(bytes, NOW, &l, NULL) == RC_OK;
    size_t n = good ? learned_of(l, slice_of("far"), address) : 0;
    learned_free(&l);
    return n;
}

static const struct row {
    const char *path;
    accepts_fn *accepts;
    size_t least;
} rows[] = {
    { "alarms/before", accepts_alarms, 2 },        { "alarms/full", accepts_alarms, 2 },
    { "allowances/rests", accepts_allowances, 4 }, { "allowances/doubted", accepts_allowances, 1 },
    { "under_way/two", accepts_under_way, 3 },     { "standing/lived", accepts_standing, 1 },
    { "standing/new", accepts_standing, 1 },       { "standing/parked", accepts_standing, 1 },
    { "standing/many", accepts_standing, 1 },      { "unsent/two", accepts_unsent, 2 },
    { "learned/two", accepts_learned, 2 },
};

static void test_what_the_fuzzers_begin_with(void **state)
{
    static char bytes[CORPUS_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "tests/fuzz/corpus/%s", rows[i].path);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        struct slice got = { bytes, fread(bytes, 1, sizeof bytes, f) };
        fclose(f);
        if (rows[i].accepts(got) < rows[i].least)
            print_error("%s\n", path);
        assert_true(rows[i].accepts(got) >= rows[i].least);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_the_fuzzers_begin_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
