#include "gateway/daemon/control_standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/daemon/control_learned.h"
#include "gateway/daemon/control_members.h"
#include "gateway/daemon/keeper.h"
#include "gateway/io/timer.h"
#include "reputation/standing_advice.h"

enum { TICK_MS = 1000, SAVE_TICKS = 10, COUNT_MAX = 10000 };
static const char FILE_NAME[] = "standing.bin";

struct control_standing {
    struct loop *loop;
    struct control_standing_env env;
    struct policies *policies; /* NULL: not configured yet */
    struct standing *core;
    struct control_learned *learned;
    struct keeper *keeper;
    uint64_t told;    /* the version that was in the last table */
    bool lost;        /* what was kept could not be read */
    bool unsaved;     /* a state has changed: it is written at the next tick */
    unsigned counted; /* ticks since figures alone have changed; 0: they have not */
    struct timer tick;
};

static const struct conf *conf_of(const struct control_standing *c)
{
    return policies_conf(c->policies);
}

static int64_t now(const struct control_standing *c)
{
    return loop_wall_ms(c->loop);
}

/* ---- kept on disk ---- */

static void save(struct control_standing *c)
{
    struct buf bytes;
    buf_init(&bytes, STANDING_PACK_MAX);
    standing_pack(c->core, &bytes);
    c->unsaved = false;
    c->counted = 0;
    keeper_save(c->keeper, FILE_NAME, buf_slice(&bytes));
    buf_free(&bytes);
}

/* Twice: the copy of before knows of it, too. */
bool control_standing_save_now(struct control_standing *c)
{
    save(c);
    bool kept = keeper_wait(c->keeper);
    save(c);
    return keeper_wait(c->keeper) && kept;
}

struct loading {
    struct control_standing *c;
    const struct standing_hooks *hooks;
};

static bool take_kept(void *arg, struct slice bytes, struct err *err)
{
    const struct loading *l = arg;
    return standing_unpack(bytes, l->hooks, &l->c->core, err) == RC_OK;
}

static void load(struct control_standing *c, const struct standing_hooks *hooks)
{
    struct loading loading = { c, hooks };
    enum rc rc = keeper_load(c->keeper, FILE_NAME, STANDING_PACK_MAX, take_kept, &loading);
    if (rc == RC_OK)
        return;
    c->core = standing_new(hooks, now(c));
    c->lost = rc != RC_NOT_FOUND;
    if (!c->lost)
        return;
    log_error(NULL, "standing_lost", "folder", c->env.folder, "instead",
              "all addresses begin in doubt, orders have to be given again", NULL);
    standing_doubt(c->core);
}

/* ---- changes ---- */

void control_standing_touched(struct control_standing *c)
{
    if (standing_version(c->core) == c->told)
        return;
    c->told = standing_version(c->core);
    c->counted = c->counted ? c->counted : 1;
    if (c->env.changed)
        c->env.changed(c->env.arg);
}

/* What could not be written is tried again as figures are written: not with every tick. */
static void try_again(struct control_standing *c)
{
    if (c->counted || !keeper_fails(c->keeper))
        return;
    c->counted = 1;
    control_learned_save(c->learned);
}

static void on_tick(struct timer *timer)
{
    struct control_standing *c = CONTAINER_OF(timer, struct control_standing, tick);
    standing_tick(c->core, now(c));
    control_learned_outdate(c->learned, c->core, now(c));
    control_standing_touched(c);
    try_again(c);
    if (c->unsaved || c->counted > SAVE_TICKS)
        save(c);
    c->counted += c->counted > 0;
    timer_set(c->loop, timer, TICK_MS);
}

static void log_event(const struct standing_event *e)
{
    char egress[64], address[ADDR_TEXT_MAX], provider[64], reason[STANDING_TEXT_MAX];
    snprintf(egress, sizeof egress, "%.*s", SLICE_FMT(e->egress));
    snprintf(provider, sizeof provider, "%.*s", SLICE_FMT(e->provider));
    snprintf(reason, sizeof reason, "%.*s", SLICE_FMT(e->reason));
    bool change = e->kind == STANDING_TRANSITION;
    log_info(NULL, standing_event_names[e->kind], "egress", egress, "address",
             addr_host_text(&e->address, address), "provider", provider, "from",
             change ? standing_state_names[e->from] : "", "to",
             change ? standing_state_names[e->to] : "", "reason", reason, NULL);
}

static void on_event(void *arg, const struct standing_event *event)
{
    struct control_standing *c = arg;
    log_event(event);
    c->unsaved = true;
    if (c->env.event)
        c->env.event(c->env.arg, event);
}

/* ---- configuration ---- */

void control_standing_configure(struct control_standing *c, struct policies *policies)
{
    struct policies *old = c->policies;
    c->policies = policies_ref(policies);
    const struct conf *conf = conf_of(c);
    struct standing_member *member = mem_array(STANDING_MEMBERS_MAX, sizeof *member);
    struct standing_set *pool = mem_array(STANDING_POOLS_MAX, sizeof *pool);
    struct slice *source =
        mem_array(conf->reputation.blocklists.n + conf->reputation.feeds.n + 1, sizeof *source);
    struct standing_config config = { .member = member,
                                      .pool = pool,
                                      .source = source,
                                      .min_active = (uint32_t)conf->reputation.min_active,
                                      .acknowledge = conf->reputation.acknowledge,
                                      .last_resort = (uint8_t)conf->reputation.last_resort };
    config.member_n = members_name(conf, member);
    config.source_n = members_sources(conf, source);
    config.pool_n = members_pools(policies, member, config.member_n, pool);
    standing_configure(c->core, &config, now(c));
    control_learned_configure(c->learned, conf);
    free(member);
    free(pool);
    free(source);
    if (old)
        policies_unref(&old);
    else
        timer_set(c->loop, &c->tick, TICK_MS);
    control_standing_touched(c);
}

/* ---- evidence ---- */

static const struct conf_egress *egress_hashed(const struct control_standing *c, uint64_t hash)
{
    const struct conf *conf = conf_of(c);
    for (size_t i = 0; i < conf->egress.n; i++)
        if (slice_hash_stable(conf->egress.at[i].name) == hash)
            return &conf->egress.at[i];
    return NULL;
}

/* Behind a proxy or NAT the receiver sees another address than we have; an egress of one address
 * leaves no doubt which is meant. */
static int member_of(const struct control_standing *c, const struct conf_egress *e,
                     const struct addr *source)
{
    struct addr one;
    const struct addr *address;
    size_t n = members_addresses(e, &one, &address);
    for (size_t i = 0; i < n; i++)
        if (addr_same_host(&address[i], source))
            return standing_find(c->core, e->name, &address[i]);
    return n == 1 ? standing_find(c->core, e->name, &address[0]) : STANDING_NONE;
}

/* By its egress, when that is all that is known of it. */
static int member_at(const struct control_standing *c, struct slice egress,
                     const struct addr *address)
{
    static const struct addr none = { .family = ADDR_NONE };
    int member = standing_find(c->core, egress, address);
    return member == STANDING_NONE ? standing_find(c->core, egress, &none) : member;
}

static int class_of(const struct reply_report *r)
{
    switch ((enum reply_class)r->class) {
    case REPLY_NONE:
        return STANDING_DELIVERED;
    case REPLY_IP_BLOCKED:
        return STANDING_IP_BLOCKED;
    case REPLY_IP_THROTTLED:
        return STANDING_IP_THROTTLED;
    case REPLY_CONTENT:
        return STANDING_CONTENT;
    case REPLY_GREYLIST:
    case REPLY_MAILBOX:
        return STANDING_NONE; /* nothing about us */
    case REPLY_DOMAIN_BLOCKED:
    case REPLY_AUTH:
    case REPLY_TLS:
    case REPLY_TEMP:
    case REPLY_CLASSES:
        break;
    }
    return STANDING_OTHER;
}

void control_standing_report(struct control_standing *c, const struct reply_report *r)
{
    const struct conf_egress *e = c->policies ? egress_hashed(c, r->egress) : NULL;
    int member = e ? member_of(c, e, &r->source) : STANDING_NONE, class = class_of(r);
    struct slice provider = slice_of(r->provider);
    if (e && control_learned_note(c->learned, e, &r->source) && c->env.learned)
        c->env.learned(c->env.arg);
    if (member == STANDING_NONE || class == STANDING_NONE)
        return;
    struct standing_reply reply = { .reply_class = (uint8_t) class,
                                    .temporary = r->code / 100 == 4,
                                    .names_us = r->names_us,
                                    .sender_domain = r->sender,
                                    .text = slice_of(r->text) };
    uint32_t count = r->count < COUNT_MAX ? r->count : COUNT_MAX;
    standing_take(c->core, member, provider, count, now(c)); /* it has been sent already */
    for (uint32_t i = 0; i < count; i++)
        standing_reply(c->core, member, provider, &reply, now(c));
    control_standing_touched(c);
}

/* Where the egress is all that is judged, the text says which address was listed. */
static void put_what(const struct control_standing *c, int member, const struct listing *l,
                     char text[STANDING_TEXT_MAX])
{
    struct standing_view v;
    char address[ADDR_TEXT_MAX];
    bool names = standing_view(c->core, member, now(c), &v) && v.address.family == ADDR_NONE;
    snprintf(text, STANDING_TEXT_MAX, "%s%s%s", names ? addr_host_text(&l->address, address) : "",
             names ? ": " : "", l->text[0] ? l->text : l->what);
}

void control_standing_listing(struct control_standing *c, struct slice egress,
                              const struct listing *l)
{
    char text[STANDING_TEXT_MAX];
    static const uint8_t verdicts[] = { [LIST_UNKNOWN] = STANDING_UNKNOWN,
                                        [LIST_CLEAR] = STANDING_CLEARED,
                                        [LIST_LISTED] = STANDING_IS_LISTED };
    int member = member_at(c, egress, &l->address);
    struct standing_check check = { .source = l->source, .verdict = verdicts[l->state] };
    if (member == STANDING_NONE)
        return;
    if (l->dead)
        check.verdict = STANDING_SILENT;
    else if (l->state == LIST_LISTED) {
        put_what(c, member, l, text);
        check.text = slice_of(text);
        check.points = l->kind == ZONE_REPORT ? 0 : l->points;
        check.hard = l->kind == ZONE_HARD;
        check.many = l->many;
    }
    standing_listing(c->core, member, &check, now(c));
    control_standing_touched(c);
}

static enum standing_name name_of(enum hygiene_state state)
{
    static const uint8_t names[] = { [HYGIENE_UNKNOWN] = STANDING_NAME_UNKNOWN,
                                     [HYGIENE_OK] = STANDING_NAME_OK,
                                     [HYGIENE_BROKEN] = STANDING_NAME_BROKEN };
    return (enum standing_name)names[state];
}

/* Names of one address say nothing of an egress that has several; nor does what was said while it
 * had one. */
static bool has_several(const struct control_standing *c, struct slice egress)
{
    struct addr address[LEARNED_EACH];
    return learned_of(control_learned_core(c->learned), egress, address) > 1;
}

void control_standing_hygiene(struct control_standing *c, struct slice egress,
                              const struct hygiene *h)
{
    int member = member_at(c, egress, &h->address);
    if (member == STANDING_NONE || addr_is_private(&h->address))
        return;
    bool several = has_several(c, egress);
    standing_hygiene(c->core, member, several ? STANDING_NAME_OK : name_of(h->reverse),
                     several ? STANDING_NAME_OK : name_of(h->ehlo), now(c));
    control_standing_touched(c);
}

/* An egress that was just added is in no table yet: nothing is known against it. */
static void learn_faults(struct control_standing *c, const struct advice *a)
{
    for (int m = 0; m < (int)standing_member_n(c->core); m++) {
        int row = advice_egress(a, standing_egress(c->core, m));
        enum egress_fault_kind fault =
            row == ADVICE_NONE ? EGRESS_FINE : (enum egress_fault_kind)a->egress[row].fault;
        standing_fault(c->core, m, fault, now(c));
    }
}

void control_standing_advise(struct control_standing *c, struct advice *a)
{
    learn_faults(c, a);
    standing_put_advice(c->core, now(c), a);
    control_standing_touched(c);
}

void control_standing_forget(struct control_standing *c, struct slice egress)
{
    if (control_learned_forget(c->learned, egress) && c->env.learned)
        c->env.learned(c->env.arg);
}

const struct learned *control_standing_learned(const struct control_standing *c)
{
    return control_learned_core(c->learned);
}

bool control_standing_lost(const struct control_standing *c)
{
    return c->lost;
}

struct standing *control_standing_core(struct control_standing *c)
{
    return c->core;
}

/* ---- life ---- */

struct control_standing *control_standing_new(const struct control_standing_env *env)
{
    struct control_standing *c = mem_zero(sizeof *c);
    c->loop = env->loop;
    c->env = *env;
    c->keeper = keeper_new(env->folder);
    struct standing_hooks hooks = { on_event, c };
    load(c, &hooks);
    c->learned = control_learned_new(c->loop, c->keeper);
    timer_init(&c->tick, on_tick);
    return c;
}

void control_standing_free(struct control_standing **standing)
{
    struct control_standing *c = *standing;
    if (!c)
        return;
    timer_stop(c->loop, &c->tick);
    save(c);
    keeper_free(&c->keeper);
    standing_free(&c->core);
    control_learned_free(&c->learned);
    if (c->policies)
        policies_unref(&c->policies);
    free(c);
    *standing = NULL;
}
