/*
 * daemon/feed_files — feed files for control: watched, opened and handed over by the supervisor
 *
 *   An operator's feed may stand where the unprivileged control cannot read, and a reload may name
 *   another one long after control's sandbox was closed. So the supervisor looks at the files twice
 *   a second and sends control an open descriptor (MSG_FEED) of one that has changed and rests
 *   since the last look: within a second, and not half written. One that never rests is sent after
 *   a minute, with a word of it (feed_rest.h). It reads nothing itself.
 *
 *   What cannot be opened is told with the reason; control keeps what it had.
 */
#ifndef WAYPOST_DAEMON_FEED_FILES_H
#define WAYPOST_DAEMON_FEED_FILES_H

#include "gateway/conf/conf.h"
#include "gateway/daemon/child.h"

struct feed_files;

/* `control` is who gets them, while it has a line; it lives longer than this. */
struct feed_files *feed_files_new(struct loop *loop, struct child *control);
void feed_files_free(struct feed_files **files);

/* From now on the files of this configuration, each of them told anew. After the MSG_CONFIG. */
void feed_files_configure(struct feed_files *files, const struct conf *conf);

#endif
