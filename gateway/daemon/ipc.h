/*
 * daemon/ipc — messages with descriptors between the supervisor and its children
 *
 *   Over a SOCK_STREAM socketpair, on a loop. A message is a type, bytes (up to IPC_BYTES_MAX: a
 *   whole configuration bundle fits) and descriptors (up to IPC_FDS_MAX). Order is kept; partial
 *   reads and writes are handled here. Buffers are wiped when they are let go: they may hold keys.
 *
 * Callbacks: run from the loop, never from inside ipc_send(). on_closed comes once, when the other
 *            side is gone or speaks nonsense; nothing follows. ipc_free() is safe in both.
 * Frame:     u32 length, u16 type, u16 descriptors, then the bytes; little-endian.
 */
#ifndef WAYPOST_DAEMON_IPC_H
#define WAYPOST_DAEMON_IPC_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/conf/bundle.h"
#include "gateway/io/loop.h"

enum { IPC_FDS_MAX = 128, IPC_BYTES_MAX = BUNDLE_PACKED_MAX + (1 << 20) };

struct ipc_message {
    unsigned type;
    struct slice bytes; /* until the callback returns */
    int *fds;           /* set an entry to -1 to keep that descriptor; the rest is closed */
    unsigned fd_count;
};

struct ipc_ops {
    void (*on_message)(void *arg, struct ipc_message *message);
    void (*on_closed)(void *arg, const char *why);
};

struct ipc;

/* A connected pair, close-on-exec, non-blocking. RC_IO with text. */
enum rc ipc_pair(int fds_r[2], struct err *err);

struct ipc *ipc_new(struct loop *loop, int fd, const struct ipc_ops *ops, void *arg); /* takes fd */
void ipc_free(struct ipc **ipc); /* what is not sent yet is dropped */

/* Copies the bytes and duplicates the descriptors. */
void ipc_send(struct ipc *ipc, unsigned type, struct slice bytes, const int *fds,
              unsigned fd_count);
bool ipc_idle(const struct ipc *ipc); /* everything has been sent */

#endif
