/*
 * daemon/geo_files — the copies of the GeoIP databases that relay and control work with
 *
 *   An operator's file may be overwritten in place or be half written; whoever has it mapped then
 *   dies or reads nonsense. So a database that changed is copied to <state>/run/geo, checked there
 *   byte by byte, and only a good one takes the place of the one in use. Nobody writes to a copy;
 *   the children open it and keep it as long as they like.
 *
 *   A copy of the last run is taken up again without a check when the original has not changed
 *   since, and as well when the original cannot be used any more: mail knows better where it goes
 *   by last month's database than by none.
 *
 * Blocks:    while a changed file is copied and checked (a tenth of a second for 10 MB). Only the
 *            supervisor does that.
 */
#ifndef WAYPOST_DAEMON_GEO_FILES_H
#define WAYPOST_DAEMON_GEO_FILES_H

#include "gateway/conf/conf.h"
#include "gateway/daemon/ipc.h"

struct geo_files_set;

/* `folder` is there and ours. Nothing is read yet. */
struct geo_files_set *geo_files_new(const char *folder);
void geo_files_free(struct geo_files_set **set);

/* Takes up what is new for this configuration. What cannot be used is added to `errors`, and the
 * one before stays. True: the set in use is another one now; `taken` (may be NULL) gets a line for
 * each that was taken up. An older database than the one in use is refused unless `forced`: an
 * updater does not go back, an operator may. */
bool geo_files_update(struct geo_files_set *set, const struct conf_geo *conf, bool forced,
                      struct buf *taken, struct conf_errors *errors);
/* What an update complained about, for a start that goes on: to the log. */
void geo_files_log(struct conf_errors *errors);
/* The same for a look every few seconds: only when a file has changed or gone and rests since the
 * last look; a state that could not be used is not tried again. Problems go to the log. */
bool geo_files_look(struct geo_files_set *set, const struct conf_geo *conf);

/* Tells a child where they are: MSG_GEO. */
void geo_files_send(const struct geo_files_set *set, struct ipc *ipc);

#endif
