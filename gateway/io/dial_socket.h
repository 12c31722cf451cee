/*
 * io/dial_socket — one outgoing socket: source address, interface, mark, and the connect call
 *
 *   Returns DIAL_CONNECTED with *fd_r when the connect is under way or done (wait for
 *   writability, then ask SO_ERROR); any other fault with *error_r = errno and *fd_r = -1.
 */
#ifndef WAYPOST_IO_DIAL_SOCKET_H
#define WAYPOST_IO_DIAL_SOCKET_H

#include "gateway/io/dial.h"

enum dial_fault dial_socket_connect(const struct addr *to, const struct dial_source *source,
                                    int *fd_r, int *error_r);
/* Could a connection leave from there? Every address of the source is bound once; false when the
 * system refuses one, the interface or the mark. */
bool dial_socket_try(const struct dial_source *source);
/* A socket of any kind leaves by `from` (ADDR_NONE: any) of the source, its interface and with its
 * mark. These come first: they decide whose address it is. False: the system refuses one, errno
 * says why. */
bool dial_socket_bind(int fd, const struct addr *from, const struct dial_source *source);
enum dial_fault dial_fault_of(int error); /* of a connect that failed with this errno */
/* Are we out of descriptors, memory or ports? That says nothing about whom we connect to. */
bool dial_error_is_ours(int error);
/* Did all of it fail for want of these? */
bool dial_lacked_ours(const struct dial_result *result);

#endif
