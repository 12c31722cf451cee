/*
 * admin/web_names — what a question may call an egress, a carrier or a region
 *
 *   A slip of the pen in a filter looks like "nothing was measured", which is believed. Known are
 *   the names of the configuration and those of the present table; whoever asks for another is told
 *   so, unless the history has rows of it: what the configuration no longer has may have a past.
 */
#ifndef WAYPOST_ADMIN_WEB_NAMES_H
#define WAYPOST_ADMIN_WEB_NAMES_H

#include "gateway/admin/web_private.h"

/* "there is no egress \"x\"; there are: ..." of the first of the globs in `asked` (egress, carrier,
 * region) that fits nothing; NULL: each fits something. The caller frees it. */
char *web_names_unknown(const struct web *web, const struct request *asked);
/* The same line about one egress. */
char *web_names_no_egress(const struct web *web, const char *name);

#endif
