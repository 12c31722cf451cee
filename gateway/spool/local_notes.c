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
 *   The next opening reads what is noted: of each item the last word, which an end is in any case.
 *   It is written to the store, as far as the items are still there. Doing that to a group which
 *   the log has, too, changes nothing, so it does not matter at which moment the process died, or
 *   whether this one dies as well. One thing it can take back: a deferral that found no room, when
 *   an older one of the item is noted still.
 *
 *   When the disk takes nothing yet, the notes stay where they are, what waits is shown as they
 *   have it, and they are written with the first thing that can be (local_recover.c), before what
 *   this process itself has to say.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
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

/* The last word on an item. */
struct noted {
    struct write write;
    size_t n;
    char record[];
};

static void noted_free(void *noted)
{
    free(noted);
}

static void note_last_word(struct map *noted, const struct write *w, struct slice record)
{
    struct record_key key = record_item_key(w->id, w->sub);
    const struct noted *before = map_get(noted, record_key_slice(&key));
    if (before && before->write.kind == WRITE_DONE)
        return;
    struct noted *now = mem_zero(sizeof(*now) + record.n);
    now->write = *w;
    now->n = record.n;
    memcpy(now->record, record.p, record.n);
    noted_free(map_put(noted, record_key_slice(&key), now));
}

static void read_group(void *arg, struct slice group)
{
    struct cursor c = cur_of(group.p, group.n);
    while (cur_left(&c) > 0) {
        struct slice record;
        struct write w = note_take_write(&c, &record);
        if (c.bad)
            return;
        if (w.kind == WRITE_ITEM || w.kind == WRITE_DONE)
            note_last_word(arg, &w, record);
    }
}

void noted_read(struct local *local)
{
    uint32_t since = local->stored_epoch; /* the last one that could write, and who could not */
    if (!local->notes_dir)
        return;
    local->noted = map_new();
    notes_each(local->notes_dir, since, read_group, local->noted);
}

bool noted_item(const struct local *local, struct slice key, struct slice *stored)
{
    const struct noted *noted = local->noted ? map_get(local->noted, key) : NULL;
    if (!noted)
        return true;
    *stored = (struct slice){ noted->record, noted->n };
    return noted->write.kind != WRITE_DONE;
}

void noted_forget(struct local *local)
{
    if (local->noted)
        map_free(&local->noted, noted_free);
}

/* Or damaged: then the note is right. */
static bool is_there(struct local *local, struct slice key)
{
    char *value = NULL;
    size_t len = 0;
    struct err err;
    bool there = db_get(&local->main, FAMILY_ITEM, key, &value, &len, &err) != RC_NOT_FOUND;
    rocksdb_free(value);
    return there;
}

struct writing {
    struct local *local;
    int64_t ends, deferrals;
};

static bool write_noted(void *arg, struct slice key, void *value)
{
    struct writing *writing = arg;
    const struct noted *noted = value;
    if (!is_there(writing->local, key))
        return true;
    batch_add_write(writing->local, &noted->write, (struct slice){ noted->record, noted->n });
    if (noted->write.kind == WRITE_DONE)
        writing->ends++;
    else
        writing->deferrals++;
    return true;
}

enum rc noted_write(struct local *local, struct err *err)
{
    struct writing writing = { local, 0, 0 };
    enum rc rc = RC_OK;
    if (!local->noted || local->noted_written)
        return RC_OK;
    map_each(local->noted, write_noted, &writing);
    if (writing.deferrals + writing.ends > 0)
        rc = db_write(&local->main, local->batch, DB_SYNC, err);
    rocksdb_writebatch_clear(local->batch);
    local->drop_count = 0; /* chunks without a manifest go at the next start in any case */
    if (rc != RC_OK) {
        siblings_forget(local);
        return rc;
    }
    if (writing.deferrals + writing.ends > 0)
        log_info(NULL, "spool_notes_written", "ends", LOG_INT(writing.ends), "deferrals",
                 LOG_INT(writing.deferrals), NULL);
    notes_remove(local->notes_dir, local->epoch);
    local->noted_written = true;
    return RC_OK;
}
