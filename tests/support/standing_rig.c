#include "tests/support/standing_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

static const char *const names[RIG_MEMBERS] = { "a", "b", "c", "d", "e", "f", "g", "h" };

static void on_event(void *arg, const struct standing_event *e)
{
    struct standing_rig *r = arg;
    uint32_t line = r->events++;
    if (line >= RIG_EVENTS)
        return;
    if (e->kind != STANDING_TRANSITION) {
        (void)snprintf(r->log[line], sizeof r->log[0], "%s %d", standing_event_names[e->kind],
                       e->pool);
        return;
    }
    assert_true((e->from != e->to || e->to == STANDING_BLOCKED) && e->reason.n > 0 &&
                e->at_ms == r->now_ms);
    (void)snprintf(r->log[line], sizeof r->log[0], "%.*s%s%.*s %s>%s%s: %.*s", SLICE_FMT(e->egress),
                   e->provider.n ? "@" : "", SLICE_FMT(e->provider), standing_state_names[e->from],
                   standing_state_names[e->to], e->alone ? ", alone" : "", SLICE_FMT(e->reason));
}

static struct standing_hooks hooks_of(struct standing_rig *r)
{
    return (struct standing_hooks){ on_event, r };
}

void sr_open(struct standing_rig *r, uint32_t members)
{
    memset(r, 0, sizeof *r);
    struct standing_hooks hooks = hooks_of(r);
    r->now_ms = 1750000000000;
    r->s = standing_new(&hooks, r->now_ms);
    for (uint32_t i = 0; i < members; i++)
        r->member[i] =
            (struct standing_member){ .egress = slice_of(names[i]),
                                      .address = { .family = ADDR_V4,
                                                   .bytes = { 192, 0, 2, (uint8_t)(i + 1) } } };
    r->config.member = r->member;
    r->config.member_n = members;
    sr_configure(r);
}

void sr_close(struct standing_rig *r)
{
    standing_free(&r->s);
    assert_null(r->s);
}

int sr_set_up(void **state)
{
    struct standing_rig *r = mem_zero(sizeof *r);
    sr_open(r, 4);
    *state = r;
    return 0;
}

int sr_tear_down(void **state)
{
    sr_close(*state);
    free(*state);
    return 0;
}

void sr_configure(struct standing_rig *r)
{
    standing_configure(r->s, &r->config, r->now_ms);
}

void sr_restart(struct standing_rig *r)
{
    struct standing_hooks hooks = hooks_of(r);
    struct buf kept;
    struct err err;
    buf_init(&kept, STANDING_PACK_MAX);
    standing_pack(r->s, &kept);
    assert_false(kept.full);
    standing_free(&r->s);
    assert_int_equal(standing_unpack(buf_slice(&kept), &hooks, &r->s, &err), RC_OK);
    buf_free(&kept);
    sr_configure(r);
}

void sr_clear(struct standing_rig *r)
{
    memset(r->log, 0, sizeof r->log);
    r->events = 0;
}

void sr_wait(struct standing_rig *r, int64_t ms)
{
    for (int64_t end = r->now_ms + ms; r->now_ms < end;) {
        r->now_ms += end - r->now_ms < RIG_MINUTE ? end - r->now_ms : RIG_MINUTE;
        standing_tick(r->s, r->now_ms);
    }
}

static void tell_idle(const struct standing_rig *r)
{
    for (int m = 0; r->idle && m < (int)standing_member_n(r->s); m++)
        standing_sessions(r->s, m, 0, r->now_ms);
}

void sr_reply(struct standing_rig *r, int m, const char *provider, enum standing_class c,
              uint64_t domain, bool names_us)
{
    struct standing_reply reply = { .reply_class = (uint8_t)c,
                                    .temporary = c == STANDING_IP_THROTTLED,
                                    .names_us = names_us,
                                    .sender_domain = domain,
                                    .text = slice_of("5xx\r\nyes") };
    standing_reply(r->s, m, slice_of(provider), &reply, r->now_ms);
    tell_idle(r);
}

void sr_deliver(struct standing_rig *r, int m, const char *provider, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sr_reply(r, m, provider, STANDING_DELIVERED, i, false);
}

static void check(struct standing_rig *r, int m, const char *source, double points, bool hard,
                  enum standing_verdict verdict)
{
    struct standing_check c = { .source = slice_of(source),
                                .text = slice_of("see https://list.example/"),
                                .points = points,
                                .hard = hard,
                                .verdict = (uint8_t)verdict };
    standing_listing(r->s, m, &c, r->now_ms);
    tell_idle(r);
}

void sr_list(struct standing_rig *r, int m, const char *source, double points, bool hard)
{
    check(r, m, source, points, hard, STANDING_IS_LISTED);
}

void sr_clear_check(struct standing_rig *r, int m, const char *source)
{
    check(r, m, source, 0, false, STANDING_CLEARED);
}

void sr_silent(struct standing_rig *r, int m, const char *source)
{
    check(r, m, source, 0, false, STANDING_SILENT);
}

void sr_names(struct standing_rig *r, int m, enum standing_name fcrdns)
{
    standing_hygiene(r->s, m, fcrdns, STANDING_NAME_OK, r->now_ms);
}

void sr_condemn(struct standing_rig *r, int m)
{
    sr_reply(r, m, "p", STANDING_IP_BLOCKED, 1, true);
    sr_reply(r, m, "q", STANDING_IP_BLOCKED, 1, true);
}

enum rc sr_order(struct standing_rig *r, int m, enum standing_order order)
{
    struct err err;
    return standing_order(r->s, m, order, r->now_ms, &err);
}

struct standing_view sr_view(const struct standing_rig *r, int m)
{
    struct standing_view v;
    assert_true(standing_view(r->s, m, r->now_ms, &v));
    return v;
}

struct standing_provider_view sr_provider(const struct standing_rig *r, int m, const char *provider)
{
    struct standing_provider_view v;
    assert_true(standing_provider_find(r->s, m, slice_of(provider), r->now_ms, &v));
    return v;
}

double sr_points(const struct standing_rig *r, int m)
{
    return sr_view(r, m).points;
}

void sr_state(const struct standing_rig *r, int m, enum standing_state state)
{
    struct standing_view v = sr_view(r, m);
    assert_string_equal(standing_state_names[v.state], standing_state_names[state]);
}

bool sr_logged(const struct standing_rig *r, const char *text)
{
    for (uint32_t i = 0; i < r->events && i < RIG_EVENTS; i++)
        if (strstr(r->log[i], text))
            return true;
    return false;
}
