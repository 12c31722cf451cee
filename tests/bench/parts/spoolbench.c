/*
 * tests/bench/parts/spoolbench — what the spool alone can do: commits, large bodies, a restart
 *
 *   spoolbench DIR small|waiting|scan|large [workers] [outstanding] [messages|MiB] [sealed]
 *
 *   small: each worker keeps `outstanding` commits of 4 KB under way, and ends each message right
 *   after its commit; waiting: leaves them in the spool. scan: opens such a spool and shows what
 *   waits. large: one body is written in pieces, committed, read back and ended.
 *
 *   As the relay does, it keeps notes in memory, in a folder that stays behind (SCRATCH).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/loop.h"
#include "gateway/mail/body.h"
#include "gateway/spool/spool.h"

#define SCRATCH "/dev/shm/waypost-spoolbench"
enum { BODY = 4096, PIECE = 64 * 1024, WORKERS_MAX = 16 };

struct worker {
    struct spool *spool;
    struct loop *loop;
    struct spool_port *port;
    uint16_t shard;
    unsigned outstanding;
    uint64_t started, ended, wanted;
    bool keep;
    char text[BODY];
};

struct message {
    struct worker *worker;
    struct spool_id id;
};

static void start_one(struct worker *w);

static struct spool_item item_of(struct spool_id id)
{
    static char env[200];
    memset(env, 'e', sizeof(env));
    return (struct spool_item){ .id = id,
                                .count = 1,
                                .due_ms = 1,
                                .dest = SLICE_LIT("route:example.com"),
                                .env = { env, sizeof(env) } };
}

static void on_commit(void *arg, enum spool_rc rc, uint64_t fence)
{
    struct message *message = arg;
    struct worker *w = message->worker;
    if (rc != SPOOL_OK) {
        fprintf(stderr, "commit: %s\n", spool_rc_name(rc));
        exit(1);
    }
    struct spool_op op = { .kind = SPOOL_DONE, .item = item_of(message->id) };
    op.item.fence = fence;
    if (!w->keep)
        spool_apply(w->port, &op, 1, NULL, NULL);
    free(message);
    w->ended++;
    if (w->started < w->wanted)
        start_one(w);
}

static void start_one(struct worker *w)
{
    struct message *message = mem_zero(sizeof(*message));
    w->started++;
    message->worker = w;
    message->id = spool_new_id(w->port);
    struct spool_item item = item_of(message->id);
    struct body *body = body_new(BODY);
    body_append(body, (struct slice){ w->text, BODY });
    spool_commit(w->port, message->id, body, &item, 1, on_commit, message);
    body_unref(&body);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    w->loop = loop_new();
    w->port = spool_port_new(w->spool, w->loop, w->shard);
    loop_turn(w->loop, 0);
    memset(w->text, 'x', BODY);
    for (unsigned i = 0; i < w->outstanding && w->started < w->wanted; i++)
        start_one(w);
    while (w->ended < w->wanted)
        loop_turn(w->loop, 1000);
    spool_port_free(&w->port);
    loop_free(&w->loop);
    return NULL;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long rss_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

static void small(struct spool *spool, unsigned workers, unsigned outstanding, uint64_t messages,
                  bool keep)
{
    static struct worker w[WORKERS_MAX];
    pthread_t threads[WORKERS_MAX];
    double cpu = cpu_seconds();
    int64_t start = clock_mono_us();
    for (unsigned i = 0; i < workers; i++) {
        w[i] = (struct worker){ .spool = spool,
                                .shard = (uint16_t)i,
                                .outstanding = outstanding,
                                .wanted = messages,
                                .keep = keep };
        pthread_create(&threads[i], NULL, worker_main, &w[i]);
    }
    for (unsigned i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(clock_mono_us() - start) / 1e6, n = (double)messages * workers;
    struct spool_stats s;
    spool_get_stats(spool, &s);
    printf(
        "%.0f messages/s, %.1f us of CPU each, %.1f requests a write, %lu of %lu writes flushed, "
        "flush p50 %lu us p99 %lu us, peak %ld MiB\n",
        n / seconds, (cpu_seconds() - cpu) / n * 1e6, s.batch_mean, (unsigned long)s.syncs,
        (unsigned long)s.writes, (unsigned long)s.flush_us_p50, (unsigned long)s.flush_us_p99,
        rss_kib() / 1024);
}

static struct loop *loop;
static bool waiting, done;
static uint64_t fence_of, seen;
static struct spool_reader *reader;

static void on_drain(void *arg)
{
    (void)arg;
    waiting = false;
}

static void on_large(void *arg, enum spool_rc rc, uint64_t fence)
{
    (void)arg;
    fence_of = fence;
    done = true;
    if (rc != SPOOL_OK)
        fprintf(stderr, "commit: %s\n", spool_rc_name(rc));
}

static void on_window(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    (void)data;
    seen += n;
    done = rc != SPOOL_OK || n == 0;
    if (rc != SPOOL_OK)
        fprintf(stderr, "read: %s\n", spool_rc_name(rc));
    if (!done)
        spool_reader_next(reader, on_window, arg);
}

static void lap(const char *what, uint64_t mib, int64_t *start, double *cpu)
{
    double seconds = (double)(clock_mono_us() - *start) / 1e6;
    printf("%s: %.0f MiB/s, %.2f s of CPU, peak %ld MiB\n", what, (double)mib / seconds,
           cpu_seconds() - *cpu, rss_kib() / 1024);
    *start = clock_mono_us();
    *cpu = cpu_seconds();
}

static void large(struct spool *spool, uint64_t mib)
{
    static char piece[PIECE];
    loop = loop_new();
    struct spool_port *port = spool_port_new(spool, loop, 0);
    loop_turn(loop, 0);
    printf("idle: %ld MiB\n", rss_kib() / 1024);
    int64_t start = clock_mono_us();
    double cpu = cpu_seconds();
    struct spool_id id = spool_new_id(port);
    struct spool_writer *w = spool_writer_begin(port, id, on_drain, NULL);
    for (uint64_t at = 0; at < mib << 20; at += PIECE) {
        memset(piece, (int)(at / PIECE), sizeof(piece));
        waiting = !spool_writer_append(w, piece, sizeof(piece));
        while (waiting)
            loop_turn(loop, 1000);
    }
    struct spool_item item = item_of(id);
    spool_writer_commit(&w, &item, 1, on_large, NULL);
    while (!done)
        loop_turn(loop, 1000);
    lap("written", mib, &start, &cpu);
    done = false;
    reader = spool_reader_open(port, id);
    spool_reader_next(reader, on_window, NULL);
    while (!done)
        loop_turn(loop, 1000);
    spool_reader_close(&reader);
    lap("read", seen >> 20, &start, &cpu);
    struct spool_op op = { .kind = SPOOL_DONE, .item = item };
    op.item.fence = fence_of;
    spool_apply(port, &op, 1, NULL, NULL);
    for (int i = 0; i < 50; i++)
        loop_turn(loop, 100);
    lap("ended", mib, &start, &cpu);
    spool_port_free(&port);
    loop_free(&loop);
}

struct shown {
    uint64_t items;
    int64_t start_us, first_us;
};

static void on_page(void *arg, enum spool_rc rc, const struct spool_item *items, unsigned n)
{
    struct shown *shown = arg;
    (void)items;
    if (shown->items == 0)
        shown->first_us = clock_mono_us() - shown->start_us;
    shown->items += n;
    done = n == 0;
    if (rc != SPOOL_OK)
        fprintf(stderr, "scan: %s\n", spool_rc_name(rc));
}

static void scan(struct spool *spool, int64_t open_us)
{
    loop = loop_new();
    struct spool_port *port = spool_port_new(spool, loop, 0);
    long before = rss_kib();
    struct shown shown = { .start_us = clock_mono_us() };
    spool_scan(port, 500, on_page, &shown);
    while (!done)
        loop_turn(loop, 1000);
    printf(
        "open %ld ms, first page %ld ms, %lu items in %ld ms, peak %ld MiB (before the scan %ld)\n",
        (long)open_us / 1000, (long)shown.first_us / 1000, (unsigned long)shown.items,
        (long)(clock_mono_us() - shown.start_us) / 1000, rss_kib() / 1024, before / 1024);
    spool_port_free(&port);
    loop_free(&loop);
}

int main(int argc, char **argv)
{
    static const unsigned char key[32] = "0123456789abcdef0123456789abcde";
    struct err err;
    struct spool *spool = NULL;
    if (argc < 3)
        return 2;
    (void)mkdir(SCRATCH, 0700);
    struct spool_conf conf = { .dir = argv[1],
                               .scratch_dir = SCRATCH,
                               .key = argc > 6 ? key : NULL };
    log_set_level(LOG_WARNING);
    int64_t start_us = clock_mono_us();
    if (spool_open(&conf, &spool, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    unsigned workers = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 2;
    unsigned outstanding = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 64;
    uint64_t n = argc > 5 ? strtoull(argv[5], NULL, 10) : 100000;
    int64_t open_us = clock_mono_us() - start_us;
    if (strcmp(argv[2], "large") == 0)
        large(spool, n);
    else if (strcmp(argv[2], "scan") == 0)
        scan(spool, open_us);
    else
        small(spool, workers < WORKERS_MAX ? workers : WORKERS_MAX, outstanding, n,
              strcmp(argv[2], "waiting") == 0);
    spool_close(&spool);
    return 0;
}
