/*
 * io/loop — one event loop per worker thread
 *
 *   Everything made with a loop (timers, streams, listeners, dials, resolvers) belongs to the
 *   thread that runs it; their callbacks run there and only there. The one call other threads may
 *   make is mailbox_post(loop_mailbox(loop), mail).
 *
 *   One turn of the loop: wait for descriptors, run their callbacks, due timers, the mailbox,
 *   then the tasks. A task is work put off until just before the loop waits again: whatever many
 *   callbacks of one turn ask for (flush a stream, wake the committer, write the log) is done
 *   once.
 *
 * Guarantees: a task scheduled while tasks run is run before the loop waits (bounded rounds; then
 *             the loop polls without waiting, so nothing starves). Time is read once a turn.
 */
#ifndef WAYPOST_IO_LOOP_H
#define WAYPOST_IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct loop;
struct mailbox;
struct event_base;
struct wheel;

struct loop *loop_new(void);
void loop_free(struct loop **loop); /* everything made with it must be gone */
void loop_run(struct loop *loop);   /* until loop_stop() */
void loop_stop(struct loop *loop);  /* from a callback: ends loop_run() after this turn */
/* One turn that waits at most `wait_ms` (0 polls, <0 without limit); for tests and for draining. */
void loop_turn(struct loop *loop, int64_t wait_ms);

int64_t loop_now_ms(struct loop *loop);  /* monotonic; as of this turn */
int64_t loop_wall_ms(struct loop *loop); /* Unix time; as of this turn */

/* Called when the system's clock was set, by 10 s or more (less is let pass): loop_wall_ms() is now
 * by_ms ahead of what it would have been. Between callbacks; before that, loop_wall_ms() goes on as
 * if nothing had happened. Embedded; unwatch before the owner is freed. */
struct loop_clock {
    struct list node;
    void (*fn)(struct loop_clock *clock, int64_t by_ms);
};
void loop_clock_watch(struct loop *loop, struct loop_clock *clock);
void loop_clock_unwatch(struct loop_clock *clock);

struct mailbox *loop_mailbox(struct loop *loop);

/* Run once before the loop waits again. Embedded; init before use; scheduling twice is one run.
 * Cancel before the owner is freed (harmless when not scheduled). */
struct loop_task {
    struct list node;
    void (*run)(struct loop_task *task);
};
void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));
void loop_task_schedule(struct loop *loop, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);

/* Calls fn whenever fd is readable/writable (level-triggered) as asked for. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_watch;
typedef void loop_watch_fn(void *arg, int fd, unsigned what);
struct loop_watch *loop_watch_new(struct loop *loop, int fd, unsigned what, loop_watch_fn *fn,
                                  void *arg);
void loop_watch_set(struct loop_watch *watch, unsigned what); /* 0: nothing for now */
void loop_watch_free(struct loop_watch **watch);              /* does not close fd */

/* Calls fn from the loop after the process got the signal. For the main thread's loop only. */
struct loop_signal;
struct loop_signal *loop_signal_new(struct loop *loop, int signo, void (*fn)(void *arg, int signo),
                                    void *arg);
void loop_signal_free(struct loop_signal **sig);

/* For the other files of io/ and dns/. */
enum { LOOP_SCRATCH = 128 * 1024 };
struct event_base *loop_base(struct loop *loop);
struct wheel *loop_wheel(struct loop *loop); /* 10 ms ticks */
char *loop_scratch(struct loop *loop);  /* LOOP_SCRATCH bytes, free for use within one callback */
char *loop_scratch2(struct loop *loop); /* a second one: TLS turns one into the other */

#endif
