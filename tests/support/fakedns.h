/*
 * tests/support/fakedns — a DNS server on loopback that answers as badly as it is told
 *
 *   A thread with one UDP and one TCP socket on the same port. For each query the test's function
 *   fills in an answer (or not) and returns what is to be done with it. The function runs in the
 *   server's thread: it may read what the test set up before, and count with atomics.
 */
#ifndef WAYPOST_TESTS_SUPPORT_FAKEDNS_H
#define WAYPOST_TESTS_SUPPORT_FAKEDNS_H

#include <stdatomic.h>

#include "tests/support/dnswire.h"

enum fakedns_do {
    FAKEDNS_SEND,
    FAKEDNS_SILENT,
    FAKEDNS_WRONG_ID, /* then nothing */
    FAKEDNS_TRUNCATE, /* over UDP: header and question with TC; over TCP: send */
    FAKEDNS_CUT       /* half the packet */
};

struct fakedns_query {
    const char *name; /* lower case */
    uint16_t type, id;
    bool tcp, has_opt;
};

/* Flags for dnswire_begin(): QR, RD, RA and the rcode. */
#define FAKEDNS_FLAGS(rcode) ((uint16_t)(0x8180u | (rcode)))

/* The test's side. */
struct fakedns_script {
    enum fakedns_do (*answer)(void *arg, const struct fakedns_query *q, struct dnswire *w);
    void *arg;
};

struct fakedns;
struct fakedns *fakedns_start(struct fakedns_script script);
void fakedns_stop(struct fakedns **s);
struct addr fakedns_addr(const struct fakedns *s);
int fakedns_queries(const struct fakedns *s); /* so far, both transports */

#endif
