/*
 * admin/verb_egress — `waypost egress list`: the ways out and their states with their evidence
 */
#include <string.h>

#include "gateway/admin/web_private.h"

enum { ROW_MAX = 1 << 20 };

void verb_egress(const struct web *web, struct call *call, const struct request *request)
{
    struct buf json;
    if (request->action[0] && strcmp(request->action, "list") != 0) {
        call_end(&call, false, SLICE_LIT("egress knows list only"));
        return;
    }
    buf_init(&json, ROW_MAX);
    for (size_t i = 0; i < web_egress_count(web); i++) {
        buf_clear(&json);
        web_put_egress(&json, web, i);
        call_row(call, buf_slice(&json));
    }
    buf_free(&json);
    call_end(&call, true, slice_of(""));
}
