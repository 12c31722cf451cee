/*
 * smtp/limits — sizes of the wire, in one place
 *
 *   RFC 5321 section 4.5.3.1 sets the least a server must take; these are what we take. Extensions
 * add to the 512 bytes of a command line (ORCPT alone 500, ENVID 100): one round figure covers them
 * all.
 */
#ifndef WAYPOST_SMTP_LIMITS_H
#define WAYPOST_SMTP_LIMITS_H

enum {
    SMTP_COMMAND_MAX = 4096,      /* one command line with its CRLF */
    SMTP_AUTH_LINE_MAX = 12288,   /* RFC 4954 section 4.3 */
    SMTP_REPLY_LINES_MAX = 128,   /* lines of one reply we read */
    SMTP_REPLY_BYTES_MAX = 65536, /* bytes of one reply we read */
    SMTP_REPLY_KEEP_MAX = 8192,   /* bytes of its text we keep */
    SMTP_HELO_MAX = 255,          /* EHLO/HELO argument */
    SMTP_ENVID_MAX = 100,         /* RFC 3461 section 4.4 */
    SMTP_ORCPT_MAX = 500,         /* RFC 3461 section 4.2 */
    SMTP_SECONDS_MAX = 999999999  /* RFC 2852 section 4, RFC 4865 section 3: nine digits */
};

#endif
