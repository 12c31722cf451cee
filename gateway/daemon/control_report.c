#include "gateway/daemon/control_report.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/admin/web.h"
#include "gateway/base/mem.h"
#include "gateway/io/timer.h"

enum { MINUTE_MS = 60 * 1000, LATE_MS = 50 };
static const int64_t KEEP_MS =
    (int64_t)30 * 24 * 60 * MINUTE_MS; /* until a configuration says so */

struct control_report {
    struct loop *loop;
    char *relay_path;
    struct control_links *links;
    struct history *history;
    struct web *web;
    ino_t served; /* of the socket; 0: none */
    struct timer minute;
};

/* ---- what the web asks for ---- */

static const struct conf *conf_of(void *arg)
{
    const struct control_report *r = arg;
    const struct policies *policies = r->links ? control_links_policies(r->links) : NULL;
    return policies ? policies_conf(policies) : NULL;
}

static const struct advice *advice_of(void *arg)
{
    const struct control_report *r = arg;
    return r->links ? control_links_advice(r->links) : NULL;
}

static size_t metrics_of(void *arg, struct metric *out, size_t max)
{
    const struct control_report *r = arg;
    struct control_links_stats s;
    if (!r->links)
        return 0;
    control_links_get_stats(r->links, &s);
    const struct metric all[] = {
        { "observations_total", "What the relay's sessions told of paths.", true,
          (double)s.observations },
        { "observations_lost_total", "The same that the relay had to drop.", true, (double)s.lost },
        { "probes_total", "Probes done.", true, (double)s.probes },
        { "probes_failed_total", "Probes that failed.", true, (double)s.failed_probes },
        { "probes_refused_total", "Probes there was no room for.", true, (double)s.refused_probes },
        { "advice_tables_total", "Tables sent to the relay.", true, (double)s.tables },
        { "advice_line_up", "1: the line to the relay stands.", false, s.relay_open },
    };
    size_t n = sizeof all / sizeof all[0];
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = all[i];
    return n < max ? n : max;
}

/* ---- what is kept ---- */

static void wait_for_minute(struct control_report *r)
{
    int64_t into = loop_wall_ms(r->loop) % MINUTE_MS;
    timer_set(r->loop, &r->minute, MINUTE_MS - into + LATE_MS);
}

static void on_minute(struct timer *timer)
{
    struct control_report *r = CONTAINER_OF(timer, struct control_report, minute);
    int64_t before = loop_wall_ms(r->loop) - MINUTE_MS;
    wait_for_minute(r);
    if (!r->links)
        return;
    struct history_minute *minute = history_begin(r->history, before);
    links_minutes(control_links_core(r->links), loop_now_ms(r->loop), history_row, minute);
    history_write(&minute);
}

void control_report_event(void *arg, const struct links_event *event)
{
    struct control_report *r = arg;
    int64_t now_ms = loop_wall_ms(r->loop);
    history_event(r->history, now_ms, event);
    web_event(r->web, now_ms, event);
}

/* ---- life ---- */

struct control_report *control_report_new(struct loop *loop, const char *relay_path,
                                          const char *folder)
{
    struct control_report *r = mem_zero(sizeof *r);
    r->loop = loop;
    r->relay_path = mem_strdup(relay_path);
    r->history = history_new(loop, folder, KEEP_MS);
    struct web_env env = { .loop = loop,
                           .relay_path = r->relay_path,
                           .history = r->history,
                           .advice = advice_of,
                           .conf = conf_of,
                           .metrics = metrics_of,
                           .arg = r };
    r->web = web_new(&env);
    timer_init(&r->minute, on_minute);
    wait_for_minute(r);
    return r;
}

void control_report_free(struct control_report **r_p)
{
    struct control_report *r = *r_p;
    if (!r)
        return;
    timer_stop(r->loop, &r->minute);
    web_free(&r->web);
    history_free(&r->history);
    free(r->relay_path);
    free(r);
    *r_p = NULL;
}

void control_report_watch(struct control_report *r, struct control_links *links)
{
    r->links = links;
}

void control_report_configure(struct control_report *r)
{
    const struct conf *conf = conf_of(r);
    if (conf)
        history_set_keep(r->history, conf->report.history);
}

void control_report_listen(struct control_report *r, int fd)
{
    struct stat st = { 0 };
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == r->served) {
        close(fd);
        return;
    }
    r->served = fd >= 0 ? st.st_ino : 0;
    web_listen(r->web, fd);
}

void control_report_egress(const struct control_report *r, struct call *call,
                           const struct request *request)
{
    verb_egress(r->web, call, request);
}

void control_report_verb(struct control_report *r, struct call *call, const struct request *request)
{
    verb_report(r->history, r->loop, call, request);
}
