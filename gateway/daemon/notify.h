/*
 * daemon/notify — tells systemd how we are (sd_notify(3), without its library)
 *
 *   Does nothing when $NOTIFY_SOCKET is not set. One datagram a call, never waited for.
 */
#ifndef WAYPOST_DAEMON_NOTIFY_H
#define WAYPOST_DAEMON_NOTIFY_H

void notify_open(void);  /* takes the variable out of the environment: children must not notify */
void notify_ready(void); /* also the end of a reload */
void notify_reloading(void);
void notify_stopping(void);

#endif
