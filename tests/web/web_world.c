/*
 * tests/web/web_world — the web side of control with an invented world behind it
 *
 *     web_world FOLDER CONFIGURATION
 *
 *   Prints the port it serves on 127.0.0.1, then obeys lines on stdin, each answered by "ok", until
 *   its end:
 *
 *     brownout EGRESS CARRIER REGION   loss 8 %, round trip doubled, the group prefers another
 *     down EGRESS CARRIER REGION
 *     fault EGRESS                     its proxy is down
 *     listed EGRESS                    a list names its first address
 *     blocked EGRESS PROVIDER          this provider refuses its first address
 *     fine                             all is as in the beginning
 *     relay off | relay on             the relay's admin socket
 *     grow N                           N groups more
 *
 *   Egresses are those of the configuration; the first ones have made-up history of six hours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/admin/web.h"
#include "gateway/base/mem.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"
#include "policies/cost.h"
#include "policies/policies.h"
#include "tests/web/invented_minutes.h"
#include "tests/web/invented_relay.h"
#include "tests/web/invented_standing.h"

enum { GROUPS_MAX = 300, PLACES = 6 };

static const char *const places[PLACES][2] = {
    { "china-mobile", "north-china" }, { "china-mobile", "south-china" },
    { "china-telecom", "east-china" }, { "china-unicom", "north-china" },
    { "other", "americas" },           { "other", "europe" },
};

struct world {
    struct loop *loop;
    struct policies *policies;
    struct history *history;
    struct web *web;
    struct invented addresses;
    struct advice *advice;
    struct admin_server *relay; /* NULL: off */
    char relay_path[512];
    uint64_t version;
    unsigned more; /* groups */
    struct trouble {
        char egress[64], carrier[64], region[64];
        uint8_t state;
        double loss;
    } trouble;
    char fault[64]; /* of this egress */
    struct buf in;
};

static const struct conf *conf_of(const struct world *w)
{
    return policies_conf(w->policies);
}

/* ---- the relay ---- */

static void relay_on(struct world *w)
{
    int fd;
    struct err err;
    if (w->relay || listen_open_unix(w->relay_path, 0600, 16, &fd, &err) != RC_OK)
        return;
    w->relay = admin_server_new(w->loop, fd, invented_relay, w);
}

static void relay_off(struct world *w)
{
    admin_server_free(&w->relay);
    unlink(w->relay_path);
}

/* ---- the table ---- */

static bool in_trouble(const struct world *w, struct slice egress, const struct advice_group *g)
{
    return slice_eq_str(egress, w->trouble.egress) &&
           slice_eq_str(g->carrier, w->trouble.carrier) &&
           slice_eq_str(g->region, w->trouble.region);
}

static struct advice_path path_of(const struct world *w, struct slice egress, uint32_t e,
                                  const struct advice_group *group, uint32_t g)
{
    struct advice_path p = { .state = PATH_UP,
                             .rtt_ms = (float)(12 + 23 * ((e * 5 + g * 3) % 7)),
                             .rtt_var_ms = 2,
                             .loss = (e + g) % 5 == 0 ? 0.007f : 0.0005f,
                             .fail = 0.001f,
                             .goodput = 4000,
                             .samples = 40,
                             .age_ms = 2000 };
    if (in_trouble(w, egress, group)) {
        p.state = w->trouble.state;
        p.loss = (float)w->trouble.loss;
        p.rtt_ms *= 4;
    }
    if (e == 2 && g == 1)
        p = (struct advice_path){ .state = PATH_UNKNOWN };
    return p;
}

static void name_group(const struct world *w, struct advice *a, uint32_t g)
{
    char text[32];
    snprintf(text, sizeof text, "region-%03u", (unsigned)(g - PLACES));
    (void)w;
    a->group[g].carrier = advice_text(a, slice_of(g < PLACES ? places[g][0] : "zone"));
    a->group[g].region = advice_text(a, slice_of(g < PLACES ? places[g][1] : text));
    a->group[g].think_ms = 20;
}

/* The cheapest path of the group that is not down. */
static int16_t best_of(const struct advice *a, uint32_t g)
{
    int16_t best = ADVICE_NONE;
    double least = 0;
    for (uint32_t e = 0; e < a->egress_n; e++) {
        const struct advice_path *p = &a->path[e * a->group_n + g];
        double cost = cost_of_path(p, a->group[g].think_ms, 0, COST_SMALL_BYTES);
        bool usable = p->state == PATH_UP && a->egress[e].fault == EGRESS_FINE;
        if (usable && (best == ADVICE_NONE || cost < least)) {
            best = (int16_t)e;
            least = cost;
        }
    }
    return best;
}

static void make_advice(struct world *w)
{
    const struct conf *conf = conf_of(w);
    struct advice *a = advice_new((uint32_t)conf->egress.n, PLACES + w->more);
    a->version = ++w->version;
    a->made_ms = loop_now_ms(w->loop);
    for (uint32_t e = 0; e < a->egress_n; e++) {
        a->egress[e].name = advice_text(a, conf->egress.at[e].name);
        a->egress[e].share = 1;
        if (slice_eq_str(a->egress[e].name, w->fault))
            a->egress[e].fault = EGRESS_PROXY_DOWN;
    }
    for (uint32_t g = 0; g < a->group_n; g++) {
        name_group(w, a, g);
        for (uint32_t e = 0; e < a->egress_n; e++)
            a->path[e * a->group_n + g] = path_of(w, a->egress[e].name, e, &a->group[g], g);
        a->group[g].preferred = a->group[g].preferred_large = best_of(a, g);
    }
    if (w->advice)
        advice_unref(&w->advice);
    w->advice = a;
}

static const struct advice *give_advice(void *arg)
{
    return ((struct world *)arg)->advice;
}

static const struct conf *give_conf(void *arg)
{
    return conf_of(arg);
}

static const struct standing *give_standing(void *arg)
{
    return ((struct world *)arg)->addresses.core;
}

/* ---- history ---- */

static void tell(struct world *w, const struct links_event *event, int64_t at_ms)
{
    history_event(w->history, at_ms, event);
    web_event(w->web, at_ms, event);
}

static void make_history(struct world *w)
{
    int64_t now = loop_wall_ms(w->loop);
    invented_minutes(w->history, w->advice, conf_of(w), now);
    struct links_event e = { .kind = LINKS_SWITCH,
                             .carrier = slice_of(places[0][0]),
                             .region = slice_of(places[0][1]),
                             .from = w->advice->egress[0].name,
                             .to = w->advice->egress[1].name,
                             .from_ms = 610,
                             .to_ms = 240,
                             .reason = "loss 6.2 % over 90 s <b>not bold</b>" };
    history_event(w->history, now - 160ll * MINUTE_MS, &e);
    e.from = w->advice->egress[1].name;
    e.to = w->advice->egress[0].name;
    e.reason = "better by 35 % for 15 s";
    history_event(w->history, now - 128ll * MINUTE_MS, &e);
    invented_past(w->history, w->advice->egress[0].name, slice_of("127.0.0.11"), now);
}

/* ---- commands ---- */

static void tell_trouble(struct world *w, enum links_event_kind kind, int16_t before)
{
    struct links_event e = { .kind = kind,
                             .carrier = slice_of(w->trouble.carrier),
                             .region = slice_of(w->trouble.region),
                             .from = slice_of(w->trouble.egress),
                             .reason = "8 % loss, round trip doubled" };
    uint32_t g = 0;
    while (g < w->advice->group_n && !slice_eq(w->advice->group[g].region, e.region))
        g++;
    int16_t after = g < w->advice->group_n ? w->advice->group[g].preferred : before;
    if (kind == LINKS_SWITCH && after != ADVICE_NONE)
        e.to = w->advice->egress[after].name;
    tell(w, &e, loop_wall_ms(w->loop));
}

static void obey(struct world *w, char *line)
{
    char *words[4] = { NULL };
    size_t n = 0;
    for (char *word = line, *next; word && n < 4; word = next) {
        next = strchr(word, ' ');
        if (next)
            *next++ = '\0';
        words[n++] = word;
    }
    bool path = n == 4;
    if (path) {
        snprintf(w->trouble.egress, sizeof w->trouble.egress, "%s", words[1]);
        snprintf(w->trouble.carrier, sizeof w->trouble.carrier, "%s", words[2]);
        snprintf(w->trouble.region, sizeof w->trouble.region, "%s", words[3]);
        bool down = strcmp(words[0], "down") == 0;
        w->trouble.state = down ? PATH_DOWN : PATH_UP;
        w->trouble.loss = 0.08;
        make_advice(w);
        tell_trouble(w, down ? LINKS_PATH_DOWN : LINKS_SWITCH, 0);
    } else if (strcmp(words[0], "fault") == 0 && n == 2) {
        struct links_event e = { .kind = LINKS_EGRESS_FAULT,
                                 .from = slice_of(words[1]),
                                 .fault = EGRESS_PROXY_DOWN,
                                 .reason = "connection refused by the proxy" };
        snprintf(w->fault, sizeof w->fault, "%s", words[1]);
        make_advice(w);
        tell(w, &e, loop_wall_ms(w->loop));
    } else if (invented_obey(&w->addresses, words, n, loop_wall_ms(w->loop))) {
        make_advice(w);
    } else if (strcmp(words[0], "relay") == 0 && n == 2) {
        (strcmp(words[1], "on") == 0 ? relay_on : relay_off)(w);
    } else if (strcmp(words[0], "grow") == 0 && n == 2) {
        uint64_t more = 0;
        slice_to_u64(slice_of(words[1]), GROUPS_MAX, &more);
        w->more = (unsigned)more;
        make_advice(w);
    } else {
        struct links_event e = { .kind = LINKS_EGRESS_FINE, .from = slice_of(w->fault) };
        if (w->fault[0])
            tell(w, &e, loop_wall_ms(w->loop));
        w->trouble.egress[0] = w->fault[0] = '\0';
        make_advice(w);
    }
    puts("ok");
    fflush(stdout);
}

static void on_stdin(void *arg, int fd, unsigned what)
{
    struct world *w = arg;
    char bytes[512];
    (void)what;
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n <= 0) {
        loop_stop(w->loop);
        return;
    }
    buf_put(&w->in, bytes, (size_t)n);
    for (struct slice line, rest; slice_cut(buf_slice(&w->in), '\n', &line, &rest);) {
        char *copy = mem_strndup(line.p, line.n);
        buf_consume(&w->in, line.n + 1);
        obey(w, copy);
        free(copy);
    }
}

/* ---- start ---- */

static struct policies *load(const char *path)
{
    struct policies *policies = NULL;
    struct bundle *bundle = bundle_new_disk();
    struct conf_errors *errors = conf_errors_new();
    struct buf text;
    buf_init(&text, 1 << 16);
    if (policies_load(bundle, path, &policies, errors) != RC_OK) {
        conf_errors_put_text(errors, &text);
        fwrite(buf_slice(&text).p, 1, buf_len(&text), stderr);
    }
    buf_free(&text);
    conf_errors_free(&errors);
    bundle_free(&bundle);
    return policies;
}

static int serve(struct world *w, const char *folder)
{
    struct err err;
    struct addr address;
    int fd;
    struct web_env env = { .loop = w->loop,
                           .relay_path = w->relay_path,
                           .advice = give_advice,
                           .conf = give_conf,
                           .standing = give_standing,
                           .arg = w };
    addr_parse(slice_of("127.0.0.1:0"), &address);
    if (listen_open(&address, 64, &fd, &err) != RC_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    net_local_of(fd, &address);
    env.history = w->history = history_new(w->loop, folder, 30 * 24 * 3600 * 1000ll);
    w->web = web_new(&env);
    w->addresses = (struct invented){ .history = w->history, .web = w->web };
    invented_begin(&w->addresses, conf_of(w), loop_wall_ms(w->loop));
    web_listen(w->web, fd);
    make_advice(w);
    make_history(w);
    relay_on(w);
    printf("%u\n", (unsigned)address.port);
    fflush(stdout);
    struct loop_watch *watch = loop_watch_new(w->loop, 0, LOOP_READ, on_stdin, w);
    loop_run(w->loop);
    loop_watch_free(&watch);
    web_free(&w->web);
    standing_free(&w->addresses.core);
    history_free(&w->history);
    relay_off(w);
    return 0;
}

int main(int argc, char **argv)
{
    struct world w = { .loop = NULL };
    if (argc != 3)
        return 2;
    w.policies = load(argv[2]);
    if (!w.policies)
        return 78;
    snprintf(w.relay_path, sizeof w.relay_path, "%s/relay.sock", argv[1]);
    buf_init(&w.in, 4096);
    w.loop = loop_new();
    int status = serve(&w, argv[1]);
    advice_unref(&w.advice);
    policies_unref(&w.policies);
    buf_free(&w.in);
    loop_free(&w.loop);
    return status;
}
