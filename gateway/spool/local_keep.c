/*
 * spool/local_keep — the keeper thread: free space, the gate, space of dropped bodies
 *
 *   Once a second it asks every file system of the spool for its free space. Chunks of dropped
 *   bodies leave their files with a compaction over their keys, which only moves references; it
 *   runs when enough has gathered, or after COMPACT_AFTER_MS.
 */
#include <stdlib.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

enum { TICK_MS = 1000, COMPACT_AFTER_MS = 2000, COMPACT_CHUNKS = 1024, DISK_TEXT = 96 };

struct dropped {
    struct req req; /* must stay first; no port */
    struct drop message;
};

/* What waits to be compacted. */
struct keeper {
    struct local *local;
    int64_t since_ms; /* 0: nothing */
    uint64_t chunks;
    struct spool_id from, to;
};

enum spool_gate local_gate(const struct spool *spool)
{
    struct local *local = (struct local *)(uintptr_t)spool;
    if (atomic_load_explicit(&local->closing, memory_order_relaxed))
        return SPOOL_GATE_CLOSING;
    if (atomic_load_explicit(&local->is_sick, memory_order_relaxed))
        return atomic_load_explicit(&local->is_full, memory_order_relaxed) ? SPOOL_GATE_DISK_LOW
                                                                           : SPOOL_GATE_SICK;
    if (atomic_load_explicit(&local->disk_low, memory_order_relaxed))
        return SPOOL_GATE_DISK_LOW;
    if (atomic_load_explicit(&local->waiting_bytes, memory_order_relaxed) > local->mem_max)
        return SPOOL_GATE_BUSY;
    return SPOOL_GATE_OPEN;
}

void local_health(struct local *local, const char *why)
{
    enum spool_gate gate = local_gate(&local->spool);
    if (local->events.health)
        local->events.health(local->events.arg, gate, why);
    else
        log_warning(NULL, "spool_gate_changed", "gate", spool_gate_name(gate), "reason", why, NULL);
}

void keeper_look(struct local *local)
{
    uint64_t least = room_free(local);
    atomic_store(&local->free_bytes, least);
    bool low = least < local->min_free;
    if (low != atomic_exchange(&local->disk_low, low))
        local_health(local, low ? "less than min_free is left on a disk of the spool"
                                : "there is space on the disk again");
}

static void compact(struct keeper *keeper)
{
    struct local *local = keeper->local;
    struct record_key from = record_chunk_key(keeper->from, 0);
    struct record_key to = record_chunk_key(keeper->to, UINT32_MAX);
    db_lock(&local->bulk);
    db_compact(&local->bulk, FAMILY_CHUNK, record_key_slice(&from), record_key_slice(&to));
    db_unlock(&local->bulk);
    keeper->since_ms = 0;
    keeper->chunks = 0;
}

static void note_dropped(struct keeper *keeper, const struct drop *message)
{
    if (!keeper->since_ms) {
        keeper->since_ms = clock_mono_ms();
        keeper->from = keeper->to = message->id;
    }
    if (spool_id_cmp(message->id, keeper->from) < 0)
        keeper->from = message->id;
    if (spool_id_cmp(message->id, keeper->to) > 0)
        keeper->to = message->id;
    keeper->chunks += message->chunks;
}

void keeper_dropped(struct local *local, struct drop message)
{
    struct dropped *dropped = mem_zero(sizeof(*dropped));
    dropped->message = message;
    mailbox_post(local->keeper.box, &dropped->req.mail);
}

void *keeper_main(void *arg)
{
    struct thread *thread = arg;
    struct keeper keeper = { .local = thread->local };
    int64_t look_ms = 0;
    for (bool stop = false; !stop;) {
        struct mail *next = NULL, *mail = mailbox_take(thread->box);
        if (!mail)
            mailbox_wait(thread->box, TICK_MS);
        for (; mail; mail = next) {
            next = mail->next;
            if (thread_is_stop(thread, mail)) {
                stop = true;
                continue;
            }
            struct dropped *dropped = (struct dropped *)req_of(mail);
            note_dropped(&keeper, &dropped->message);
            free(dropped);
        }
        int64_t now = clock_mono_ms();
        if (keeper.since_ms &&
            (keeper.chunks >= COMPACT_CHUNKS || now - keeper.since_ms >= COMPACT_AFTER_MS))
            compact(&keeper);
        if (now - look_ms >= TICK_MS) {
            keeper_look(thread->local);
            look_ms = now;
        }
    }
    return NULL;
}
