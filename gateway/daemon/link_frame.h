/*
 * daemon/link_frame — what relay and control say to each other about paths
 *
 *   Over the connection of the verb `links` (admin protocol of the relay). After the request line
 *   both sides send frames: u32 length, u8 type, then that many bytes; little-endian.
 *
 *   OBSERVATIONS  relay -> control   u64 lost so far, then struct observation one after the other
 *   ADVICE        control -> relay   a packed advice table (policies/advice.h)
 *   EVENT         control -> relay   something for the delivery log
 *   LETTER        control -> relay   mail to a person
 *   LETTER_FATE   relay -> control   what became of it
 *   REPORTS       relay -> control   what replies said about our addresses (reputation/report.h)
 *
 *   Both ends are the same program, so an observation travels as it is in memory; all it holds is
 *   checked all the same. A reader that meets nonsense says RC_PARSE and the connection ends.
 */
#ifndef WAYPOST_DAEMON_LINK_FRAME_H
#define WAYPOST_DAEMON_LINK_FRAME_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "probes/observation.h"
#include "reputation/report.h"

enum link_frame_type {
    LINK_OBSERVATIONS = 1,
    LINK_ADVICE,
    LINK_EVENT,
    LINK_REPORTS,
    LINK_LETTER,
    LINK_LETTER_FATE
};

enum {
    LINK_HEAD = 5,
    LINK_FRAME_MAX = 16 << 20, /* a table of 256 egresses and 512 groups fits twice */
    LINK_OBSERVATIONS_MAX = 1024,
    LINK_REPORTS_MAX = 256,
    LINK_LETTER_MAX = 60 << 10 /* bytes of its text */
};

/* ---- writing ---- */

/* Begins a frame at the end of `out`; what is appended until link_frame_end() is its content. */
size_t link_frame_begin(struct buf *out, enum link_frame_type type);
void link_frame_end(struct buf *out, size_t began);

void link_put_observations(struct buf *out, uint64_t lost, const struct observation *at,
                           unsigned n);

void link_put_reports(struct buf *out, const struct reply_report *at, unsigned n);

enum link_note_kind { NOTE_EGRESS_STATE, NOTE_PATH_SWITCH, NOTE_LISTING, NOTE_KINDS };

/* A line of the delivery log; slices may be empty. */
struct link_note {
    enum link_note_kind kind;
    struct addr source; /* the address in question; ADDR_NONE: the egress as a whole */
    struct slice egress, previous, carrier, region;
    struct slice provider; /* with whom; empty: with everybody */
    struct slice state, reason;
};
void link_put_note(struct buf *out, const struct link_note *note);

/* Mail of ours to a person; the text's lines end with LF. */
struct link_letter {
    uint64_t ticket; /* of control's: told with its fate */
    struct slice to, subject, text;
};
void link_put_letter(struct buf *out, const struct link_letter *letter);

enum letter_fate {
    LETTER_KEPT,  /* on stable storage, and queued like any other mail */
    LETTER_LATER, /* not now */
    LETTER_NEVER, /* no such mail can be sent */
    LETTER_FATES
};
void link_put_fate(struct buf *out, uint64_t ticket, enum letter_fate fate);

/* ---- reading ---- */

struct link_frame {
    enum link_frame_type type;
    struct slice content; /* until more is fed */
};

struct link_reader {
    struct buf pending;
    size_t used; /* at the front of pending: the frame given out last */
};

void link_reader_init(struct link_reader *reader);
void link_reader_free(struct link_reader *reader);
/* RC_LIMIT: more than a frame can be. */
enum rc link_reader_feed(struct link_reader *reader, struct slice bytes);
/* RC_OK: a frame; RC_AGAIN: not whole yet; RC_PARSE: nonsense, give up. */
enum rc link_reader_next(struct link_reader *reader, struct link_frame *frame_r);

/* Calls fn for each observation of the content. RC_PARSE: one is not sane; fn has been called for
 * those before it. */
enum rc link_read_observations(struct slice content, uint64_t *lost_r,
                               void (*fn)(void *arg, const struct observation *o), void *arg);
/* As link_read_observations(). */
enum rc link_read_reports(struct slice content,
                          void (*fn)(void *arg, const struct reply_report *report), void *arg);
/* Slices point into the content. */
enum rc link_read_note(struct slice content, struct link_note *note_r);
enum rc link_read_letter(struct slice content, struct link_letter *letter_r);
enum rc link_read_fate(struct slice content, uint64_t *ticket_r, enum letter_fate *fate_r);

#endif
