#include "gateway/admin/relay_verbs.h"

const struct admin_verb relay_verbs[] = {
    { "queue", verb_queue },
    { "explain", verb_explain },
    { "deliveries", verb_deliveries },
    { NULL, NULL },
};
