/*
 * spool/local_notes — ends and deferrals that the log does not have yet outlive kill -9
 *
 *   Between spool_apply() and the write of its batch lies a flush that is under way, some tenths of
 *   a millisecond or, on a slow disk, much more. A process killed there would forget what was
 *   delivered meanwhile, and deliver it again. So the worker notes the group first (notes.h); the
 *   committer strikes the note out when the log has the group, in the order of the notes.
 *
 *   Groups with a new message are not noted: they happen as a whole or not at all, and the log
 *   alone decides. The same goes for what finds no room: then a crash repeats a delivery.
 *
 *   The next opening writes what is noted to the store, as far as the items are still there. Doing
 *   that to a group which the log has, too, changes nothing, so it does not matter at which moment
 *   the process died, or whether this one dies as well. One thing it can take back: a deferral that
 *   found no room, when an older one of the item is noted still.
 */
#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/spool/local.h"
#include "gateway/spool/notes.h"

enum { NOTED_MAX = NOTES_RING / 4 }; /* one long envelope must not push out the ends of many */

/* ---- noting ---- */

void note_put_write(struct buf *out, const struct write *w, struct slice record)
{
    put_u8(out, (uint8_t)w->kind);
    put_u64(out, w->id.ms);
    put_u32(out, w->id.seq);
    put_u16(out, w->id.node);
    put_u16(out, w->id.shard);
    put_u16(out, w->sub);
    put_u16(out, w->count);
    put_u32(out, w->chunks);
    put_slice32(out, record);
}

struct write note_take_write(struct cursor *c, struct slice *record_r)
{
    struct write w = { .kind = (enum write_kind)cur_u8(c) };
    w.id.ms = cur_u64(c);
    w.id.seq = cur_u32(c);
    w.id.node = cur_u16(c);
    w.id.shard = cur_u16(c);
    w.sub = cur_u16(c);
    w.count = cur_u16(c);
    w.chunks = cur_u32(c);
    *record_r = cur_slice32(c);
    return w;
}

void note_group(struct local_port *port, struct group *group)
{
    if (!port->notes || group->add || group->stale)
        return;
    buf_clear(&port->note);
    for (unsigned i = 0; i < group->count; i++)
        note_put_write(&port->note, &group->writes[i], write_value(group, i));
    if (!port->note.full)
        group->noted = notes_put(port->notes, buf_slice(&port->note));
}

void note_written(const struct group *group)
{
    if (group->noted)
        notes_strike(group->req.port->notes, group->noted);
}

void notes_begin(struct local_port *port)
{
    struct local *local = local_of(&port->port);
    buf_init(&port->note, NOTED_MAX);
    if (local->notes_dir)
        port->notes = notes_new(local->notes_dir, local->epoch, atomic_fetch_add(&local->ports, 1));
    if (local->notes_dir && !port->notes)
        log_warning(NULL, "spool_notes_missing", "dir", local->notes_dir, NULL);
}

void notes_end(struct local_port *port)
{
    notes_free(&port->notes);
    buf_free(&port->note);
}

/* ---- what another process left ---- */

struct replay {
    struct local *local;
    enum write_kind kind; /* the ones to be written now */
    int64_t count;
};

static bool is_there(struct local *local, struct spool_id id, uint16_t sub)
{
    struct record_key key = record_item_key(id, sub);
    char *value = NULL;
    size_t len = 0;
    struct err err;
    bool there =
        db_get(&local->main, FAMILY_ITEM, record_key_slice(&key), &value, &len, &err) == RC_OK;
    rocksdb_free(value);
    return there;
}

static void replay_group(void *arg, struct slice record)
{
    struct replay *replay = arg;
    struct cursor c = cur_of(record.p, record.n);
    while (cur_left(&c) > 0) {
        struct slice value;
        struct write w = note_take_write(&c, &value);
        if (c.bad)
            return;
        if (w.kind != replay->kind || !is_there(replay->local, w.id, w.sub))
            continue;
        batch_add_write(replay->local, &w, value);
        replay->count++;
    }
}

enum rc notes_replay(struct local *local, struct err *err)
{
    if (!local->notes_dir)
        return RC_OK;
    uint32_t since = local->stored_epoch; /* the last one that could write, and who could not */
    struct replay deferrals = { local, WRITE_ITEM, 0 }, ends = { local, WRITE_DONE, 0 };
    notes_each(local->notes_dir, since, replay_group, &deferrals);
    notes_each(local->notes_dir, since, replay_group, &ends); /* an end is the last word */
    enum rc rc = RC_OK;
    if (deferrals.count + ends.count > 0)
        rc = db_write(&local->main, local->batch, DB_SYNC, err);
    rocksdb_writebatch_clear(local->batch);
    local->drop_count = 0; /* chunks without a manifest go in any case */
    if (rc != RC_OK)
        return rc;
    if (deferrals.count + ends.count > 0)
        log_info(NULL, "spool_notes_written", "ends", LOG_INT(ends.count), "deferrals",
                 LOG_INT(deferrals.count), NULL);
    notes_remove_all(local->notes_dir);
    return RC_OK;
}
