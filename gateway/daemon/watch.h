/*
 * daemon/watch — files that may change by themselves: certificates, users, databases, the log
 *
 *   Looked at every two seconds. A changed certificate, key or users file is loaded as a reload
 *   would load it, and only it: other edits wait for `waypost reload`. A certificate and its key
 *   are often replaced one after the other: a pair that does not fit yet is tried again at the next
 *   look. A changed GeoIP database is taken up (geo_files.h). A delivery log that was renamed is
 *   opened anew.
 */
#ifndef WAYPOST_DAEMON_WATCH_H
#define WAYPOST_DAEMON_WATCH_H

#include "gateway/daemon/supervisor.h"

void watch_start(struct supervisor *s);
void watch_stop(struct supervisor *s);

#endif
