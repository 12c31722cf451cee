/*
 * daemon/control_learned — addresses of egresses that no configuration names, kept on disk
 *
 *   What mail turns out to leave from (reputation/learned.h), of egresses where that is what
 *   receivers see: those of the system's choice, and those behind SOCKS5. In front of an HAProxy or
 *   a relay we see our own end of it only.
 */
#ifndef WAYPOST_DAEMON_CONTROL_LEARNED_H
#define WAYPOST_DAEMON_CONTROL_LEARNED_H

#include "gateway/conf/conf.h"
#include "gateway/daemon/keeper.h"
#include "gateway/io/loop.h"
#include "reputation/learned.h"
#include "reputation/standing.h"

struct control_learned;

/* Reads what was kept. The keeper must live as long. */
struct control_learned *control_learned_new(struct loop *loop, struct keeper *keeper);
void control_learned_free(struct control_learned **learned);
void control_learned_configure(struct control_learned *learned, const struct conf *conf);
void control_learned_save(struct control_learned *learned);

/* Mail left from there. True: the addresses of this egress are others now, and are kept. */
bool control_learned_note(struct control_learned *learned, const struct conf_egress *egress,
                          const struct addr *source);
/* Mail is to tell its addresses anew. True: some were known. */
bool control_learned_forget(struct control_learned *learned, struct slice egress);
/* Nobody is asked about an address that was forgotten: its listing ends as that of a dead list. */
void control_learned_outdate(const struct control_learned *learned, struct standing *core,
                             int64_t wall_ms);
/* Valid until the next note. */
const struct learned *control_learned_core(const struct control_learned *learned);

#endif
