#include "gateway/admin/web_names.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { NAME_MAX_BYTES = 256, NAMES_MAX = 4 * LINKS_GROUPS_MAX, TEXT_MAX = 1500, SHOWN_MAX = 1200 };

/* Each once, in the order they are met. */
struct names {
    struct slice at[NAMES_MAX];
    size_t n;
};

static void add(struct names *names, struct slice name)
{
    for (size_t i = 0; i < names->n; i++)
        if (slice_eq(names->at[i], name))
            return;
    if (name.n && names->n < NAMES_MAX)
        names->at[names->n++] = name;
}

static void collect_egresses(const struct live *live, struct names *names)
{
    for (size_t i = 0; i < live->conf->egress.n; i++)
        add(names, live->conf->egress.at[i].name);
}

static void collect_carriers(const struct live *live, struct names *names)
{
    const struct conf *conf = live->conf;
    for (size_t i = 0; i < conf->geo.carriers.n; i++)
        add(names, conf->geo.carriers.at[i].name);
    for (size_t i = 0; i < conf->geo.networks.n; i++)
        add(names, conf->geo.networks.at[i].carrier);
    for (size_t i = 0; i < conf->probes.beacons.n; i++)
        add(names, conf->probes.beacons.at[i].carrier);
    for (uint32_t i = 0; live->advice && i < live->advice->group_n; i++)
        add(names, live->advice->group[i].carrier);
    add(names, slice_of("other"));
    add(names, slice_of(LINKS_LEG_CARRIER));
}

static void collect_regions(const struct live *live, struct names *names)
{
    const struct conf *conf = live->conf;
    for (size_t i = 0; i < conf->geo.regions.n; i++)
        add(names, conf->geo.regions.at[i].name);
    for (size_t i = 0; i < conf->geo.networks.n; i++)
        add(names, conf->geo.networks.at[i].region);
    for (size_t i = 0; i < conf->probes.beacons.n; i++)
        add(names, conf->probes.beacons.at[i].region);
    for (uint32_t i = 0; live->advice && i < live->advice->group_n; i++)
        add(names, live->advice->group[i].region);
    add(names, slice_of("other"));
    add(names, slice_of(LINKS_LEG_REGION));
}

static const struct {
    const char *field;
    void (*collect)(const struct live *live, struct names *names);
} kinds[] = { { "egress", collect_egresses },
              { "carrier", collect_carriers },
              { "region", collect_regions } };

static bool fits(const struct names *names, const char *glob)
{
    char name[NAME_MAX_BYTES];
    for (size_t i = 0; i < names->n; i++) {
        (void)snprintf(name, sizeof name, "%.*s", SLICE_FMT(names->at[i]));
        if (fnmatch(glob, name, 0) == 0)
            return true;
    }
    return false;
}

static char *say(const char *field, const char *name, const struct names *names)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_printf(&text, "there is no %s \"%.200s\"; there are: ", field, name);
    for (size_t i = 0; i < names->n; i++) {
        if (buf_len(&text) + names->at[i].n > SHOWN_MAX) {
            buf_puts(&text, ", ...");
            break;
        }
        buf_puts(&text, i ? ", " : "");
        buf_put_slice(&text, names->at[i]);
    }
    struct slice said = buf_slice(&text);
    char *copy = mem_strndup(said.p, said.n);
    buf_free(&text);
    return copy;
}

static char *look_for(const struct live *live, size_t kind, const char *glob, bool whatever)
{
    struct names *names = mem_zero(sizeof *names);
    kinds[kind].collect(live, names);
    char *text = whatever || !fits(names, glob) ? say(kinds[kind].field, glob, names) : NULL;
    free(names);
    return text;
}

char *web_names_unknown(const struct web *web, const struct request *asked)
{
    struct live live = web_live_view(web);
    char *text = NULL;
    for (size_t i = 0; live.conf && !text && i < sizeof kinds / sizeof kinds[0]; i++) {
        const char *glob = request_get(asked, kinds[i].field);
        if (glob && glob[0])
            text = look_for(&live, i, glob, false);
    }
    return text;
}

char *web_names_no_egress(const struct web *web, const char *name)
{
    struct live live = web_live_view(web);
    return look_for(&live, 0, name, true);
}
