#include "gateway/admin/fanout.h"

#include <stdlib.h>

#include "gateway/base/list.h"
#include "gateway/base/mem.h"

struct part {
    struct mail mail;
    struct fanout *fanout;
    const struct fanout_worker *worker;
};

struct fanout {
    struct mailbox *home;
    fanout_work_fn *work;
    fanout_done_fn *done;
    void *arg;
    unsigned n, due;
    struct part *parts;
    struct buf *answers;
};

static void came_back(struct mail *mail)
{
    struct fanout *f = CONTAINER_OF(mail, struct part, mail)->fanout;
    if (--f->due > 0)
        return;
    f->done(f->arg, f->answers, f->n);
    for (unsigned i = 0; i < f->n; i++)
        buf_free(&f->answers[i]);
    free(f->answers);
    free(f->parts);
    free(f);
}

static void at_worker(struct mail *mail)
{
    struct part *part = CONTAINER_OF(mail, struct part, mail);
    struct fanout *f = part->fanout;
    f->work(f->arg, part->worker, &f->answers[part - f->parts]);
    mail->fn = came_back;
    mailbox_post(f->home, mail);
}

void fanout_run(const struct fanout_group *group, fanout_work_fn *work, fanout_done_fn *done,
                void *arg)
{
    struct fanout *f = mem_zero(sizeof *f);
    *f = (struct fanout){
        .home = group->home, .work = work, .done = done, .arg = arg, .n = group->n, .due = group->n
    };
    f->parts = mem_array(f->n, sizeof *f->parts);
    f->answers = mem_array(f->n, sizeof *f->answers);
    for (unsigned i = 0; i < f->n; i++) {
        buf_init(&f->answers[i], FANOUT_ANSWER_MAX);
        f->parts[i] = (struct part){ { NULL, at_worker }, f, &group->at[i] };
    }
    for (unsigned i = 0; i < group->n; i++)
        mailbox_post(group->at[i].box, &f->parts[i].mail);
}
