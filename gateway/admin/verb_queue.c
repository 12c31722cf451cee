/*
 * admin/verb_queue — `waypost queue`: look at what waits, and act on it
 *
 *   action   rows                      needs
 *   ""       one a site, one of the rest -
 *   list     one an item               -
 *   show     one an item, in full      id
 *   retry    none; the end says how    -
 *   hold release drop bounce           a filter: nobody drops all mail by a slip (--to '*' does)
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/filter.h"
#include "gateway/admin/queue_rows.h"
#include "gateway/admin/relay_verbs.h"

/* Rows of one answer: bounds the memory of a listing. What is over is said. */
enum { ROWS_MAX = 400000, ROW_MAX = 8 << 20 };

struct job;

struct action {
    const char *name;
    void (*copy)(struct job *job, struct queue *queue, struct buf *out); /* on the worker */
    bool (*put)(struct job *job, struct cursor *copies, struct buf *json);
    bool (*put_rest)(struct job *job, struct buf *json); /* NULL: there is none */
    bool acts, needs_filter;
    enum queue_action what;
    const char *done; /* "3 retried" */
};

struct job {
    struct relay_view *view;
    struct call *call;
    const struct action *action;
    struct arena *arena, *scratch;
    struct filter filter;
    size_t rows_each; /* rows one worker may copy */
    /* answers, being shown */
    struct buf *answers;
    unsigned n, at;
    struct cursor copies;
    struct rows_limbo limbo;
    size_t shown;
    struct buf json;
};

/* ---- on the worker ---- */

struct copying {
    struct buf *out;
    size_t left;
};

static bool copy_item(void *arg, const struct item *item)
{
    struct copying *c = arg;
    if (c->left == 0)
        return false;
    c->left--;
    rows_copy_item(c->out, item);
    return true;
}

static void copy_items(struct job *job, struct queue *queue, struct buf *out)
{
    struct copying c = { out, job->rows_each };
    queue_each(queue, &job->filter.queue, copy_item, &c);
}

static void copy_site(void *arg, const struct queue_site_row *row)
{
    rows_copy_site(arg, row);
}

static void copy_sites(struct job *job, struct queue *queue, struct buf *out)
{
    (void)job;
    queue_each_site(queue, copy_site, out);
}

static void act(struct job *job, struct queue *queue, struct buf *out)
{
    put_u64(out, queue_act(queue, &job->filter.queue, job->action->what));
}

static void at_worker(void *arg, const struct fanout_worker *worker, struct buf *out)
{
    struct job *job = arg;
    job->action->copy(job, worker->queue, out);
}

/* ---- the actions ---- */

static bool put_short(struct job *job, struct cursor *copies, struct buf *json)
{
    return rows_put_item(copies, false, loop_wall_ms(job->view->loop), job->scratch, json);
}

static bool put_full(struct job *job, struct cursor *copies, struct buf *json)
{
    return rows_put_item(copies, true, loop_wall_ms(job->view->loop), job->scratch, json);
}

static bool put_site(struct job *job, struct cursor *copies, struct buf *json)
{
    return rows_put_site(copies, loop_wall_ms(job->view->loop), &job->limbo, json);
}

static bool put_limbo(struct job *job, struct buf *json)
{
    return rows_put_limbo(&job->limbo, loop_wall_ms(job->view->loop), json);
}

static const struct action actions[] = {
    { .name = "", .copy = copy_sites, .put = put_site, .put_rest = put_limbo },
    { .name = "list", .copy = copy_items, .put = put_short },
    { .name = "show", .copy = copy_items, .put = put_full, .needs_filter = true },
    { .name = "retry", .copy = act, .acts = true, .what = QUEUE_RETRY, .done = "to be tried now" },
    { .name = "hold",
      .copy = act,
      .acts = true,
      .needs_filter = true,
      .what = QUEUE_HOLD,
      .done = "held" },
    { .name = "release",
      .copy = act,
      .acts = true,
      .needs_filter = true,
      .what = QUEUE_RELEASE,
      .done = "released" },
    { .name = "drop",
      .copy = act,
      .acts = true,
      .needs_filter = true,
      .what = QUEUE_DROP,
      .done = "dropped" },
    { .name = "bounce",
      .copy = act,
      .acts = true,
      .needs_filter = true,
      .what = QUEUE_BOUNCE,
      .done = "bounced" },
};

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    }
    return NULL;
}

/* ---- showing the answers ---- */

static void job_free(struct job *job)
{
    for (unsigned i = 0; i < job->n; i++)
        buf_free(&job->answers[i]);
    free(job->answers);
    buf_free(&job->json);
    buf_free(&job->limbo.error);
    arena_free(&job->arena);
    arena_free(&job->scratch);
    free(job);
}

static void end(struct job *job, bool ok, const char *text)
{
    call_end(&job->call, ok, slice_of(text));
    job_free(job);
}

static void end_of_rows(struct job *job)
{
    bool show = job->action->put == put_full;
    buf_clear(&job->json);
    if (job->action->put_rest && job->action->put_rest(job, &job->json))
        call_row(job->call, buf_slice(&job->json));
    if (show && job->shown == 0)
        end(job, false, "no such message in the queue");
    else if (job->shown >= job->rows_each && job->action->put == put_short)
        end(job, true, "there may be more; use filters");
    else
        end(job, true, "");
}

static void show(void *arg)
{
    struct job *job = arg;
    while (!call_gone(job->call)) {
        if (call_full(job->call)) {
            call_on_room(job->call, show, job);
            return;
        }
        buf_clear(&job->json);
        if (job->action->put(job, &job->copies, &job->json)) {
            if (!job->json.full)
                call_row(job->call, buf_slice(&job->json));
            job->shown++;
            continue;
        }
        buf_free(&job->answers[job->at]);
        if (++job->at == job->n)
            break;
        struct slice next = buf_slice(&job->answers[job->at]);
        job->copies = cur_of(next.p, next.n);
    }
    end_of_rows(job);
}

static void say_how_many(struct job *job)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < job->n; i++) {
        struct slice s = buf_slice(&job->answers[i]);
        struct cursor c = cur_of(s.p, s.n);
        total += cur_u64(&c);
    }
    buf_clear(&job->json);
    buf_put_u64(&job->json, total);
    buf_puts(&job->json, total == 1 ? " item " : " items ");
    buf_puts(&job->json, job->action->done);
    buf_putc(&job->json, '\0');
    end(job, true, buf_slice(&job->json).p);
}

static void on_answers(void *arg, struct buf *answers, unsigned n)
{
    struct job *job = arg;
    job->answers = mem_array(n, sizeof *answers);
    job->n = n;
    for (unsigned i = 0; i < n; i++) { /* taken over: the fanout frees empty ones */
        job->answers[i] = answers[i];
        answers[i] = (struct buf){ 0 };
    }
    if (job->action->acts) {
        say_how_many(job);
        return;
    }
    struct slice first = buf_slice(&job->answers[0]);
    job->copies = cur_of(first.p, first.n);
    show(job);
}

void verb_queue(void *arg, struct call *call, const struct request *request)
{
    struct relay_view *view = arg;
    struct err err;
    const struct action *action = find_action(request->action);
    if (!action) {
        call_end(&call, false, SLICE_LIT("queue has no such action"));
        return;
    }
    struct job *job = mem_zero(sizeof *job);
    job->view = view;
    job->call = call;
    job->action = action;
    job->rows_each = ROWS_MAX / view->workers.n;
    job->arena = arena_new(1024);
    job->scratch = arena_new(4096);
    buf_init(&job->json, ROW_MAX);
    /* Texts of the request live shorter than the job: the filter's patterns are copies. */
    if (filter_read(request, job->arena, &job->filter, &err) != RC_OK ||
        filter_resolve(&job->filter, view->policies, job->arena, &err) != RC_OK)
        end(job, false, err.text);
    else if (action->needs_filter && !job->filter.any)
        end(job, false, "this needs a filter; --to '*' means all mail");
    else
        fanout_run(&view->workers, at_worker, on_answers, job);
}
