/*
 * admin/verb_egress — `waypost egress list`: the ways out, what their addresses are worth and why
 */
#include <stdlib.h>

#include "gateway/admin/web_names.h"

enum { ROW_MAX = 4 << 20 };

static struct slice name_of(const struct web *web, size_t egress)
{
    return web_live_view(web).conf->egress.at[egress].name;
}

static void end_unknown(const struct web *web, struct call *call, const char *name)
{
    char *text = web_names_no_egress(web, name);
    call_end(&call, false, slice_of(text));
    free(text);
}

void verb_egress(const struct web *web, struct call *call, const struct request *request)
{
    const char *name = request_get(request, "name");
    struct buf json;
    bool found = false;
    buf_init(&json, ROW_MAX);
    for (size_t i = 0; i < web_egress_count(web); i++) {
        if (name && !slice_eq_str(name_of(web, i), name))
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
