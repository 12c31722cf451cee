/*
 * daemon/reload — from one configuration to the next, or not at all
 *
 *   1. read and check everything as a start would; open what it needs; any error: nothing changes
 *   2. send it to the relay as a series of messages (messages.h)
 *   3. the relay has applied it: it is in force. It refused, or died over it: the old one stays,
 *      and the relay gets that again when it starts.
 *
 *   What a running relay cannot change (workers, user, dns, spool) is said and kept as it was until
 *   the next start. A new place for the mail (state, spool.tiers) is refused: a relay that has to
 *   be started again must find what it had.
 */
#ifndef WAYPOST_DAEMON_RELOAD_H
#define WAYPOST_DAEMON_RELOAD_H

#include "gateway/daemon/supervisor.h"

/* Reads and checks. RC_PARSE: `errors` says what. Sockets and log are not opened yet. */
enum rc setup_read(const char *path, struct setup *setup_r, struct conf_errors *errors);
/* The same from files already read; takes the bundle over in any case. */
enum rc setup_of_bundle(struct bundle *bundle, const char *path, struct setup *setup_r,
                        struct conf_errors *errors);
void setup_free(struct setup *setup);

/* Sends the series of messages that makes `setup` the relay's; `changes` is for the log. */
void setup_send(struct supervisor *s, const struct setup *setup, struct slice changes);

/* Tells control what is in force. */
void setup_tell_control(struct supervisor *s);

/* Tells the children where the databases are now. */
void geo_tell(const struct supervisor *s);

/* Starts a reload, behind the one under way if there is one. The outcome goes to the log, and to
 * control when it asked (token). */
void reload_begin(struct supervisor *s, bool by_control, uint32_t token);
/* The same with files in place of those recorded: for certificates that changed. Takes `bundle`
 * over. False: it cannot be used, the reason is in the log. */
bool reload_bundle(struct supervisor *s, struct bundle *bundle);
/* The relay's answer, or its death (why). */
void reload_finish(struct supervisor *s, bool applied, struct slice why);

#endif
