/*
 * tests/unit/test_spool_notes — the ring of records that outlives its process
 */
#include "gateway/spool/notes.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "tests/support/temp_dir.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    temp_dir_make(dir, sizeof dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

struct seen {
    unsigned count;
    unsigned long first, last;
    size_t bytes;
};

static void see(void *arg, struct slice record)
{
    struct seen *seen = arg;
    unsigned long number = strtoul(record.p, NULL, 10);
    if (seen->count++ == 0)
        seen->first = number;
    else
        assert_int_equal(number, seen->last + 1);
    seen->last = number;
    seen->bytes += record.n;
}

static uint64_t put_number(struct notes *notes, unsigned long number, size_t size)
{
    char *text = mem_zero(size);
    snprintf(text, size, "%lu", number);
    uint64_t end = notes_put(notes, (struct slice){ text, size });
    free(text);
    return end;
}

static struct seen look(void)
{
    struct seen seen = { .count = 0 };
    notes_each(dir, 1, see, &seen);
    return seen;
}

static char *first_file(void)
{
    char *path = path_in(dir, "notes-00000001-0000"), *bytes = mem_zero(NOTES_FILE);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, bytes, NOTES_FILE), NOTES_FILE);
    close(fd);
    free(path);
    return bytes;
}

static void the_ring_goes_round(void **state)
{
    enum { SIZE = 1000, KEPT = 5, ROUND = NOTES_RING / SIZE };
    (void)state;
    struct notes *notes = notes_new(dir, 1, 0);
    uint64_t ends[KEPT] = { 0 };
    assert_non_null(notes);
    assert_null(notes_new(dir, 1, 0)); /* it is taken */
    for (unsigned long i = 0; i < 5UL * ROUND; i++) {
        notes_strike(notes, ends[i % KEPT]);
        ends[i % KEPT] = put_number(notes, i, SIZE);
        assert_true(ends[i % KEPT] > 0);
        if (i < KEPT || i % 100 != 0)
            continue;
        struct seen seen = look();
        assert_int_equal(seen.count, KEPT);
        assert_int_equal(seen.last, i);
        assert_int_equal(seen.bytes, KEPT * SIZE);
    }
    notes_free(&notes);
    assert_int_equal(look().count, KEPT); /* not struck out: it stays */
    notes_remove(dir, 1);
    assert_int_equal(look().count, KEPT);
    notes_remove(dir, 2);
    assert_int_equal(look().count, 0);
}

static void a_full_ring_takes_no_more(void **state)
{
    enum { SIZE = 30000 };
    (void)state;
    struct notes *notes = notes_new(dir, 1, 0);
    unsigned long n = 0;
    uint64_t first = put_number(notes, 0, SIZE), last = first;
    for (uint64_t end = first; end; end = put_number(notes, n, SIZE)) {
        last = end;
        n++;
    }
    assert_int_equal(n, NOTES_RING / (SIZE + 8));
    assert_int_equal(look().count, n);
    notes_strike(notes, first);
    assert_true(put_number(notes, n, SIZE) > last); /* over the edge */
    struct seen seen = look();
    assert_int_equal(seen.count, n);
    assert_int_equal(seen.first, 1);
    assert_int_equal(seen.last, n);
    assert_int_equal(put_number(notes, 0, NOTES_RING), 0);
    notes_free(&notes);
}

static void files_come_by_epoch(void **state)
{
    (void)state;
    static const uint32_t epochs[] = { 17, 2, 9 };
    for (unsigned i = 0; i < 3; i++) {
        struct notes *notes = notes_new(dir, epochs[i], 0);
        put_number(notes, epochs[i] == 9 ? 1 : 2, 10);
        notes_free(&notes);
    }
    struct seen seen = { .count = 0 };
    notes_each(dir, 9, see, &seen);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.first, 1);
    assert_int_equal(seen.last, 2);
}

/* Whatever a header or a record says, nothing is read outside. */
static void damage_ends_a_file(void **state)
{
    static const struct {
        size_t at;
        unsigned char bytes[8];
        size_t n;
        unsigned left; /* records before the damage */
    } rows[] = {
        { 0, "x", 1, 0 },                                                  /* magic */
        { 64, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8, 0 },  /* put */
        { 128, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 8, 0 }, /* struck */
        { 128, { 3 }, 1, 0 },                                              /* inside a record */
        { 64, { 117 }, 1, 2 },                                             /* cut short */
        { NOTES_HEADER, { 0xff, 0xff, 0xff, 0xff }, 4, 0 },                /* length */
        { NOTES_HEADER + 58 + 4, { 1, 2, 3, 4 }, 4, 1 },                   /* checksum */
        { NOTES_HEADER + 58 + 8, { 'x' }, 1, 1 },                          /* content */
    };
    (void)state;
    struct notes *notes = notes_new(dir, 1, 0);
    for (unsigned i = 0; i < 3; i++)
        put_number(notes, i, 50);
    notes_free(&notes);
    char *bytes = first_file();
    struct seen seen = { .count = 0 };
    assert_true(notes_walk((struct slice){ bytes, NOTES_FILE }, see, &seen));
    assert_int_equal(seen.count, 3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *copy = mem_copy(bytes, NOTES_FILE);
        memcpy(copy + rows[i].at, rows[i].bytes, rows[i].n);
        seen = (struct seen){ .count = 0 };
        assert_false(notes_walk((struct slice){ copy, NOTES_FILE }, see, &seen));
        assert_int_equal(seen.count, rows[i].left);
        free(copy);
    }
    assert_false(notes_walk((struct slice){ bytes, NOTES_FILE - 1 }, see, &seen));
    free(bytes);
}

#define DIR_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DIR_TEST(the_ring_goes_round),
        DIR_TEST(a_full_ring_takes_no_more),
        DIR_TEST(files_come_by_epoch),
        DIR_TEST(damage_ends_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
