/*
 * admin/filter — which mail an operator means: the filters of `waypost queue`
 *
 *   --to --from --domain --site (globs), --egress NAME (its route may use it), --priority LANE,
 *   --age 1h (at least so old), --id ID. The command line checks with the same code as the server.
 */
#ifndef WAYPOST_ADMIN_FILTER_H
#define WAYPOST_ADMIN_FILTER_H

#include "gateway/admin/request.h"
#include "gateway/queue/inspect.h"

extern const char *const filter_names[]; /* ends with NULL */

struct filter {
    struct queue_filter queue;
    struct slice egress;  /* empty: not asked for */
    struct slice *routes; /* names of the routes that may use it; filter_resolve() */
    size_t route_count;
    bool any; /* some filter was given */
};

/* Fills from the request's fields; memory from the arena. RC_PARSE with text for a person. Fields
 * that are no filters are left alone. */
enum rc filter_read(const struct request *request, struct arena *arena, struct filter *filter_r,
                    struct err *err);
/* Server side: finds the routes of --egress. The filter must stay where it is from here on. */
enum rc filter_resolve(struct filter *filter, const struct policies *policies, struct arena *arena,
                       struct err *err);

#endif
