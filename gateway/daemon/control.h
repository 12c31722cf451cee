/*
 * daemon/control — the control plane process: the admin socket, and later probes and reputation
 *
 *   Reload is asked of the supervisor; all other verbs go to the relay, byte for byte. Mail does
 *   not need it: it may die, hang or be stopped at any time. It can reach nothing but its sockets.
 */
#ifndef WAYPOST_DAEMON_CONTROL_H
#define WAYPOST_DAEMON_CONTROL_H

/* The process the supervisor executes as `waypost control`. Returns the exit status. */
int control_run(void);

#endif
