#include "gateway/spool/tiers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/folder.h"
#include "gateway/base/mem.h"
#include "gateway/base/rnd.h"

enum { LINE_MAX_BYTES = 4352 };

static const char record_name[] = "tiers", fresh_name[] = "tiers-new";

/* ---- the record: <dir>/tiers ---- */

void tiers_free(struct tiers *t)
{
    for (unsigned i = 0; i < t->n; i++)
        free(t->known[i].path);
}

static struct known_tier *known_add(struct tiers *t, struct slice path, struct slice token)
{
    if (t->n == SPOOL_RECORDED_MAX || token.n != TIER_TOKEN)
        return NULL;
    struct known_tier *tier = &t->known[t->n++];
    *tier = (struct known_tier){ .path = mem_strndup(path.p, path.n) };
    memcpy(tier->token, token.p, TIER_TOKEN);
    return tier;
}

static bool take_line(struct tiers *t, struct slice line)
{
    struct slice word, rest, token, path;
    uint64_t places;
    if (slice_starts_with(line, "#"))
        return true;
    if (!slice_cut(line, ' ', &word, &rest))
        return false;
    if (slice_eq_str(word, "spool") && rest.n == TIER_ID) {
        memcpy(t->id, rest.p, TIER_ID);
        return true;
    }
    if (slice_eq_str(word, "places") && slice_to_u64(rest, SPOOL_TIERS_MAX, &places)) {
        t->places = (unsigned)places;
        return places > 0;
    }
    return slice_eq_str(word, "tier") && slice_cut(rest, ' ', &token, &path) && path.n &&
           known_add(t, path, token);
}

static enum rc record_read(struct tiers *t, struct err *err)
{
    char line[LINE_MAX_BYTES], *path = path_in(t->dir, record_name);
    enum rc rc = RC_OK;
    t->places = 1;
    FILE *file = fopen(path, "re");
    if (!file && errno != ENOENT)
        rc = err_set(err, RC_IO, "cannot read %s: %s", path, strerror(errno));
    for (unsigned n = 1; rc == RC_OK && file && fgets(line, sizeof line, file); n++)
        if (!take_line(t, (struct slice){ line, strcspn(line, "\n") }))
            rc = err_set(err, RC_CORRUPT, "%s:%u: not understood", path, n);
    if (rc == RC_OK && file && ferror(file))
        rc = err_set(err, RC_IO, "cannot read %s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    free(path);
    return rc;
}

/* A file of a line or some: whole or not there, on the disk when it returns. */
static enum rc put_file(const char *folder, const char *name, struct slice text, struct err *err)
{
    char *path = path_in(folder, name), *fresh = path_in(folder, fresh_name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        errno = ENOSPC; /* what a short write means */
    bool ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
    ok = ok && rename(fresh, path) == 0 && folder_sync(folder) == 0;
    enum rc rc = ok ? RC_OK : err_set(err, RC_IO, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(path);
    free(fresh);
    return rc;
}

static enum rc record_write(const struct tiers *t, bool all, struct err *err)
{
    struct buf text;
    buf_init(&text, SPOOL_RECORDED_MAX * LINE_MAX_BYTES);
    buf_puts(&text,
             "# The tiers of this spool. It is opened with all of them only; of a disk that is\n"
             "# lost for good, and the mail on it, take the line out.\n");
    buf_printf(&text, "spool %s\nplaces %u\n", t->id, t->places);
    for (unsigned i = 0; i < t->n; i++)
        if (all || t->known[i].wanted)
            buf_printf(&text, "tier %s %s\n", t->known[i].token, t->known[i].path);
    enum rc rc = put_file(t->dir, record_name, buf_slice(&text), err);
    buf_free(&text);
    return rc;
}

/* ---- marks ---- */

/* What the mark of a folder says; "": it has none. */
static void mark_read(const char *folder, char token_r[TIER_TOKEN + 1])
{
    char *path = path_in(folder, TIER_MARK);
    FILE *file = fopen(path, "re");
    memset(token_r, 0, TIER_TOKEN + 1);
    if (file && fread(token_r, 1, TIER_TOKEN, file) != TIER_TOKEN)
        memset(token_r, 0, TIER_TOKEN + 1);
    if (file)
        fclose(file);
    free(path);
}

/* TIER_ID characters behind what is there. */
static void draw(char *text)
{
    unsigned char bytes[TIER_ID / 2];
    rnd_system_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static struct known_tier *known_by_token(struct tiers *t, const char *token)
{
    for (unsigned i = 0; i < t->n; i++)
        if (strcmp(t->known[i].token, token) == 0)
            return &t->known[i];
    return NULL;
}

static bool is_recorded(const struct tiers *t, const char *path)
{
    for (unsigned i = 0; i < t->n; i++)
        if (strcmp(t->known[i].path, path) == 0)
            return true;
    return false;
}

static bool has_bulk(const char *folder)
{
    char *bulk = path_in(folder, "bulk");
    bool has = access(bulk, F_OK) == 0;
    free(bulk);
    return has;
}

/* `token` is what its mark says. One that is ours and not recorded was to become a tier when the
 * power went. */
static enum rc want_new(struct tiers *t, const char *path, char token[TIER_TOKEN + 1],
                        struct err *err)
{
    bool ours = strncmp(token, t->id, TIER_ID) == 0;
    if (!ours && token[0])
        return err_set(err, RC_DENIED, "%s belongs to another spool", path);
    if (strcmp(path, t->dir) != 0 && has_bulk(path))
        return err_set(err, RC_DENIED, "%s has bodies of mail that this spool does not know", path);
    if (strchr(path, '\n'))
        return err_set(err, RC_DENIED, "the path of a tier is one line: %s", path);
    if (!ours) {
        memcpy(token, t->id, TIER_ID);
        draw(token + TIER_ID);
    }
    struct known_tier *tier = known_add(t, slice_of(path), slice_of(token));
    if (!tier)
        return err_set(err, RC_LIMIT, "more than %d tiers", (int)SPOOL_RECORDED_MAX);
    tier->wanted = t->changed = true;
    return RC_OK;
}

/* A folder of the configuration that is known by its mark, perhaps under another path. */
static enum rc want_known(struct tiers *t, const char *path, struct err *err)
{
    char token[TIER_TOKEN + 1];
    mark_read(path, token);
    struct known_tier *tier = known_by_token(t, token);
    if (!tier)
        return RC_OK;
    if (tier->wanted)
        return err_set(err, RC_DENIED, "%s and %s are one folder", tier->path, path);
    if (strcmp(tier->path, path) != 0) {
        free(tier->path);
        tier->path = mem_strdup(path);
        t->changed = true;
    }
    tier->wanted = true;
    return RC_OK;
}

/* The others, when the paths of the known ones are right: new, or all_there() tells that a disk is
 * missing. */
static enum rc want_other(struct tiers *t, const char *path, struct err *err)
{
    char token[TIER_TOKEN + 1];
    mark_read(path, token);
    bool done = known_by_token(t, token) || is_recorded(t, path);
    return done ? RC_OK : want_new(t, path, token, err);
}

/* Of those that are recorded. */
static enum rc all_there(struct tiers *t, unsigned recorded, struct err *err)
{
    char token[TIER_TOKEN + 1];
    for (unsigned i = 0; i < recorded; i++) {
        mark_read(t->known[i].path, token);
        if (strcmp(token, t->known[i].token) != 0)
            return err_set(err, RC_NOT_FOUND,
                           "the tier %s of the spool is not there: is its disk mounted?",
                           t->known[i].path);
        t->changed = t->changed || !t->known[i].wanted;
    }
    return RC_OK;
}

static enum rc mark_all(const struct tiers *t, struct err *err)
{
    enum rc rc = RC_OK;
    for (unsigned i = 0; rc == RC_OK && i < t->n; i++)
        rc = put_file(t->known[i].path, TIER_MARK, slice_of(t->known[i].token), err);
    char token[TIER_TOKEN + 1];
    for (unsigned i = 0; rc == RC_OK && i < t->n; i++) {
        mark_read(t->known[i].path, token);
        if (strcmp(token, t->known[i].token) != 0)
            rc = err_set(err, RC_DENIED, "%s is the folder of another tier, too", t->known[i].path);
    }
    return rc;
}

/* Marks name the spool, so it has its name on the disk before it makes any. */
static enum rc name_spool(struct tiers *t, const struct spool_conf *conf, struct err *err)
{
    if (t->id[0] || conf->tier_count == 0)
        return RC_OK;
    draw(t->id);
    return record_write(t, true, err);
}

enum rc tiers_find(struct tiers *t, const struct spool_conf *conf, struct err *err)
{
    *t = (struct tiers){ .dir = conf->dir };
    enum rc rc = record_read(t, err);
    unsigned recorded = t->n;
    if (rc == RC_OK)
        rc = name_spool(t, conf, err);
    for (unsigned i = 0; rc == RC_OK && i < conf->tier_count; i++)
        rc = want_known(t, conf->tiers[i].path, err);
    for (unsigned i = 0; rc == RC_OK && i < conf->tier_count; i++)
        rc = want_other(t, conf->tiers[i].path, err);
    if (rc == RC_OK)
        rc = all_there(t, recorded, err);
    if (conf->tier_count > t->places) {
        t->places = conf->tier_count;
        t->changed = true;
    }
    return rc;
}

enum rc tiers_take(const struct tiers *t, struct err *err)
{
    enum rc rc = mark_all(t, err);
    return rc == RC_OK ? record_write(t, true, err) : rc;
}

enum rc tiers_leave(const struct tiers *t, struct err *err)
{
    enum rc rc = record_write(t, false, err);
    for (unsigned i = 0; rc == RC_OK && i < t->n; i++) {
        if (t->known[i].wanted)
            continue;
        char *mark = path_in(t->known[i].path, TIER_MARK);
        (void)unlink(mark);
        free(mark);
    }
    return rc;
}

size_t spool_tiers_recorded(const char *dir, char *paths_r[SPOOL_RECORDED_MAX])
{
    struct tiers t = { .dir = dir };
    size_t n = 0;
    (void)record_read(&t, NULL);
    for (; n < t.n; n++)
        paths_r[n] = mem_strdup(t.known[n].path);
    tiers_free(&t);
    return n;
}
