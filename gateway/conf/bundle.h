/*
 * conf/bundle — every file a configuration needs, read once, as one value
 *
 *   The supervisor and the command line read from disk (bundle_new_disk): each file that is asked
 * for is read once and recorded, failures too. The recorded bundle is packed, passed over a socket
 * and unpacked by processes that have no right to read those files; conf_load() gives the same
 * result from either. An unpacked bundle never touches the disk.
 *
 *   Paths are used as written after bundle_resolve(). Contents may be secrets: memory is wiped when
 *   the bundle is freed.
 *
 * Errors: RC_NOT_FOUND (no such file, or not in an unpacked bundle), RC_IO, RC_DENIED, RC_LIMIT
 * (file over BUNDLE_FILE_MAX, bundle over BUNDLE_TOTAL_MAX or BUNDLE_COUNT_MAX files), always with
 * text.
 */
#ifndef WAYPOST_CONF_BUNDLE_H
#define WAYPOST_CONF_BUNDLE_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

enum {
    BUNDLE_FILE_MAX = 4 << 20,
    BUNDLE_TOTAL_MAX = 64 << 20,
    BUNDLE_COUNT_MAX = 1000,
    BUNDLE_PACKED_MAX =
        BUNDLE_TOTAL_MAX + (8 << 20) /* limit for the buffer given to bundle_pack() */
};

struct bundle;

struct bundle *bundle_new_disk(void);
struct bundle *bundle_new(void); /* empty; knows only what bundle_put() adds */
void bundle_free(struct bundle **bundle);

/* The bytes of a file; valid as long as the bundle. err may be NULL. */
enum rc bundle_get(struct bundle *b, const char *path, struct slice *data_r, struct err *err);
/* Is there such a file (readable or not by us)? Recorded like contents, so it answers the same
 * later. */
enum rc bundle_stat(struct bundle *b, const char *path, struct err *err);
/* Adds or replaces a file; copies path and data. */
void bundle_put(struct bundle *b, const char *path, struct slice data);

/* Appends the packed form; RC_LIMIT when the buffer's limit is too small. */
enum rc bundle_pack(const struct bundle *b, struct buf *out);
/* RC_CORRUPT when the bytes are not a packed bundle; *bundle_r only set on RC_OK. */
enum rc bundle_unpack(struct slice packed, struct bundle **bundle_r, struct err *err);

/* The recorded files in the order they were asked for: to watch them, or to allow them in a
 * sandbox. */
size_t bundle_count(const struct bundle *b);
const char *bundle_path(const struct bundle *b, size_t i);
/* Same paths with the same bytes and errors? What a reload compares first. */
bool bundle_equal(const struct bundle *a, const struct bundle *b);

/* `name` seen from the file `base`: absolute stays, relative is joined to the folder of `base`.
 * Returns a malloc'd string. */
char *bundle_resolve(const char *base, struct slice name);

#endif
