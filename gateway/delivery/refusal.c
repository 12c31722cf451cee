#include "gateway/delivery/refusal.h"

#include <stdio.h>

enum { KEY_MAX = 512 };

static bool is_own(const struct conf_egress *e, const struct addr *source)
{
    for (size_t i = 0; i < e->addresses.n; i++)
        if (addr_same_host(&e->addresses.at[i], source))
            return true;
    return false;
}

/* "name", or "name/address" when there are several. */
static struct slice key_of(const struct conf_egress *e, const struct addr *source,
                           char key[KEY_MAX])
{
    char address[ADDR_TEXT_MAX];
    if (e->addresses.n < 2 || !is_own(e, source))
        return e->name;
    int n = snprintf(key, KEY_MAX, "%.*s/%s", SLICE_FMT(e->name), addr_host_text(source, address));
    return (struct slice){ key, n < KEY_MAX ? (size_t)n : KEY_MAX - 1 };
}

bool refusal_note(struct item *item, const struct conf_egress *e, const struct addr *source)
{
    char key[KEY_MAX];
    return item_refuse(item, key_of(e, source, key));
}

bool refusal_covers(const struct item *item, const struct conf_egress *e, const struct addr *source)
{
    char key[KEY_MAX];
    return item->refused_n &&
           (item_refused(item, e->name) || item_refused(item, key_of(e, source, key)));
}

static bool family_is_left(const struct item *item, const struct conf_egress *e, uint8_t family)
{
    bool any = false;
    for (size_t i = 0; i < e->addresses.n; i++) {
        if (e->addresses.at[i].family != family)
            continue;
        any = true;
        if (!refusal_covers(item, e, &e->addresses.at[i]))
            return true;
    }
    return !any;
}

bool refusal_bars(const struct item *item, const struct conf_egress *e)
{
    if (!item->refused_n)
        return false;
    return item_refused(item, e->name) || !family_is_left(item, e, ADDR_V4) ||
           !family_is_left(item, e, ADDR_V6);
}
