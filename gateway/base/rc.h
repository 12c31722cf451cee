/*
 * base/rc — how functions report what can be expected to fail
 *
 *   A function that can fail returns enum rc; text for a human goes into struct err when the caller
 *   wants one. What cannot happen unless Waypost itself is wrong is an assert, on in release too.
 */
#ifndef WAYPOST_BASE_RC_H
#define WAYPOST_BASE_RC_H

#include <stdarg.h>

enum rc {
    RC_OK = 0,
    RC_AGAIN = -1,     /* needs more input, or try later */
    RC_PARSE = -2,     /* malformed input */
    RC_LIMIT = -3,     /* well-formed, but larger than allowed */
    RC_IO = -4,        /* the system said no; errno text in struct err */
    RC_NOT_FOUND = -5, /* nothing there */
    RC_DENIED = -6,    /* not allowed: credentials, permission, policy */
    RC_CORRUPT = -7,   /* stored data fails its check */
    RC_CLOSED = -8,    /* the other side is gone */
    RC_TIMEOUT = -9    /* no answer in time */
};

struct err {
    enum rc code;
    char text[256];
};

const char *rc_name(enum rc rc);

/* Fills *e (when not NULL) and returns `code`: `return err_set(e, RC_IO, ...)` reads well. */
enum rc err_set(struct err *e, enum rc code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
