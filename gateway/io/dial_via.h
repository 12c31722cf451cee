/*
 * io/dial_via — the talk with a proxy on one connected socket, until the target is behind it
 *
 *   via_talk_run() moves what it can and says what it waits for. It reads no byte of the target.
 */
#ifndef WAYPOST_IO_DIAL_VIA_H
#define WAYPOST_IO_DIAL_VIA_H

#include "gateway/io/dial.h"

struct via_talk;

/* Can this target be reached by this way at all? */
bool via_suits(const struct dial_via *via, const struct addr *target);

struct via_talk *via_talk_new(const struct dial_via *via, const struct addr *target, int fd);
void via_talk_free(struct via_talk **talk);

/* DIAL_UNTRIED: not over yet, call again when the socket is *watch_r (LOOP_READ or LOOP_WRITE).
 * DIAL_CONNECTED, or how it failed, with errno (0: none) and the proxy's words (NULL: none). */
enum dial_fault via_talk_run(struct via_talk *talk, unsigned *watch_r, int *error_r,
                             const char **text_r);
/* Is it the target that we are waiting for? Microseconds since it was asked for; negative: not
 * asked yet, the proxy itself is what has to answer. */
int64_t via_talk_beyond_us(const struct via_talk *talk);
const struct addr *via_talk_source(const struct via_talk *talk); /* seen by the target, or NONE */

#endif
