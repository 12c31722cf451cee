#include "gateway/daemon/control_orders.h"

#include <string.h>

#include "gateway/base/json.h"
#include "gateway/report/standing_rows.h"

enum { ROW_MAX = 1 << 20, KNOWN_MAX = 4096 };

struct order {
    struct standing *core;
    int64_t now_ms;
    struct slice name, egress, address; /* address: empty: all */
};

bool control_order_find(const char *action, enum standing_order *order_r)
{
    for (int o = 0; o < STANDING_ORDERS; o++) {
        *order_r = (enum standing_order)o;
        if (strcmp(action, standing_order_names[o]) == 0)
            return true;
    }
    return false;
}

/* The next member that is meant, from *at on. */
static bool next_meant(const struct order *o, int *at, struct standing_view *view_r)
{
    char text[ADDR_TEXT_MAX];
    for (; standing_view(o->core, *at, o->now_ms, view_r); ++*at)
        if (slice_eq(view_r->egress, o->egress) &&
            (!o->address.n || slice_eq_str(o->address, addr_host_text(&view_r->address, text))))
            return true;
    return false;
}

static void answer_rows(const struct order *o, struct call *call)
{
    struct standing_view view;
    struct buf json;
    buf_init(&json, ROW_MAX);
    for (int m = 0; next_meant(o, &m, &view); m++) {
        buf_clear(&json);
        json_open(&json, '{');
        json_str(&json, "egress", view.egress);
        standing_row_put(&json, o->core, m, o->now_ms);
        json_close(&json, '}');
        call_row(call, buf_slice(&json));
    }
    buf_free(&json);
    call_end(&call, true, slice_of(""));
}

/* Names of egresses, or the addresses of the one that was named. */
static void put_known(const struct order *o, struct buf *text)
{
    struct standing_view view;
    char address[ADDR_TEXT_MAX];
    struct slice last = { "", 0 };
    struct order all = { .core = o->core, .now_ms = o->now_ms, .egress = o->egress };
    int at = 0;
    bool ours = next_meant(&all, &at, &view), first = true;
    for (int m = 0; standing_view(o->core, m, o->now_ms, &view); m++) {
        if (ours ? !slice_eq(view.egress, o->egress) : slice_eq(view.egress, last))
            continue;
        last = view.egress;
        buf_puts(text, first ? "" : ", ");
        buf_put_slice(text, view.egress);
        if (ours)
            buf_printf(text, "/%s", addr_host_text(&view.address, address));
        first = false;
    }
}

static void answer_unknown(const struct order *o, struct call *call)
{
    struct buf text;
    buf_init(&text, KNOWN_MAX);
    buf_printf(&text, "there is no egress \"%.*s\"; there are: ", SLICE_FMT(o->name));
    put_known(o, &text);
    call_end(&call, false, buf_slice(&text));
    buf_free(&text);
}

static void answer_denied(const struct order *o, enum standing_order order, struct call *call,
                          const struct err *why)
{
    struct buf text;
    buf_init(&text, KNOWN_MAX);
    buf_printf(&text, "%s %.*s changes nothing: %s", standing_order_names[order],
               SLICE_FMT(o->name), why->text);
    call_end(&call, false, buf_slice(&text));
    buf_free(&text);
}

/* One address that it changes is enough. */
static enum rc carry_out(const struct order *o, enum standing_order order, struct err *err)
{
    struct standing_view view;
    enum rc rc = RC_NOT_FOUND;
    for (int m = 0; next_meant(o, &m, &view); m++) {
        enum rc one = standing_order(o->core, m, order, o->now_ms, err);
        if (rc != RC_OK)
            rc = one;
    }
    return rc;
}

void control_order_run(struct control_standing *c, struct loop *loop, enum standing_order order,
                       struct call *call, const struct request *request)
{
    const char *name = request_get(request, "name");
    struct order o = { .core = control_standing_core(c),
                       .now_ms = loop_wall_ms(loop),
                       .name = slice_of(name) };
    struct err err = { .text = "" };
    slice_cut(o.name, '/', &o.egress, &o.address);
    enum rc rc = carry_out(&o, order, &err);
    if (rc == RC_OK) {
        if (order == STANDING_RESET)
            control_standing_forget(c, o.egress);
        control_standing_touched(c);
        if (control_standing_save_now(c))
            answer_rows(&o, call);
        else
            call_end(&call, false,
                     SLICE_LIT("it is in force, but could not be written: a restart "
                               "forgets it. See state_not_kept in the log"));
    } else if (rc == RC_NOT_FOUND) {
        answer_unknown(&o, call);
    } else {
        answer_denied(&o, order, call, &err);
    }
}
