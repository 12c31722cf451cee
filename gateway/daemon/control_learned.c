#include "gateway/daemon/control_learned.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

static const char FILE_NAME[] = "learned.bin";

struct control_learned {
    struct loop *loop;
    struct keeper *keeper;
    struct learned *core;
};

static bool take_kept(void *arg, struct slice bytes, struct err *err)
{
    struct control_learned *c = arg;
    return learned_unpack(bytes, loop_now_ms(c->loop), &c->core, err) == RC_OK;
}

struct control_learned *control_learned_new(struct loop *loop, struct keeper *keeper)
{
    struct control_learned *c = mem_zero(sizeof *c);
    c->loop = loop;
    c->keeper = keeper;
    if (keeper_load(keeper, FILE_NAME, LEARNED_PACK_MAX, take_kept, c) != RC_OK)
        c->core = learned_new();
    return c;
}

void control_learned_free(struct control_learned **learned)
{
    struct control_learned *c = *learned;
    if (!c)
        return;
    learned_free(&c->core);
    free(c);
    *learned = NULL;
}

static bool turns_out(const struct conf_egress *e)
{
    return e->addresses.n == 0 && e->via.source.family == ADDR_NONE &&
           (e->via.kind == CONF_VIA_NONE || e->via.kind == CONF_VIA_SOCKS5);
}

void control_learned_configure(struct control_learned *c, const struct conf *conf)
{
    struct slice *names = mem_array(conf->egress.n + 1, sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < conf->egress.n; i++)
        if (turns_out(&conf->egress.at[i]))
            names[n++] = conf->egress.at[i].name;
    learned_retain(c->core, names, n);
    free(names);
}

void control_learned_save(struct control_learned *c)
{
    struct buf bytes;
    buf_init(&bytes, LEARNED_PACK_MAX);
    learned_pack(c->core, &bytes);
    keeper_save(c->keeper, FILE_NAME, buf_slice(&bytes));
    buf_free(&bytes);
}

bool control_learned_note(struct control_learned *c, const struct conf_egress *e,
                          const struct addr *source)
{
    char address[ADDR_TEXT_MAX];
    if (!turns_out(e) || !learned_note(c->core, e->name, source, loop_now_ms(c->loop)))
        return false;
    log_info(NULL, "egress_address_learned", "egress", e->name.p, "address",
             addr_host_text(source, address), NULL);
    control_learned_save(c);
    return true;
}

bool control_learned_forget(struct control_learned *c, struct slice egress)
{
    if (!learned_forget(c->core, egress))
        return false;
    control_learned_save(c);
    return true;
}

void control_learned_outdate(const struct control_learned *c, struct standing *core,
                             int64_t wall_ms)
{
    struct standing_evidence e[STANDING_LISTINGS_MAX];
    struct addr address[LEARNED_EACH];
    struct standing_view v;
    for (int m = 0; standing_view(core, m, wall_ms, &v); m++) {
        if (v.address.family != ADDR_NONE || learned_of(c->core, v.egress, address))
            continue;
        uint32_t n = standing_evidence(core, m, wall_ms, e, STANDING_LISTINGS_MAX);
        for (uint32_t i = 0; i < n && e[i].kind == STANDING_EV_LISTED && e[i].standing; i++) {
            struct standing_check silent = { .source = e[i].source, .verdict = STANDING_SILENT };
            standing_listing(core, m, &silent, wall_ms);
        }
    }
}

const struct learned *control_learned_core(const struct control_learned *c)
{
    return c->core;
}
