/*
 * spool/local_recover — when the disk refuses a write, and when it takes writes again
 *
 *   1. Every commit of the failed batch is answered UNKNOWN, and its id kept. New commits are
 *      refused.
 *   2. Apply groups are held, and written anew later: forgetting them would deliver twice. Of the
 *      deferrals of an item only the last one is kept, so that what is held does not grow with the
 *      time that the disk is full.
 *   3. Twice a second a small file is written and flushed in the spool's folder. When that works,
 *      and there is space for the replay, the store is closed and opened again from its log: after
 *      a failed flush, memory and disk may differ, and only what the disk says counts.
 *   4. What an earlier process has noted is written, if this one could not before. What the failed
 *      commits may have left is deleted, so that the client's second try is not a second message;
 *      then the held groups are written, and the gate opens.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

enum { RETRY_MS = 500 };

void sick_enter(struct local *local, const struct err *err)
{
    struct sick *sick = &local->sick;
    sick->retry_ms = clock_mono_ms() + RETRY_MS;
    sick->err = *err;
    if (sick->sick)
        return;
    sick->sick = true;
    atomic_store(&local->is_full, room_is_full(err));
    atomic_store(&local->is_sick, true);
    local_health(local, sick->err.text);
}

static bool is_deferral(const struct group *group)
{
    return group->count == 1 && !group->add && group->writes[0].kind == WRITE_ITEM;
}

/* The older deferral of the item gets the content of this one, which is done with. */
static bool replace_held(struct local *local, struct group *group)
{
    struct record_key key = record_item_key(group->writes[0].id, group->writes[0].sub);
    struct group *older =
        local->sick.deferrals ? map_get(local->sick.deferrals, record_key_slice(&key)) : NULL;
    if (!older)
        return false;
    struct buf bytes = older->bytes;
    size_t cost = older->cost;
    struct write write = older->writes[0];
    older->bytes = group->bytes;
    older->cost = group->cost;
    older->writes[0] = group->writes[0];
    group->bytes = bytes;
    group->cost = cost;
    group->writes[0] = write;
    atomic_fetch_sub(&local->waiting, 1);
    atomic_fetch_sub(&local->waiting_bytes, group->cost);
    req_done(&group->req, SPOOL_OK);
    return true;
}

/* What comes later for the items of this group comes behind it. */
static void note_held(struct sick *sick, struct group *group)
{
    if (!sick->deferrals)
        sick->deferrals = map_new();
    for (unsigned i = 0; i < group->count; i++) {
        struct record_key key = record_item_key(group->writes[i].id, group->writes[i].sub);
        if (is_deferral(group))
            map_put(sick->deferrals, record_key_slice(&key), group);
        else
            map_del(sick->deferrals, record_key_slice(&key));
    }
}

void sick_hold(struct local *local, struct group *group)
{
    struct sick *sick = &local->sick;
    if (is_deferral(group) && replace_held(local, group))
        return;
    note_held(sick, group);
    group->req.chain = NULL;
    if (sick->held_tail)
        sick->held_tail->req.chain = &group->req;
    else
        sick->held_head = group;
    sick->held_tail = group;
}

struct group *sick_take_held(struct local *local)
{
    struct group *head = local->sick.held_head;
    local->sick.held_head = local->sick.held_tail = NULL;
    if (local->sick.deferrals)
        map_free(&local->sick.deferrals, NULL);
    return head;
}

void sick_give_up(struct local *local, const struct local_port *port)
{
    struct group *head = sick_take_held(local);
    struct req *next = NULL;
    for (struct req *req = head ? &head->req : NULL; req; req = next) {
        struct group *group = (struct group *)req;
        next = req->chain;
        if (req->port != port) {
            sick_hold(local, group);
            continue;
        }
        atomic_fetch_sub(&local->waiting, 1);
        atomic_fetch_sub(&local->waiting_bytes, group->cost);
        req_done(req, SPOOL_FAILED);
    }
}

void sick_undo(struct local *local, struct drop message)
{
    struct sick *sick = &local->sick;
    if (sick->undo_count == sick->undo_cap) {
        sick->undo_cap = sick->undo_cap ? sick->undo_cap * 2 : 64;
        sick->undo = mem_grow(sick->undo, sick->undo_cap, sizeof(*sick->undo));
    }
    sick->undo[sick->undo_count++] = message;
}

static void undo_items(struct local *local, rocksdb_iterator_t *it, struct spool_id id)
{
    struct record_key key = record_body_key(id);
    for (rocksdb_iter_seek(it, key.bytes, key.len); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t len = 0;
        const char *found = rocksdb_iter_key(it, &len);
        if (len != ITEM_KEY || memcmp(found, key.bytes, key.len) != 0)
            break;
        rocksdb_writebatch_delete_cf(local->batch, local->main.cf[FAMILY_ITEM], found, len);
    }
    rocksdb_writebatch_singledelete_cf(local->batch, local->main.cf[FAMILY_BODY], key.bytes,
                                       key.len);
}

/* The ids stay on the list until the deletion is on the disk. */
static enum rc undo_failed_commits(struct local *local, struct err *err)
{
    struct sick *sick = &local->sick;
    if (sick->undo_count == 0)
        return RC_OK;
    rocksdb_iterator_t *it = db_iter(&local->main, FAMILY_ITEM);
    for (size_t i = 0; it && i < sick->undo_count; i++)
        undo_items(local, it, sick->undo[i].id);
    if (it)
        rocksdb_iter_destroy(it);
    enum rc rc = db_write(&local->main, local->batch, DB_SYNC, err);
    rocksdb_writebatch_clear(local->batch);
    if (rc != RC_OK)
        return rc;
    bulk_drop(local, sick->undo, sick->undo_count);
    free(sick->undo);
    sick->undo = NULL;
    sick->undo_count = sick->undo_cap = 0;
    return RC_OK;
}

void sick_retry(struct local *local)
{
    struct sick *sick = &local->sick;
    struct err err = { .code = RC_OK };
    if (clock_mono_ms() < sick->retry_ms)
        return;
    sick->retry_ms = clock_mono_ms() + RETRY_MS;
    if (!room_ready(local, &err))
        return;
    wal_keep(local);
    if (db_reopen(&local->main, DB_WRITABLE, &err) != RC_OK || noted_write(local, &err) != RC_OK ||
        epoch_write(local, &err) != RC_OK || undo_failed_commits(local, &err) != RC_OK)
        return;
    wal_check(local);
    sick->sick = false;
    local->unsynced_since_ms = clock_mono_ms(); /* what was replayed may not be flushed */
    atomic_store(&local->is_sick, false);
    local_health(local, "the disk takes writes again");
}
