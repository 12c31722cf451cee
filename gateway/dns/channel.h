/*
 * dns/channel — one c-ares channel to one server, on a loop
 *
 *   Descriptors come to the loop through SOCK_STATE_CB; while questions are open a 50 ms tick
 *   lets c-ares see its time-outs (ares_timeout() is linear in them, trap 8 of the design notes).
 *   EDNS: each query, unless the server knows none, carries a plain 11-byte OPT and the AD bit;
 *   that very form is what makes ARES_FLAG_EDNS safe to set (on FORMERR it cuts exactly 11 bytes
 *   off). Anything longer (DO, ECS) needs another channel without the flag. c-ares cuts once only:
 *   of a server that answers FORMERR without OPT what was asked meanwhile is asked again here, and
 *   all further questions go without.
 *
 * Callbacks: run inside c-ares, possibly inside channel_send(). Never free a channel there.
 */
#ifndef WAYPOST_DNS_CHANNEL_H
#define WAYPOST_DNS_CHANNEL_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/io/dial.h"
#include "gateway/io/loop.h"

struct channel;

/* packet NULL: `rc` says why (RC_TIMEOUT silence, RC_IO cannot reach, RC_CLOSED being freed,
 * RC_AGAIN we had no descriptor or memory left to ask with). */
typedef void channel_fn(void *arg, enum rc rc, const unsigned char *packet, size_t n);

enum rc channel_new(struct loop *loop, const struct addr *server, int64_t try_ms,
                    struct channel **channel_r, struct err *err);
/* Questions leave as connections from this source do: by its address of the server's family
 * (ADDR_NONE: any), its interface and with its mark. Copied. What the system refuses of that ends
 * each of them with RC_IO. */
void channel_leave_by(struct channel *channel, const struct dial_source *source);
void channel_free(struct channel **channel); /* open questions end with RC_CLOSED */
void channel_send(struct channel *channel, const char *name, uint16_t type, channel_fn *fn,
                  void *arg);
const struct addr *channel_server(const struct channel *channel);

/* The servers of the system's resolv.conf, at most `max`. */
size_t channel_system_servers(struct addr *servers_r, size_t max);

#endif
