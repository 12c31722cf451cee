/*
 * daemon/control_line — control's end of the connection to the relay about paths
 *
 *   Connects to the relay's admin socket, asks for `links` and stays; a line that breaks is made
 *   again every half second, for as long as it takes. Sending never waits: what cannot be sent now
 *   is dropped, and on_open says when a fresh table is wanted.
 *
 * Callbacks: from the loop. on_open: the relay answers, tell it what it should know.
 */
#ifndef WAYPOST_DAEMON_CONTROL_LINE_H
#define WAYPOST_DAEMON_CONTROL_LINE_H

#include "gateway/daemon/link_frame.h"
#include "gateway/io/loop.h"
#include "policies/advice.h"

struct control_line_ops {
    void (*on_open)(void *arg);
    void (*on_observation)(void *arg, const struct observation *observation);
    void (*on_report)(void *arg, const struct reply_report *report);
    /* What became of the letter under way; LETTER_LATER also when the line is lost. */
    void (*on_letter)(void *arg, uint64_t ticket, enum letter_fate fate);
};

struct control_line;

struct control_line *control_line_new(struct loop *loop, const char *path,
                                      const struct control_line_ops *ops, void *arg);
void control_line_free(struct control_line **line);

bool control_line_is_open(const struct control_line *line);
/* False: not sent, the line is not open or the relay is still reading an earlier one. */
bool control_line_advise(struct control_line *line, const struct advice *advice);
void control_line_note(struct control_line *line, const struct link_note *note);
/* As control_line_advise(); also not sent while one is under way. on_letter() follows when it was,
 * unless the line is freed. `ticket` is not 0. */
bool control_line_letter(struct control_line *line, const struct link_letter *letter);
uint64_t control_line_lost(const struct control_line *line); /* observations, as the relay counts */

#endif
