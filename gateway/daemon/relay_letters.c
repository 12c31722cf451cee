#include "gateway/daemon/relay_letters.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

enum { ERRANDS = 8, FRAME_MAX = 64 };

struct errand {
    struct mail mail; /* to the worker, then back */
    struct relay_letters *letters;
    bool busy;
    uint64_t ticket;
    enum letter_fate fate;
    struct buf content; /* of the frame */
};

struct relay_letters {
    struct loop *loop;
    void (*tell)(void *arg, struct slice frame);
    void *arg;
    struct mailbox *box; /* NULL: there is no worker yet */
    link_letter_fn *fn;
    void *worker;
    struct errand errands[ERRANDS];
};

static void tell(const struct relay_letters *l, uint64_t ticket, enum letter_fate fate)
{
    struct buf out;
    buf_init(&out, FRAME_MAX);
    link_put_fate(&out, ticket, fate);
    l->tell(l->arg, buf_slice(&out));
    buf_free(&out);
}

static void on_done(struct mail *mail)
{
    struct errand *e = CONTAINER_OF(mail, struct errand, mail);
    e->busy = false;
    tell(e->letters, e->ticket, e->fate);
}

void relay_letter_done(struct errand *e, enum letter_fate fate)
{
    e->fate = fate;
    e->mail.fn = on_done;
    mailbox_post(loop_mailbox(e->letters->loop), &e->mail);
}

static void at_worker(struct mail *mail)
{
    struct errand *e = CONTAINER_OF(mail, struct errand, mail);
    struct link_letter letter;
    enum rc rc = link_read_letter(buf_slice(&e->content), &letter);
    assert(rc == RC_OK); /* as it was before */
    (void)rc;
    e->letters->fn(e->letters->worker, &letter, e);
}

/* NULL: the worker stands still, and all are under way. */
static struct errand *free_errand(struct relay_letters *l)
{
    for (unsigned i = 0; i < ERRANDS; i++)
        if (!l->errands[i].busy)
            return &l->errands[i];
    return NULL;
}

enum rc relay_letters_take(struct relay_letters *l, struct slice content)
{
    struct link_letter letter;
    if (link_read_letter(content, &letter) != RC_OK)
        return RC_PARSE;
    struct errand *e = free_errand(l);
    if (!l->box || !e) {
        tell(l, letter.ticket, LETTER_LATER);
        return RC_OK;
    }
    buf_free(&e->content);
    buf_init(&e->content, content.n);
    buf_put_slice(&e->content, content);
    e->mail.fn = at_worker;
    e->ticket = letter.ticket;
    e->busy = true;
    mailbox_post(l->box, &e->mail);
    return RC_OK;
}

void relay_letters_worker(struct relay_letters *l, struct mailbox *box, link_letter_fn *fn,
                          void *worker)
{
    l->box = box;
    l->fn = fn;
    l->worker = worker;
}

struct relay_letters *relay_letters_new(struct loop *loop,
                                        void (*tell_control)(void *, struct slice), void *arg)
{
    struct relay_letters *l = mem_zero(sizeof *l);
    l->loop = loop;
    l->tell = tell_control;
    l->arg = arg;
    for (unsigned i = 0; i < ERRANDS; i++)
        l->errands[i].letters = l;
    return l;
}

void relay_letters_free(struct relay_letters **letters)
{
    struct relay_letters *l = *letters;
    for (unsigned i = 0; l && i < ERRANDS; i++)
        buf_free(&l->errands[i].content);
    free(l);
    *letters = NULL;
}
