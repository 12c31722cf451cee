#include "gateway/spool/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/folder.h"
#include "gateway/base/log.h"
#include "gateway/spool/relocate.h"
#include "gateway/spool/tiers.h"

static char *place_in(const char *dir, const char *folder, unsigned place)
{
    char name[16];
    snprintf(name, sizeof name, "%u", place);
    return path_in(folder, place == 0 && strcmp(folder, dir) == 0 ? "db" : name);
}

static const char *tier_of(const struct spool_conf *conf, unsigned place)
{
    if (conf->tier_count == 0)
        return conf->dir;
    return conf->tiers[place < conf->tier_count ? place : conf->tier_count - 1].path;
}

/* Places beyond the last tier take nothing new: their files leave as they are merged. */
static void lay_out(const struct spool_conf *conf, unsigned places, struct layout *l)
{
    l->n = conf->tier_count == 0 && places == 1 ? 0 : places;
    for (unsigned i = 0; i < l->n; i++) {
        l->sorted[i].path = place_in(conf->dir, tier_of(conf, i), i);
        l->sorted[i].size = i + 1 < conf->tier_count ? conf->tiers[i].size : 0;
    }
    l->bulk = path_in(tier_of(conf, SPOOL_TIERS_MAX), "bulk");
}

static enum rc bring(const char *from, const char *to, const char *ending, struct err *err)
{
    size_t count = 0;
    enum rc rc = strcmp(from, to) == 0 ? RC_OK : relocate(from, to, ending, &count, err);
    if (count > 0) {
        char files[24];
        snprintf(files, sizeof files, "%zu", count);
        log_info(NULL, "spool_files_moved", "from", from, "to", to, "files", files, NULL);
    }
    return rc;
}

static enum rc bring_from(const struct tiers *t, const char *folder, const struct spool_conf *conf,
                          const struct layout *l, struct err *err)
{
    enum rc rc = RC_OK;
    for (unsigned i = 0; rc == RC_OK && i < t->places; i++) {
        char *from = place_in(t->dir, folder, i);
        char *to = place_in(t->dir, tier_of(conf, i), i);
        rc = bring(from, to, ".sst", err);
        free(from);
        free(to);
    }
    if (rc == RC_OK) {
        char *bulk = path_in(folder, "bulk");
        rc = bring(bulk, l->bulk, "", err);
        free(bulk);
    }
    return rc;
}

static enum rc bring_all(const struct tiers *t, const struct spool_conf *conf,
                         const struct layout *l, struct err *err)
{
    enum rc rc = bring_from(t, t->dir, conf, l, err);
    for (unsigned i = 0; rc == RC_OK && i < t->n; i++)
        rc = bring_from(t, t->known[i].path, conf, l, err);
    return rc;
}

static void remove_folders(const struct tiers *t, const char *folder)
{
    char *bulk = path_in(folder, "bulk");
    for (unsigned i = 0; i < t->places; i++) {
        char *place = place_in(t->dir, folder, i);
        (void)rmdir(place);
        free(place);
    }
    (void)rmdir(bulk);
    free(bulk);
}

static enum rc leave_unwanted(const struct tiers *t, struct err *err)
{
    for (unsigned i = 0; i < t->n; i++)
        if (!t->known[i].wanted)
            remove_folders(t, t->known[i].path);
    return tiers_leave(t, err);
}

static enum rc settle(const struct tiers *t, const struct spool_conf *conf, const struct layout *l,
                      struct err *err)
{
    enum rc rc = t->changed ? tiers_take(t, err) : RC_OK;
    if (rc == RC_OK)
        rc = bring_all(t, conf, l, err);
    if (rc == RC_OK && t->changed)
        rc = leave_unwanted(t, err);
    return rc;
}

enum rc layout_settle(const struct spool_conf *conf, struct layout *layout_r, struct err *err)
{
    struct tiers tiers;
    *layout_r = (struct layout){ 0 };
    enum rc rc = tiers_find(&tiers, conf, err);
    if (rc == RC_OK) {
        lay_out(conf, tiers.places, layout_r);
        rc = settle(&tiers, conf, layout_r, err);
    }
    tiers_free(&tiers);
    return rc;
}

void layout_free(struct layout *layout)
{
    for (unsigned i = 0; i < layout->n; i++)
        free((char *)(uintptr_t)layout->sorted[i].path);
    free(layout->bulk);
    *layout = (struct layout){ 0 };
}
