/*
 * reputation/report — what a receiver made of mail from one of our addresses
 *
 *   The relay tells control what replies meant (reputation/reply.h) for the address they were given
 *   to. A record of fixed size without pointers. Refusals of the address are told one by one; what
 *   is only counted (delivered, refused for other reasons) as sums. Lossy like observations.
 *
 * Wire: little-endian; report_read() checks everything (RC_PARSE).
 */
#ifndef WAYPOST_REPUTATION_REPORT_H
#define WAYPOST_REPUTATION_REPORT_H

#include "gateway/base/addr.h"
#include "gateway/base/cursor.h"
#include "gateway/base/rc.h"

enum { REPORT_PROVIDER_MAX = 64, REPORT_RULE_MAX = 48, REPORT_TEXT_MAX = 200 };

struct reply_report {
    uint64_t egress;    /* slice_hash_stable() of its name */
    struct addr source; /* as the receiver saw it, without port; ADDR_NONE: not known */
    uint64_t sender;    /* slice_hash_stable() of the sender's domain; 0: a sum */
    uint32_t count;     /* mails; at least 1 */
    uint8_t class;      /* enum reply_class; REPLY_NONE: they were taken */
    bool names_us;      /* the reply has our address in it */
    uint16_t code;
    char provider[REPORT_PROVIDER_MAX]; /* ends with NUL, as the others */
    char rule[REPORT_RULE_MAX];
    char text[REPORT_TEXT_MAX]; /* of the reply, cut; empty in sums */
};

/* Cuts what does not fit. */
void report_text(char *into, size_t size, struct slice text);

void report_put(struct buf *out, const struct reply_report *report);
enum rc report_read(struct cursor *in, struct reply_report *report_r);

#endif
