#include "reputation/listing.h"

#include <stddef.h>

enum { HARD_POINTS = 100 };

const char *const listing_state_names[] = { "unknown", "clear", "listed", NULL };
const char *const list_fault_names[LIST_FAULTS] = { "fine", "held", "many", "silent", "refused" };

enum zone_kind listing_kind_of(unsigned points)
{
    if (points == 0)
        return ZONE_REPORT;
    return points >= HARD_POINTS ? ZONE_HARD : ZONE_SOFT;
}
