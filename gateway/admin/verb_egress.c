/*
 * admin/verb_egress — `waypost egress list`: the ways out, what their addresses are worth and why
 */
#include <string.h>

#include "gateway/admin/web_private.h"

enum { ROW_MAX = 4 << 20, KNOWN_MAX = 4096 };

struct slice web_egress_name(const struct web *web, size_t egress)
{
    return web_live_view(web).conf->egress.at[egress].name;
}

void web_put_unknown_egress(struct buf *text, const struct web *web, const char *name)
{
    buf_init(text, KNOWN_MAX);
    buf_printf(text, "there is no egress \"%.255s\"; there are: ", name);
    for (size_t i = 0; i < web_egress_count(web); i++) {
        buf_puts(text, i ? ", " : "");
        buf_put_slice(text, web_egress_name(web, i));
    }
}

static void end_unknown(const struct web *web, struct call *call, const char *name)
{
    struct buf text;
    web_put_unknown_egress(&text, web, name);
    call_end(&call, false, buf_slice(&text));
    buf_free(&text);
}

void verb_egress(const struct web *web, struct call *call, const struct request *request)
{
    const char *name = request_get(request, "name");
    struct buf json;
    bool found = false;
    buf_init(&json, ROW_MAX);
    for (size_t i = 0; i < web_egress_count(web); i++) {
        if (name && !slice_eq_str(web_egress_name(web, i), name))
            continue;
        found = true;
        buf_clear(&json);
        web_put_egress(&json, web, i);
        call_row(call, buf_slice(&json));
    }
    buf_free(&json);
    if (name && !found)
        end_unknown(web, call, name);
    else
        call_end(&call, true, slice_of(""));
}
