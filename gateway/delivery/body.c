/*
 * delivery/body — the bytes of a message on their way out
 *
 *   In memory: the spans are queued by reference, nothing is copied. In the spool: a small body is
 *   read into memory first, so that the transaction can be pipelined; a large one goes out window
 *   by window, the next is asked for when the kernel has taken the last, so memory stays flat.
 */
#include <assert.h>
#include <stdlib.h>

#include "gateway/delivery/sense.h"
#include "gateway/delivery/tolls.h"
#include "gateway/io/stream.h"
#include "gateway/smtp/bdat.h"

enum { LOAD_MAX = 512 * 1024 }; /* bodies up to this are read whole */

struct body_load {
    struct attempt *attempt; /* NULL: nobody wants it any more */
};

bool body_in_memory(const struct attempt *a)
{
    return a->item->body != NULL;
}

bool body_is_streamed(const struct attempt *a)
{
    return !a->item->body && a->item->body_size > LOAD_MAX;
}

static struct finding unreadable(enum spool_rc rc)
{
    bool gone = rc == SPOOL_NOT_FOUND || rc == SPOOL_CORRUPT;
    return (struct finding){ .where = WHERE_SPOOL,
                             .fault = FAULT_OURS,
                             .status = { gone ? 5 : 4, 3, 0 },
                             .text = slice_of("the stored message cannot be read") };
}

static void fail(struct attempt *a, enum spool_rc rc)
{
    struct finding f = unreadable(rc);
    transact_body_failed(a->session, a, &f);
}

static void on_loaded(void *arg, enum spool_rc rc, struct body *body)
{
    struct body_load *load = arg;
    struct attempt *a = load->attempt;
    free(load);
    if (!a) {
        body_unref(&body);
        return;
    }
    a->load = NULL;
    if (rc == SPOOL_OK) {
        a->item->body = body;
        transact_body_ready(a->session, a);
    } else {
        fail(a, rc);
    }
}

bool body_prepare(struct attempt *a)
{
    if (a->item->body || body_is_streamed(a))
        return true;
    if (!a->load) {
        a->load = mem_zero(sizeof *a->load);
        a->load->attempt = a;
        spool_load(a->delivery->spool, a->item->id, LOAD_MAX, on_loaded, a->load);
    }
    return false;
}

void body_forget(struct attempt *a)
{
    if (a->load)
        a->load->attempt = NULL;
    a->load = NULL;
    list_del(&a->large);
    if (a->reader) {
        loop_task_cancel(&a->pump);
        timer_stop(a->delivery->loop, &a->pace);
        spool_reader_close(&a->reader);
    }
}

static void release_body(void *arg)
{
    struct body *body = arg;
    body_unref(&body);
}

static void end_of_body(struct attempt *a, struct session *s)
{
    if (!a->bdat)
        stream_write_ref(s->stream, dot_encode_end(&a->dots), NULL, NULL);
    a->end_mark = stream_bytes_out(s->stream);
    transact_sent(s, a);
}

static void send_memory(struct attempt *a, struct session *s)
{
    struct body *body = a->item->body;
    struct slice rest = body_slice(body), span;
    if (a->bdat && rest.n) {
        stream_write_ref(s->stream, rest, release_body, body_ref(body));
    } else {
        while (dot_encode(&a->dots, &rest, &span))
            stream_write_ref(s->stream, span, release_body, body_ref(body));
    }
    end_of_body(a, s);
}

/* ---- large ones ---- */

static void on_released(void *arg)
{
    struct attempt *a = arg;
    loop_task_schedule(a->delivery->loop, &a->pump);
}

static void queue_window(struct attempt *a, struct session *s, struct slice window)
{
    struct slice span, last = window;
    if (a->bdat) {
        stream_write_ref(s->stream, last, on_released, a);
        return;
    }
    bool any = false;
    while (dot_encode(&a->dots, &window, &span)) {
        if (any)
            stream_write_ref(s->stream, last, NULL, NULL);
        last = span;
        any = true;
    }
    stream_write_ref(s->stream, last, on_released, a);
}

/* The end goes out with the last bytes; the reader stays until the kernel has taken them. */
static void on_window(void *arg, enum spool_rc rc, const char *data, size_t n)
{
    struct attempt *a = arg;
    struct session *s = a->session;
    if (rc != SPOOL_OK || n == 0 || n > a->left) {
        fail(a, rc == SPOOL_OK ? SPOOL_CORRUPT : rc);
        return;
    }
    a->left -= n;
    tolls_charge_bytes(s, n);
    if (a->left == 0 && !transact_may_send(s, a))
        return;
    queue_window(a, s, (struct slice){ data, n });
    if (a->left == 0)
        end_of_body(a, s);
    else
        session_set_deadline(s);
}

static void next_window(struct attempt *a)
{
    int64_t wait_ms = tolls_bytes_wait_ms(a->session);
    if (wait_ms == 0) {
        spool_reader_next(a->reader, on_window, a);
        return;
    }
    a->session->sending_slowly = true;
    session_set_deadline(a->session); /* it is we who wait */
    timer_set(a->delivery->loop, &a->pace, wait_ms);
}

static void on_pace(struct timer *timer)
{
    next_window(CONTAINER_OF(timer, struct attempt, pace));
}

static void on_pump(struct loop_task *task)
{
    struct attempt *a = CONTAINER_OF(task, struct attempt, pump);
    if (a->left == 0)
        spool_reader_close(&a->reader);
    else
        next_window(a);
}

void body_send(struct attempt *a, struct session *s)
{
    a->step = ATTEMPT_SENDING;
    a->session = s;
    a->dots = (struct dot_encoder){ .started = false };
    sense_body(s, a);
    if (a->item->body) {
        send_memory(a, s);
        return;
    }
    a->left = a->item->body_size;
    loop_task_init(&a->pump, on_pump);
    timer_init(&a->pace, on_pace);
    a->reader = spool_reader_open(a->delivery->spool, a->item->id);
    spool_reader_next(a->reader, on_window, a);
}
