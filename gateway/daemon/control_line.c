#include "gateway/daemon/control_line.h"

#include <stdlib.h>
#include <unistd.h>

#include "gateway/admin/passage.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/io/stream.h"
#include "gateway/io/timer.h"

enum {
    AGAIN_MS = 500,
    NOTE_MAX = 8 << 10,
    LETTER_MAX = 2 * LINK_LETTER_MAX,
    OUTPUT_MAX = 2 * LINK_FRAME_MAX
};

struct control_line {
    struct loop *loop;
    char *path;
    const struct control_line_ops *ops;
    void *arg;
    struct stream *stream; /* NULL: not connected */
    bool open;             /* it has answered */
    struct link_reader reader;
    struct timer again;
    uint64_t lost;
    uint64_t letter; /* the ticket of the one under way; 0: none */
};

static void end_letter(struct control_line *l, enum letter_fate fate)
{
    uint64_t ticket = l->letter;
    l->letter = 0;
    if (ticket)
        l->ops->on_letter(l->arg, ticket, fate);
}

static void drop(struct control_line *l)
{
    if (l->open)
        log_info(NULL, "relay_line_lost", NULL);
    l->open = false;
    if (l->stream) {
        stream_close(&l->stream);
        link_reader_free(&l->reader);
    }
    timer_set(l->loop, &l->again, AGAIN_MS);
    end_letter(l, LETTER_LATER);
}

static void opened(struct control_line *l)
{
    if (l->open)
        return;
    l->open = true;
    log_info(NULL, "relay_line_open", NULL);
    l->ops->on_open(l->arg);
}

/* Of an earlier line's letter nobody wants to know any more. */
static enum rc take_fate(struct control_line *l, struct slice content)
{
    uint64_t ticket;
    enum letter_fate fate;
    enum rc rc = link_read_fate(content, &ticket, &fate);
    if (rc == RC_OK && ticket == l->letter)
        end_letter(l, fate);
    return rc;
}

static enum rc take(struct control_line *l, const struct link_frame *frame)
{
    if (frame->type == LINK_LETTER_FATE && l->open)
        return take_fate(l, frame->content);
    if (frame->type == LINK_REPORTS && l->open)
        return link_read_reports(frame->content, l->ops->on_report, l->arg);
    if (frame->type != LINK_OBSERVATIONS)
        return RC_PARSE;
    opened(l);
    return link_read_observations(frame->content, &l->lost, l->ops->on_observation, l->arg);
}

static void on_data(void *arg, const char *p, size_t n, size_t *used_r)
{
    struct control_line *l = arg;
    struct link_frame frame;
    *used_r = n;
    enum rc rc = link_reader_feed(&l->reader, (struct slice){ p, n });
    while (rc == RC_OK && (rc = link_reader_next(&l->reader, &frame)) == RC_OK)
        rc = take(l, &frame);
    if (rc == RC_AGAIN)
        return;
    log_warning(NULL, "link_frame_refused", "error", rc_name(rc), NULL);
    drop(l);
}

static void on_eof(void *arg)
{
    drop(arg);
}

static void on_error(void *arg, const struct err *err)
{
    (void)err;
    drop(arg);
}

static void connect_now(struct control_line *l)
{
    static const struct stream_limits limits = { STREAM_INPUT_MAX, OUTPUT_MAX, 0 };
    static const struct stream_ops ops = { .on_data = on_data,
                                           .on_eof = on_eof,
                                           .on_error = on_error };
    static const char request[] = "{\"verb\":\"links\"}\n";
    struct err err;
    int fd;
    if (passage_connect(l->path, &fd, &err) != RC_OK) {
        timer_set(l->loop, &l->again, AGAIN_MS);
        return;
    }
    link_reader_init(&l->reader);
    l->stream = stream_new(l->loop, fd, &limits);
    stream_set_ops(l->stream, &ops, l);
    stream_write(l->stream, request, sizeof request - 1);
}

static void on_again(struct timer *timer)
{
    connect_now(CONTAINER_OF(timer, struct control_line, again));
}

struct control_line *control_line_new(struct loop *loop, const char *path,
                                      const struct control_line_ops *ops, void *arg)
{
    struct control_line *l = mem_zero(sizeof *l);
    l->loop = loop;
    l->path = mem_strdup(path);
    l->ops = ops;
    l->arg = arg;
    timer_init(&l->again, on_again);
    timer_set(loop, &l->again, 0);
    return l;
}

void control_line_free(struct control_line **line)
{
    struct control_line *l = *line;
    if (!l)
        return;
    l->letter = 0; /* nobody is told any more */
    drop(l);
    timer_stop(l->loop, &l->again);
    free(l->path);
    free(l);
    *line = NULL;
}

bool control_line_is_open(const struct control_line *l)
{
    return l->open;
}

bool control_line_advise(struct control_line *l, const struct advice *advice)
{
    struct buf out;
    if (!l->open || stream_queued(l->stream))
        return false;
    buf_init(&out, LINK_HEAD + LINK_FRAME_MAX);
    size_t began = link_frame_begin(&out, LINK_ADVICE);
    advice_pack(advice, &out);
    link_frame_end(&out, began);
    bool fits = !out.full;
    size_t n = 0;
    char *frame = buf_take(&out, &n);
    if (fits)
        stream_write_ref(l->stream, (struct slice){ frame, n }, free, frame);
    else
        free(frame);
    return fits;
}

void control_line_note(struct control_line *l, const struct link_note *note)
{
    struct buf out;
    if (!l->open)
        return;
    buf_init(&out, NOTE_MAX);
    link_put_note(&out, note);
    if (!out.full && stream_queued(l->stream) + buf_len(&out) < OUTPUT_MAX)
        stream_write(l->stream, buf_slice(&out).p, buf_len(&out));
    buf_free(&out);
}

bool control_line_letter(struct control_line *l, const struct link_letter *letter)
{
    struct buf out;
    if (!l->open || l->letter)
        return false;
    buf_init(&out, LETTER_MAX);
    link_put_letter(&out, letter);
    bool fits = !out.full && stream_queued(l->stream) + buf_len(&out) < OUTPUT_MAX;
    if (fits) {
        l->letter = letter->ticket;
        stream_write(l->stream, buf_slice(&out).p, buf_len(&out));
    }
    buf_free(&out);
    return fits;
}

uint64_t control_line_lost(const struct control_line *l)
{
    return l->lost;
}
