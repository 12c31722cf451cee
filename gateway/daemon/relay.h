/*
 * daemon/relay — the data plane process: SMTP in, spool, queue, SMTP out
 *
 *   The main thread takes configurations from the supervisor, opens the spool, runs the workers
 *   (worker.h) and answers the relay's admin socket; it is not on the mail path. Order of a start:
 *   configuration, sandbox, spool, workers, READY. Mail is accepted before the spool's backlog has
 *   been read.
 */
#ifndef WAYPOST_DAEMON_RELAY_H
#define WAYPOST_DAEMON_RELAY_H

/* The process the supervisor executes as `waypost relay`, its end of the line on CHILD_FD. Returns
 * the exit status. */
int relay_run(void);

#endif
