#include "gateway/admin/relay_verbs.h"

static void verb_links(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    (void)request;
    view->links(view->links_arg, call);
}

const struct admin_verb relay_verbs[] = {
    { "queue", verb_queue },
    { "explain", verb_explain },
    { "deliveries", verb_deliveries },
    { "totals", verb_totals },
    { "links", verb_links },
    { "under-way", verb_under_way },
    { NULL, NULL },
};
