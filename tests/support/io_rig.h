/*
 * tests/support/io_rig — a loop with a stream under test and a raw peer
 *
 *   Events of the stream are written down as text ("data:", "eof", "error:RC", ...), what it was
 *   shown is collected. The peer is a plain non-blocking socket that the test reads and writes
 *   itself.
 */
#ifndef WAYPOST_TESTS_SUPPORT_IO_RIG_H
#define WAYPOST_TESTS_SUPPORT_IO_RIG_H

#include "gateway/base/buf.h"
#include "gateway/io/stream.h"

struct io_rig {
    struct loop *loop;
    struct stream *stream;
    int peer;
    struct buf events; /* "eof drain timeout tls error:closed " */
    struct buf shown;  /* bytes used up by on_data */
    struct err err;
    size_t shows;                                       /* calls of on_data */
    size_t (*use)(struct io_rig *rig, struct slice in); /* how many to use; NULL: all */
    void (*on_event)(struct io_rig *rig, const char *event);
    void *arg;
};

extern const struct stream_limits io_rig_limits; /* 4 KiB in, 1 MiB out, 64 KiB low mark */
extern const struct stream_ops io_rig_ops;       /* arg: struct io_rig */

void io_rig_open(struct io_rig *rig, const struct stream_limits *limits); /* over TCP on loopback */
void io_rig_close(struct io_rig *rig);
void io_rig_events(struct io_rig *rig); /* only the buffers: for a rig without peer */
/* Turns the loop until the events contain `word`, or the time is up: then the test fails. */
void io_rig_until(struct io_rig *rig, const char *word);
void io_rig_turns(struct io_rig *rig, int n); /* n turns of at most 5 ms */
bool io_rig_saw(const struct io_rig *rig, const char *word);
void io_rig_send(struct io_rig *rig, const char *text); /* from the peer */
/* What the peer can read now, appended. True: end of file. */
bool io_rig_recv(struct io_rig *rig, struct buf *b);
/* A connected pair of TCP sockets on loopback, both non-blocking. */
void io_rig_pair(int fds[2]);

#endif
