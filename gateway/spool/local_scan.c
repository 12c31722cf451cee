/*
 * spool/local_scan — all items of earlier processes, page by page
 *
 *   A page is read on a reader thread, shown on the loop, and only then is the next one read. What
 *   this process itself has committed is told apart by its epoch, and left out. Items of which a
 *   note says something later are shown as the note has them (local_notes.c).
 *
 *   Damage: a record that makes no sense is set aside. Where RocksDB cannot read a whole block, the
 *   scan feels its way to the first key behind it (skip_damage) and goes on.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/spool/fetch.h"

enum { PAGE_BYTES = 4 << 20 };

struct scan {
    struct req req; /* must stay first */
    unsigned page_items, count;
    bool end;
    struct spool_item *items;
    struct buf text; /* dest and env of the page's items; offsets until the page is complete */
    struct buf plain;
    size_t key_len;
    char key[RECORD_KEY_MAX]; /* where the next page starts */
    spool_page_fn *cb;
    void *arg;
};

static void set_key(struct scan *scan, const void *key, size_t len)
{
    scan->key_len = len < RECORD_KEY_MAX ? len : RECORD_KEY_MAX;
    memcpy(scan->key, key, scan->key_len);
}

/* The smallest key behind the one the scan stands at. */
static void step_key(struct scan *scan)
{
    for (size_t i = scan->key_len; i > 0; i--)
        if (++*(unsigned char *)&scan->key[i - 1] != 0)
            return;
    scan->end = true; /* it was the last of all keys */
}

static void take_record(struct scan *scan, struct local *local, struct seal *seal, struct slice key,
                        struct slice stored)
{
    struct spool_item item;
    struct record_owner owner;
    struct slice latest = stored;
    enum rc rc = record_get_item(key, stored, seal, &scan->plain, &item, &owner);
    if (rc == RC_OK && owner.epoch == local->epoch)
        return;
    if (!noted_item(local, key, &latest))
        return;
    if (latest.p != stored.p)
        rc = record_get_item(key, latest, seal, &scan->plain, &item, &owner);
    if (rc != RC_OK) {
        aside_move(local, FAMILY_ITEM, key, "the item's record fails its check");
        return;
    }
    item.fence = (uint64_t)local->epoch << 32 | owner.chunks;
    buf_put_slice(&scan->text, item.dest);
    buf_put_slice(&scan->text, item.env);
    scan->items[scan->count++] = item;
}

/* dest and env lie one after the other in text, in the order of the items. */
static void fix_slices(struct scan *scan)
{
    const char *at = buf_slice(&scan->text).p;
    for (unsigned i = 0; i < scan->count; i++) {
        scan->items[i].dest.p = at;
        at += scan->items[i].dest.n;
        scan->items[i].env.p = at;
        at += scan->items[i].env.n;
    }
}

/* key_r = a + 2^bit, as big-endian numbers; false when that is beyond the last key. */
static bool key_plus(const char *a, unsigned bit, char key_r[ITEM_KEY])
{
    unsigned carry = 1U << bit % 8;
    memcpy(key_r, a, ITEM_KEY);
    for (size_t i = ITEM_KEY - 1 - bit / 8; carry; i--) {
        carry += (unsigned char)key_r[i];
        key_r[i] = (char)(carry & 0xff);
        carry >>= 8;
        if (i == 0)
            break;
    }
    return carry == 0;
}

/* With an iterator of its own: one that has met damage does not find back from it. */
static bool readable_at(struct local *local, const char *key)
{
    struct err err;
    rocksdb_iterator_t *it = db_iter(&local->main, FAMILY_ITEM);
    rocksdb_iter_seek(it, key, ITEM_KEY);
    bool readable = rocksdb_iter_valid(it) || db_iter_error(it, &err) == RC_OK;
    rocksdb_iter_destroy(it);
    return readable;
}

/* From the unreadable key the scan stands at to the first key from which reading works: the bits of
 * the distance are found from the highest that is still inside the damage downwards. */
static bool skip_damage(struct scan *scan, struct local *local)
{
    enum { BITS = ITEM_KEY * 8 };
    char at[ITEM_KEY] = { 0 }, probe[ITEM_KEY];
    memcpy(at, scan->key, scan->key_len < ITEM_KEY ? scan->key_len : ITEM_KEY);
    for (unsigned bit = BITS; bit-- > 0;) {
        if (key_plus(at, bit, probe) && !readable_at(local, probe))
            memcpy(at, probe, ITEM_KEY);
    }
    if (!key_plus(at, 0, probe) || !readable_at(local, probe))
        return false;
    set_key(scan, probe, ITEM_KEY);
    return true;
}

static void report_damage(struct scan *scan, struct local *local, const struct err *err)
{
    unsigned char id[SPOOL_ID_BYTES] = { 0 };
    memcpy(id, scan->key, scan->key_len < sizeof(id) ? scan->key_len : sizeof(id));
    aside_report(local, FAMILY_ITEM, spool_id_unpack(id), err->text);
}

/* Reads until the page is full (true), or the iterator ends, in damage or at its end. */
static bool fill_page(struct scan *scan, struct local *local, struct seal *seal,
                      rocksdb_iterator_t *it)
{
    for (rocksdb_iter_seek(it, scan->key, scan->key_len); rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        size_t key_len = 0, len = 0;
        if (scan->count == scan->page_items || buf_len(&scan->text) >= PAGE_BYTES)
            return true;
        const char *key = rocksdb_iter_key(it, &key_len);
        const char *value = rocksdb_iter_value(it, &len);
        take_record(scan, local, seal, (struct slice){ key, key_len },
                    (struct slice){ value, len });
        set_key(scan, key, key_len);
        step_key(scan);
    }
    return false;
}

static enum spool_rc read_page(struct scan *scan, struct local *local, struct seal *seal)
{
    struct err err = { .code = RC_OK };
    rocksdb_iterator_t *it = db_iter(&local->main, FAMILY_ITEM);
    enum rc rc = it ? RC_OK : RC_IO;
    bool full = it && fill_page(scan, local, seal, it);
    if (it && !full)
        rc = db_iter_error(it, &err);
    if (it)
        rocksdb_iter_destroy(it);
    if (full)
        return SPOOL_OK;
    if (rc == RC_CORRUPT) {
        report_damage(scan, local, &err);
        if (skip_damage(scan, local))
            return SPOOL_OK; /* the next page starts behind it */
    }
    scan->end = true;
    return rc == RC_OK ? SPOOL_OK : SPOOL_FAILED;
}

static void scan_run(struct req *req, struct seal *seal)
{
    struct scan *scan = (struct scan *)req;
    struct local *local = local_of(&req->port->port);
    scan->count = 0;
    buf_clear(&scan->text);
    db_lock(&local->main);
    enum spool_rc rc = read_page(scan, local, seal);
    db_unlock(&local->main);
    fix_slices(scan);
    req_done(req, rc);
}

static void scan_finish(struct req *req)
{
    struct scan *scan = (struct scan *)req;
    if (scan->count > 0)
        scan->cb(scan->arg, SPOOL_OK, scan->items, scan->count);
    if (!scan->end) {
        req_post(req->port, local_reader(req->port), req);
        return;
    }
    scan->cb(scan->arg, req->rc, NULL, 0);
    buf_free(&scan->text);
    buf_free(&scan->plain);
    free(scan->items);
    free(scan);
}

void local_scan(struct spool_port *port, unsigned page_items, spool_page_fn *cb, void *arg)
{
    struct scan *scan = mem_zero(sizeof(*scan));
    scan->req.run = scan_run;
    scan->req.finish = scan_finish;
    scan->page_items = page_items;
    scan->items = mem_array(page_items, sizeof(*scan->items));
    buf_init(&scan->text, PAGE_BYTES + SPOOL_ENV_MAX + SPOOL_DEST_MAX);
    buf_init(&scan->plain, RECORD_LIMIT);
    scan->cb = cb;
    scan->arg = arg;
    req_post(port_of(port), local_reader(port_of(port)), &scan->req);
}
