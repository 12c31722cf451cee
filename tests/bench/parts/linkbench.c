/*
 * linkbench — the watch over the paths at its full size: 50 egresses x 200 groups
 *
 *   linkbench [EGRESSES GROUPS SECONDS]
 *
 *   Control: SECONDS of its tick (20 a second) with OBSERVED observations a second and every probe
 *   answered, advice made and packed when due; CPU time as a share of a core. Relay: unpacking a
 *   table, taking it over in a worker, and one choice, in CPU time. All of it the real code in
 *   virtual time; sockets and the kernel's share are not in it. Each figure that has a goal is
 *   judged (goals[]): exit status 1 when one is missed, 2 for wrong arguments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/mem.h"
#include "gateway/delivery/paths.h"
#include "policies/choose.h"
#include "probes/links.h"

enum {
    ADDRESSES = 16,
    OBSERVED = 1000,
    TICK_MS = 50,
    SWAPS = 200,
    CHOICES = 100000,
    PROBES_MAX = 64
};

enum figure { CONTROL_SHARE, SWAP_MS, FIGURES };

static const struct {
    const char *what;
    double most;
} goals[FIGURES] = {
    [CONTROL_SHARE] = { "control, % of a core", 3 },
    [SWAP_MS] = { "table taken over by a worker, 99 %, ms", 1 },
};

struct bench {
    struct links *links;
    uint32_t egress_n, groups;
    struct links_egress *egress;
    struct conf conf;
    struct rnd rnd;
    int64_t now_ms;
    struct links_probe open[PROBES_MAX]; /* to be answered at the next tick */
    unsigned open_n, probes, tables, observations;
    struct advice *advice;
    struct buf packed;
    double worst_ms; /* of one tick */
    double figure[FIGURES];
};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void see(struct bench *b, uint32_t egress, int group, const struct addr *to, uint8_t kind)
{
    double ms = 20 + (double)(egress * 7 % 50) + 5 * rnd_unit(&b->rnd);
    struct observation o = { .kind = kind,
                             .code = kind == OBS_MAIL ? 250 : 0,
                             .egress = slice_hash_stable(b->egress[egress].name),
                             .address = *to,
                             .at_us = b->now_ms * 1000,
                             .connect_us = kind == OBS_MAIL ? -1 : (int64_t)(1000 * ms),
                             .greeting_us = -1,
                             .rtt_us = (int64_t)(1000 * ms),
                             .app_rtt_us = -1,
                             .final_us = -1,
                             .segments = 12 };
    links_observe(b->links, &o, group, b->now_ms);
    b->observations++;
}

static void on_probe(void *arg, const struct links_probe *probe)
{
    struct bench *b = arg;
    b->probes++;
    if (b->open_n < PROBES_MAX)
        b->open[b->open_n++] = *probe;
}

static void answer(struct bench *b)
{
    for (unsigned i = 0; i < b->open_n; i++)
        see(b, b->open[i].egress, b->open[i].group, &b->open[i].address, OBS_PROBE);
    b->open_n = 0;
}

static void make(struct bench *b)
{
    struct links_hooks hooks = { on_probe, NULL, b };
    struct links_config config = { .egress_n = b->egress_n,
                                   .interval_ms = 15000,
                                   .per_egress = { 2, 1000 },
                                   .total = { 10, 1000 } };
    b->links = links_new(&hooks);
    b->egress = mem_array(b->egress_n, sizeof *b->egress);
    b->conf.egress.at = mem_array(b->egress_n, sizeof *b->conf.egress.at);
    b->conf.egress.n = b->egress_n;
    for (uint32_t e = 0; e < b->egress_n; e++) {
        char name[16];
        int n = snprintf(name, sizeof name, "e%u", e);
        b->egress[e] = (struct links_egress){ .name = slice_of(mem_strndup(name, (size_t)n)),
                                              .weight = 1,
                                              .v4 = true };
        b->conf.egress.at[e].name = b->egress[e].name;
        b->conf.egress.at[e].weight = 1;
    }
    config.egress = b->egress;
    links_configure(b->links, &config);
    for (uint32_t g = 0; g < b->groups; g++) {
        char carrier[16], region[16];
        snprintf(carrier, sizeof carrier, "c%u", g % 20);
        snprintf(region, sizeof region, "r%u", g);
        links_group(b->links, slice_of(carrier), slice_of(region));
    }
}

/* Mail by any egress to any group: with time every path is known. */
static void some_mail(struct bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t group = (uint32_t)rnd_below(&b->rnd, b->groups);
        struct addr to = { .family = ADDR_V4,
                           .bytes = { 10, (uint8_t)(group >> 8), (uint8_t)group,
                                      (uint8_t)rnd_below(&b->rnd, ADDRESSES) },
                           .port = 25 };
        uint32_t egress = (uint32_t)rnd_below(&b->rnd, b->egress_n);
        see(b, egress, (int)group, &to, i % 2 ? OBS_MAIL : OBS_CONNECT);
    }
}

static void tick(struct bench *b)
{
    double began = cpu_ms();
    answer(b);
    some_mail(b, OBSERVED * TICK_MS / 1000);
    links_tick(b->links, b->now_ms, &b->rnd);
    struct advice *made = links_advice(b->links, b->now_ms);
    if (made) {
        buf_clear(&b->packed);
        advice_pack(made, &b->packed);
        if (b->advice)
            advice_unref(&b->advice);
        b->advice = made;
        b->tables++;
    }
    double took = cpu_ms() - began;
    b->worst_ms = took > b->worst_ms ? took : b->worst_ms;
    b->now_ms += TICK_MS;
}

static void control(struct bench *b, int seconds)
{
    for (int i = 0; i < 60 * 1000 / TICK_MS; i++)
        tick(b); /* every path known */
    b->probes = b->tables = b->observations = 0;
    b->worst_ms = 0;
    double began = cpu_ms();
    for (int i = 0; i < seconds * 1000 / TICK_MS; i++)
        tick(b);
    double used = cpu_ms() - began;
    b->figure[CONTROL_SHARE] = used / 10 / seconds;
    printf("control: %.2f %% of a core (%u observations/s, %.1f probes/s, %.2f tables/s of %zu "
           "bytes; worst tick %.2f ms)\n",
           b->figure[CONTROL_SHARE], b->observations / (unsigned)seconds,
           (double)b->probes / seconds, (double)b->tables / seconds, buf_len(&b->packed),
           b->worst_ms);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void relay(struct bench *b)
{
    static double unpack[SWAPS], swap[SWAPS];
    struct paths *paths = paths_new(1, NULL);
    paths_reconfigure(paths, &b->conf);
    for (int i = 0; i < SWAPS; i++) {
        struct advice *got = NULL;
        double began = cpu_ms();
        if (advice_unpack(buf_slice(&b->packed), &got, NULL) != RC_OK)
            abort();
        unpack[i] = cpu_ms() - began;
        began = cpu_ms();
        paths_advise(paths, got);
        swap[i] = cpu_ms() - began;
    }
    paths_free(&paths);
    qsort(unpack, SWAPS, sizeof unpack[0], by_value);
    qsort(swap, SWAPS, sizeof swap[0], by_value);
    b->figure[SWAP_MS] = swap[SWAPS * 99 / 100];
    printf("relay: table unpacked in %.3f ms (main thread; 99 %%: %.3f), taken over by a worker in "
           "%.4f ms (99 %%: %.4f)\n",
           unpack[SWAPS / 2], unpack[SWAPS * 99 / 100], swap[SWAPS / 2], b->figure[SWAP_MS]);
}

static void choices(struct bench *b)
{
    struct egress_facts *facts = mem_array(b->egress_n, sizeof *facts);
    uint16_t *all = mem_array(b->egress_n, sizeof *all);
    struct choice_rows rows;
    static struct choice choice;
    choice_rows_fill(&b->conf, b->advice, &rows);
    for (uint32_t e = 0; e < b->egress_n; e++) {
        facts[e].usable = true;
        all[e] = (uint16_t)e;
    }
    struct choice_request q = { .conf = &b->conf,
                                .allowed = { all, b->egress_n },
                                .facts = facts,
                                .advice = b->advice,
                                .rows = &rows,
                                .now_ms = b->advice->made_ms,
                                .bytes = 20000,
                                .lane = LANE_NORMAL,
                                .tls = true,
                                .sticky = EGRESS_NONE,
                                .incumbent = EGRESS_NONE,
                                .sharers = 1 };
    double began = cpu_ms();
    for (int i = 0; i < CHOICES; i++) {
        q.group = i % (int)b->groups;
        q.sender = (uint64_t)i * 0x9e3779b97f4a7c15U;
        choose(&q, &b->rnd, &choice);
    }
    printf("relay: one choice among %u egresses in %.2f us\n", b->egress_n,
           1000 * (cpu_ms() - began) / CHOICES);
    free(facts);
    free(all);
}

/* As goals.py does for the others: the table of what was to be and what is. A figure that is no
 * number misses. */
static int judge(const struct bench *b)
{
    int missed = 0;
    for (int i = 0; i < FIGURES; i++) {
        bool reached = b->figure[i] <= goals[i].most;
        missed += !reached;
        printf("goal: %s: at most %g, is %.4g: %s\n", goals[i].what, goals[i].most, b->figure[i],
               reached ? "reached" : "missed");
    }
    return missed > 0;
}

/* The n-th argument, or `otherwise`. */
static uint32_t argument(int argc, char **argv, int n, uint32_t otherwise)
{
    return argc > n ? (uint32_t)strtoul(argv[n], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct bench b = { .egress_n = argument(argc, argv, 1, 50),
                       .groups = argument(argc, argv, 2, 200),
                       .now_ms = 1000000 };
    int seconds = (int)argument(argc, argv, 3, 120);
    if (b.egress_n < 1 || b.egress_n > CHOICE_MAX || b.groups < 1 || b.groups > LINKS_GROUPS_MAX ||
        seconds < 1)
        return 2;
    rnd_seed(&b.rnd, 1);
    buf_init(&b.packed, 8 << 20);
    make(&b);
    control(&b, seconds);
    relay(&b);
    choices(&b);
    return judge(&b);
}
