/*
 * daemon/feed_read — the whole content of a file that somebody else may be writing
 *
 *   Reads a descriptor to its end and looks whether the file stayed as it was meanwhile. Blocks for
 *   as long as the disk takes.
 *
 * Errors: RC_AGAIN it changed under our hands; RC_LIMIT over FEED_READ_MAX; RC_IO. Takes fd over.
 */
#ifndef WAYPOST_DAEMON_FEED_READ_H
#define WAYPOST_DAEMON_FEED_READ_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"

enum { FEED_READ_MAX = 64 << 20 };

/* `restless`: it is being written, as far as is known. What ends in the middle of a line is then
 * RC_AGAIN: cut off there an address is another one. */
enum rc feed_read(int fd, bool restless, struct buf *out, struct err *err);

#endif
