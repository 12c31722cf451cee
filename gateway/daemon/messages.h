/*
 * daemon/messages — what the supervisor and its children say to each other (over daemon/ipc)
 *
 *   A configuration reaches the relay as a series: BEGIN, one LISTENER for each entry of `listen`
 *   in its order, LOG when there is a delivery log, GEO, COMMIT. The relay takes it as a whole at
 *   COMMIT and answers APPLIED. The first series starts the relay; READY follows when it accepts
 *   mail.
 *
 *   Control gets the same bundle in one message, CONFIG: at its start and when a reload is in
 *   force. It needs the passwords of proxies (probes go the way mail goes), and is as unprivileged
 *   as the relay.
 */
#ifndef WAYPOST_DAEMON_MESSAGES_H
#define WAYPOST_DAEMON_MESSAGES_H

enum message_type {
    /* to a child */
    MSG_BEGIN = 1, /* u16 workers, text16 path of waypost.yaml, the packed bundle */
    MSG_LISTENER,  /* the sockets of one listener, one per worker */
    MSG_LOG,       /* the delivery log's descriptor; alone: after a rotation */
    MSG_ADMIN,     /* the listening socket of the child's own admin protocol */
    MSG_COMMIT,    /* text: what changes, for the delivery log */
    MSG_STOP,      /* finish what runs, then exit; no content */
    MSG_CONFIG,    /* to control: text16 path of waypost.yaml, the packed bundle */
    MSG_WEB,       /* to control: the listening socket of report.listen; without one: none */
    MSG_GEO,       /* text16 path of the AS numbers, text16 of the places; empty: none. Also alone:
                        after a database changed */
    MSG_FEED, /* to control, after CONFIG: text16 path of a feed's file, text16 why it cannot be
                        read; else the descriptor, and then: why it may not be whole */
    MSG_RELOAD_DONE, /* to control: u32 token, u8 exit status, text for the operator */
    /* from a child */
    MSG_READY = 100, /* it does its work now; no content */
    MSG_APPLIED,     /* u8 ok, text: why not */
    MSG_RELOAD       /* from control: u32 token; an operator asks for a reload */
};

/* The descriptor of the child's end. */
enum { CHILD_FD = 3 };

#endif
