#include "gateway/daemon/control_report.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/admin/web.h"
#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/daemon/control_parts.h"
#include "gateway/io/timer.h"

enum { MINUTE_MS = 60 * 1000, LATE_MS = 50, ROW_MAX = 1 << 20 };
/* A change of points that is worth a row in the history. */
static const double STEP = 0.5;
static const int64_t KEEP_MS =
    (int64_t)30 * 24 * 60 * MINUTE_MS; /* until a configuration says so */

struct control_report {
    struct loop *loop;
    char *relay_path;
    const struct control_parts *parts; /* NULL: none to look at */
    struct history *history;
    struct web *web;
    ino_t served; /* of the socket; 0: none */
    uint64_t state_events;
    double points[STANDING_MEMBERS_MAX]; /* of each member, as the history has them */
    struct timer minute;
};

/* ---- what the web asks for ---- */

static const struct conf *conf_of(void *arg)
{
    const struct control_report *r = arg;
    const struct policies *policies = r->parts ? control_links_policies(r->parts->links) : NULL;
    return policies ? policies_conf(policies) : NULL;
}

static const struct advice *advice_of(void *arg)
{
    const struct control_report *r = arg;
    return r->parts ? control_links_advice(r->parts->links) : NULL;
}

static const struct standing *standing_of(void *arg)
{
    const struct control_report *r = arg;
    return r->parts ? control_standing_core(r->parts->standing) : NULL;
}

static void put_addresses(const struct control_report *r, const char *glob, web_row_fn *row,
                          void *to)
{
    const struct standing *core = control_standing_core(r->parts->standing);
    int64_t now_ms = loop_wall_ms(r->loop);
    struct standing_view view;
    struct buf json;
    buf_init(&json, ROW_MAX);
    for (int m = 0; standing_view(core, m, now_ms, &view); m++) {
        if (glob && fnmatch(glob, view.egress.p, 0) != 0)
            continue;
        buf_clear(&json);
        json_open(&json, '{');
        json_cstr(&json, "kind", "address");
        json_str(&json, "egress", view.egress);
        standing_row_put(&json, core, m, now_ms);
        json_close(&json, '}');
        row(to, buf_slice(&json));
    }
    buf_free(&json);
}

static void reputation_of(void *arg, const char *glob, web_row_fn *row, void *to)
{
    const struct control_report *r = arg;
    if (!r->parts)
        return;
    put_addresses(r, glob, row, to);
    control_lists_rows(r->parts->lists, glob, row, to);
}

static size_t metrics_of(void *arg, struct metric *out, size_t max)
{
    const struct control_report *r = arg;
    struct control_links_stats s;
    if (!r->parts)
        return 0;
    control_links_get_stats(r->parts->links, &s);
    struct control_alarm_stats alarm = control_alarm_stats(r->parts->alarm);
    const struct metric all[] = {
        { "observations_total", "What the relay's sessions told of paths.", true,
          (double)s.observations },
        { "observations_lost_total", "The same that the relay had to drop.", true, (double)s.lost },
        { "probes_total", "Probes done.", true, (double)s.probes },
        { "probes_failed_total", "Probes that failed.", true, (double)s.failed_probes },
        { "probes_refused_total", "Probes there was no room for.", true, (double)s.refused_probes },
        { "advice_tables_total", "Tables sent to the relay.", true, (double)s.tables },
        { "address_events_total", "Changes of states of addresses and pools.", true,
          (double)r->state_events },
        { "alarms_total", "Messages to people.", true, (double)alarm.messages },
        { "alarms_lost_total", "Webhooks and mail to people given up.", true, (double)alarm.lost },
        { "advice_line_up", "1: the line to the relay stands.", false, s.relay_open },
    };
    size_t n = sizeof all / sizeof all[0];
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = all[i];
    return n < max ? n : max;
}

/* ---- what is kept ---- */

/* An address that is not known here has no text. */
static const char *address_of(const struct addr *address, char text[ADDR_TEXT_MAX])
{
    text[0] = '\0';
    return address->family == ADDR_NONE ? text : addr_host_text(address, text);
}

static void wait_for_minute(struct control_report *r)
{
    int64_t into = loop_wall_ms(r->loop) % MINUTE_MS;
    timer_set(r->loop, &r->minute, MINUTE_MS - into + LATE_MS);
}

static void keep_note(struct control_report *r, int64_t at_ms, const struct standing_note *note)
{
    history_standing(r->history, at_ms, note);
    web_standing(r->web, at_ms, note);
}

/* Evidence decays without an event: points are written as they go down. */
static void keep_points(struct control_report *r)
{
    const struct standing *core = control_standing_core(r->parts->standing);
    int64_t now_ms = loop_wall_ms(r->loop);
    struct standing_view v;
    char address[ADDR_TEXT_MAX];
    for (int m = 0; standing_view(core, m, now_ms, &v); m++) {
        if (fabs(v.points - r->points[m]) < STEP)
            continue;
        r->points[m] = v.points;
        struct standing_note note = { .kind = STANDING_NOTE_POINTS,
                                      .egress = v.egress,
                                      .address = slice_of(address_of(&v.address, address)),
                                      .to = slice_of(standing_state_names[v.state]),
                                      .points = v.points };
        history_standing(r->history, now_ms, &note);
    }
}

static void on_minute(struct timer *timer)
{
    struct control_report *r = CONTAINER_OF(timer, struct control_report, minute);
    int64_t before = loop_wall_ms(r->loop) - MINUTE_MS;
    wait_for_minute(r);
    if (!r->parts)
        return;
    struct history_minute *minute = history_begin(r->history, before);
    links_minutes(control_links_core(r->parts->links), loop_now_ms(r->loop), history_row, minute);
    history_write(&minute);
    keep_points(r);
}

void control_report_standing(struct control_report *r, const struct standing_event *e)
{
    static const uint8_t kinds[] = { [STANDING_TRANSITION] = STANDING_NOTE_STATE,
                                     [STANDING_POOL_EMPTY] = STANDING_NOTE_POOL_EMPTY,
                                     [STANDING_POOL_BACK] = STANDING_NOTE_POOL_BACK };
    char address[ADDR_TEXT_MAX];
    bool change = e->kind == STANDING_TRANSITION;
    r->state_events++;
    struct standing_note note = { .kind = kinds[e->kind],
                                  .egress = e->egress,
                                  .address = slice_of(address_of(&e->address, address)),
                                  .with = e->provider,
                                  .from = slice_of(change ? standing_state_names[e->from] : ""),
                                  .to = slice_of(change ? standing_state_names[e->to] : ""),
                                  .points = e->points,
                                  .reason = e->reason };
    keep_note(r, e->at_ms, &note);
}

void control_report_listing(struct control_report *r, struct slice egress, const struct listing *l)
{
    char address[ADDR_TEXT_MAX];
    struct standing_note note = { .kind = STANDING_NOTE_LISTING,
                                  .egress = egress,
                                  .address = slice_of(address_of(&l->address, address)),
                                  .with = l->source,
                                  .from = slice_of(listing_state_names[l->was]),
                                  .to = slice_of(listing_state_names[l->state]),
                                  .points = l->points,
                                  .reason = slice_of(l->text[0] ? l->text : l->what) };
    keep_note(r, loop_wall_ms(r->loop), &note);
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
                           .standing = standing_of,
                           .reputation = reputation_of,
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

void control_report_watch(struct control_report *r, const struct control_parts *parts)
{
    r->parts = parts;
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
    verb_report(r->web, call, request);
}
