/*
 * test_delivery_swap — a worker takes over a table of advice without touching what is in it
 *
 *   The rows of a table lie in pages of their own here, which nobody may read or write while it is
 *   taken over and while the one before is given up; calls of the allocator are counted.
 */
#include <sys/mman.h>

#include "tests/unit/delivery_rig.h"

static const struct line takes[] = { { "", "220 peer\r\n", GO_ON },
                                     { "EHLO gw.example\r\n", "250 peer\r\n", GO_ON },
                                     { "MAIL FROM:<a@s.example>\r\n", "250 ok\r\n", GO_ON },
                                     { "RCPT TO:<b@d.example>\r\n", "250 ok\r\n", GO_ON },
                                     { "DATA\r\n", "354 go\r\n", GO_ON },
                                     { "\r\n.\r\n", "250 ok\r\n", GO_ON },
                                     { NULL, NULL, GO_ON } };
static const struct mail_spec mail = { .from = "a@s.example",
                                       .to = { "b@d.example" },
                                       .body = "Subject: x\r\n\r\nhello\r\n" };

enum { EGRESSES = 10, GROUPS_MOST = 1000, NAME = 16 };

static unsigned calls; /* of the allocator */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

void *__wrap_malloc(size_t n)
{
    calls++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    calls++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    calls++;
    return __real_realloc(p, n);
}

void __wrap_free(void *p)
{
    calls++;
    __real_free(p);
}

/* ---- tables that must not be looked into ---- */

struct shielded {
    struct advice *advice;
    void *rows[3];
    size_t bytes[3];
};

static size_t in_pages(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

static void *own_pages(struct shielded *s, int i, void *rows, size_t bytes)
{
    void *own = NULL;
    s->bytes[i] = in_pages(bytes);
    assert_int_equal(posix_memalign(&own, (size_t)sysconf(_SC_PAGESIZE), s->bytes[i]), 0);
    memcpy(own, rows, bytes);
    free(rows);
    return s->rows[i] = own;
}

static void allow(const struct shielded *s, int protection)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(mprotect(s->rows[i], s->bytes[i], protection), 0);
}

/* All egresses of the rig, so many groups, and a row for each of these about who may send there. */
static struct shielded table(uint32_t groups, uint64_t version)
{
    struct advice *a = advice_new(EGRESSES, groups);
    struct shielded s = { .advice = a };
    char name[NAME];
    a->version = version;
    a->made_ms = loop_now_ms(rig.loop);
    for (uint32_t e = 0; e < EGRESSES; e++) {
        int n = snprintf(name, sizeof name, "e%u", e);
        a->egress[e].name = advice_text(a, (struct slice){ name, (size_t)n });
    }
    for (uint32_t g = 0; g < groups; g++) {
        int n = snprintf(name, sizeof name, "c%05u", g);
        a->group[g].carrier = a->group[g].region =
            advice_text(a, (struct slice){ name, (size_t)n });
    }
    advice_standings(a, EGRESSES * groups, 0);
    for (uint32_t i = 0; i < a->standing_n; i++)
        a->standing[i] = (struct advice_standing){ .egress = (int16_t)(i / groups),
                                                   .provider = a->group[i % groups].carrier,
                                                   .share = 1,
                                                   .per_hour = 1 + i };
    advice_seal(a);
    a->path = own_pages(&s, 0, a->path, sizeof *a->path * EGRESSES * groups);
    a->group = own_pages(&s, 1, a->group, sizeof *a->group * groups);
    a->standing = own_pages(&s, 2, a->standing, sizeof *a->standing * a->standing_n);
    return s;
}

static void start(void)
{
    static char conf[800] = "egress: [ ";
    size_t n = strlen("egress: [ ");
    for (int e = 0; e < EGRESSES; e++)
        n += (size_t)snprintf(conf + n, sizeof conf - n, "%s{ name: e%d, address: 127.0.0.%d }",
                              e ? ", " : "", e, 101 + e);
    snprintf(conf + n, sizeof conf - n, " ]");
    rig_start(conf, "");
}

/* The second of two tables with so many groups takes the place of the first: how often is the
 * allocator called for that? The references of the main thread keep both. */
static unsigned taking_over(uint32_t groups)
{
    struct shielded before = table(groups, 1), after = table(groups, 2);
    delivery_advise(rig.delivery, advice_ref(before.advice));
    struct advice *taken = advice_ref(after.advice);
    allow(&before, PROT_NONE);
    allow(&after, PROT_NONE);
    calls = 0;
    delivery_advise(rig.delivery, taken);
    unsigned n = calls;
    allow(&before, PROT_READ | PROT_WRITE);
    allow(&after, PROT_READ | PROT_WRITE);
    advice_unref(&before.advice);
    advice_unref(&after.advice);
    return n;
}

/* It costs what the egresses cost, 10 here and 10 there; of 10 and of 10,000 paths, and as many
 * standings, nothing is read, written, copied or allocated. */
static void test_taking_over_does_not_grow_with_the_table(void **state)
{
    (void)state;
    start();
    unsigned few = taking_over(1), many = taking_over(GROUPS_MOST);
    assert_int_equal(few, many);
}

/* Whoever gives up the last reference frees arrays, not rows. */
static void test_giving_one_up_frees_no_rows(void **state)
{
    enum { ARRAYS_AND_TEXTS = 16 };
    struct shielded s;
    (void)state;
    start();
    s = table(GROUPS_MOST, 1);
    delivery_advise(rig.delivery, s.advice);
    s = table(1, 2);
    calls = 0;
    delivery_advise(rig.delivery, s.advice);
    assert_in_range(calls, 1, ARRAYS_AND_TEXTS);
    play(0, takes); /* and mail goes on by the one that took its place */
    rig_mail(&mail);
    until_logged(DELIVERED, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_taking_over_does_not_grow_with_the_table),
        T(test_giving_one_up_frees_no_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
