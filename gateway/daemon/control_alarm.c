#include "gateway/daemon/control_alarm.h"

#include <stdlib.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/conf/conf.h"
#include "gateway/daemon/alarm_join.h"
#include "gateway/daemon/alarm_text.h"
#include "gateway/daemon/alarm_unsent.h"
#include "gateway/daemon/keeper.h"
#include "gateway/daemon/webhook.h"
#include "gateway/io/timer.h"

enum {
    SUBJECT_MAX = 2048,
    BODY_MAX = 384 << 10, /* 2 ALARM_LINES_MAX alarms, each by STANDING_LISTINGS_MAX lists */
    LETTERS_MAX = 16,
    AGAIN_MS = 500,       /* nobody took it; also between two */
    LATER_MS = 60 * 1000, /* the relay could not store it */
};
static const char FILE_NAME[] = "alarms.bin", UNSENT_NAME[] = "unsent.bin";
static const int64_t LETTER_PATIENCE_MS = 24 * 3600 * 1000;

/* Mail that the relay has not taken yet. */
struct waiting {
    struct list node;
    int64_t since_ms; /* wall clock */
    struct buf to, subject, text;
};

struct control_alarm {
    struct control_alarm_env env;
    struct policies *policies; /* NULL: not configured yet */
    struct alarms *core;
    struct webhook *webhook;
    struct list letters;
    unsigned letter_n;
    uint64_t ticket, tickets; /* of the first letter, which the relay has; 0: it has none */
    struct timer due, again;
    struct keeper *keeper;
    struct loop_task save;        /* at the end of the turn: a storm is one writing */
    struct loop_task save_unsent; /* likewise */
    struct control_alarm_stats stats;
};

static const struct conf_notify *notify_of(const struct control_alarm *c)
{
    return &policies_conf(c->policies)->reputation.notify;
}

static bool anybody_listens(const struct control_alarm *c)
{
    return c->policies && (notify_of(c)->webhook.n || notify_of(c)->mail.n);
}

/* ---- kept on disk ---- */

static void save(struct control_alarm *c)
{
    struct loop *loop = c->env.loop;
    struct buf bytes;
    buf_init(&bytes, ALARMS_PACK_MAX);
    alarms_pack(c->core, loop_now_ms(loop), loop_wall_ms(loop), &bytes);
    keeper_save(c->keeper, FILE_NAME, buf_slice(&bytes));
    buf_free(&bytes);
}

static void on_save(struct loop_task *task)
{
    save(CONTAINER_OF(task, struct control_alarm, save));
}

static bool take_kept(void *arg, struct slice bytes, struct err *err)
{
    struct control_alarm *c = arg;
    struct loop *loop = c->env.loop;
    return alarms_unpack(bytes, loop_now_ms(loop), loop_wall_ms(loop), &c->core, err) == RC_OK;
}

/* ---- what has not arrived, likewise ---- */

struct packing {
    struct buf *out;
    int64_t wall_ms;
};

static void pack_post(void *arg, struct slice json, int64_t age_ms)
{
    const struct packing *p = arg;
    struct unsent m = { .since_ms = p->wall_ms > age_ms ? p->wall_ms - age_ms : 0, .text = json };
    unsent_put(p->out, &m);
}

static void save_unsent(struct control_alarm *c)
{
    struct buf bytes;
    struct packing packing = { &bytes, loop_wall_ms(c->env.loop) };
    buf_init(&bytes, UNSENT_PACK_MAX);
    unsent_begin(&bytes);
    webhook_each(c->webhook, pack_post, &packing);
    LIST_EACH (node, &c->letters) {
        const struct waiting *w = CONTAINER_OF(node, struct waiting, node);
        struct unsent m = { w->since_ms, buf_slice(&w->to), buf_slice(&w->subject),
                            buf_slice(&w->text) };
        unsent_put(&bytes, &m);
    }
    keeper_save(c->keeper, UNSENT_NAME, buf_slice(&bytes));
    buf_free(&bytes);
}

static void on_save_unsent(struct loop_task *task)
{
    save_unsent(CONTAINER_OF(task, struct control_alarm, save_unsent));
}

static void keep_letter(struct control_alarm *c, const struct unsent *m);

static void count_lost(struct control_alarm *c, const char *why)
{
    c->stats.lost++;
    log_error(NULL, "alarm_not_mailed", "reason", why, NULL);
}

static void take_message(void *arg, const struct unsent *m)
{
    struct control_alarm *c = arg;
    int64_t age = loop_wall_ms(c->env.loop) - m->since_ms;
    age = age > 0 ? age : 0; /* the clock was set back */
    if (!m->to.n)
        webhook_post(c->webhook, m->text, age);
    else if (age < LETTER_PATIENCE_MS)
        keep_letter(c, m);
    else
        count_lost(c, "it has waited for a day");
}

static bool take_unsent(void *arg, struct slice bytes, struct err *err)
{
    return unsent_read(bytes, take_message, arg, err) == RC_OK;
}

/* ---- mail ---- */

static void letter_free(struct control_alarm *c, struct waiting *w)
{
    list_del(&w->node);
    c->letter_n--;
    buf_free(&w->to);
    buf_free(&w->subject);
    buf_free(&w->text);
    free(w);
}

/* One at a time, and the next when it is known what became of it. */
static void hand_over(struct control_alarm *c)
{
    if (list_empty(&c->letters) || c->ticket || timer_is_set(&c->again))
        return;
    struct waiting *w = CONTAINER_OF(c->letters.next, struct waiting, node);
    struct link_letter letter = { c->tickets + 1, buf_slice(&w->to), buf_slice(&w->subject),
                                  buf_slice(&w->text) };
    if (control_links_letter(c->env.links, &letter))
        c->ticket = ++c->tickets;
    else
        timer_set(c->env.loop, &c->again, AGAIN_MS);
}

static void on_again(struct timer *timer)
{
    hand_over(CONTAINER_OF(timer, struct control_alarm, again));
}

void control_alarm_letter(struct control_alarm *c, uint64_t ticket, enum letter_fate fate)
{
    if (ticket != c->ticket)
        return;
    struct waiting *w = CONTAINER_OF(c->letters.next, struct waiting, node);
    bool old = loop_wall_ms(c->env.loop) - w->since_ms >= LETTER_PATIENCE_MS;
    c->ticket = 0;
    timer_set(c->env.loop, &c->again, fate == LETTER_LATER ? LATER_MS : AGAIN_MS);
    if (fate == LETTER_LATER && !old)
        return;
    if (fate != LETTER_KEPT)
        count_lost(c, old ? "it has waited for a day" : "no such mail can be sent");
    letter_free(c, w);
    loop_task_schedule(c->env.loop, &c->save_unsent);
}

/* The oldest that the relay does not have: newer ones tell more. */
static void make_room(struct control_alarm *c)
{
    struct list *oldest = c->ticket ? c->letters.next->next : c->letters.next;
    count_lost(c, "the relay takes none");
    letter_free(c, CONTAINER_OF(oldest, struct waiting, node));
}

static void keep_letter(struct control_alarm *c, const struct unsent *m)
{
    struct waiting *w = mem_zero(sizeof *w);
    w->since_ms = m->since_ms;
    buf_init(&w->to, SUBJECT_MAX);
    buf_init(&w->subject, SUBJECT_MAX);
    buf_init(&w->text, LINK_LETTER_MAX);
    buf_put_slice(&w->to, m->to);
    buf_put_slice(&w->subject, m->subject);
    buf_put_slice(&w->text, m->text);
    list_init(&w->node);
    list_push_back(&c->letters, &w->node);
    c->letter_n++;
    hand_over(c);
    if (c->letter_n > LETTERS_MAX)
        make_room(c);
}

static void send_mail(struct control_alarm *c, const struct alarm_message *m)
{
    struct buf subject, text;
    buf_init(&subject, SUBJECT_MAX);
    buf_init(&text, LINK_LETTER_MAX);
    alarm_put_subject(&subject, m);
    alarm_put_text(&text, m);
    struct unsent unsent = { loop_wall_ms(c->env.loop), notify_of(c)->mail, buf_slice(&subject),
                             buf_slice(&text) };
    keep_letter(c, &unsent);
    buf_free(&subject);
    buf_free(&text);
}

/* ---- telling ---- */

static void tell(struct control_alarm *c, const struct alarm_digest *digest)
{
    struct alarm_message m = { .hostname = policies_conf(c->policies)->hostname,
                               .now_ms = loop_wall_ms(c->env.loop),
                               .digest = digest,
                               .standing = c->env.standing };
    struct buf text;
    buf_init(&text, BODY_MAX);
    alarm_put_subject(&text, &m);
    buf_putc(&text, '\0');
    log_warning(NULL, "alarm", "text", buf_slice(&text).p, NULL);
    c->stats.messages++;
    if (notify_of(c)->mail.n)
        send_mail(c, &m);
    buf_clear(&text);
    alarm_put_json(&text, &m);
    if (notify_of(c)->webhook.n)
        webhook_post(c->webhook, buf_slice(&text), 0);
    buf_free(&text);
    loop_task_schedule(c->env.loop, &c->save_unsent);
}

static void wait_for_due(struct control_alarm *c)
{
    int64_t due = alarms_due_ms(c->core), now = loop_now_ms(c->env.loop);
    if (due >= 0)
        timer_set(c->env.loop, &c->due, due > now ? due - now : 0);
}

static void on_due(struct timer *timer)
{
    struct control_alarm *c = CONTAINER_OF(timer, struct control_alarm, due);
    struct alarm_digest digest;
    if (alarms_begin(c->core, loop_now_ms(c->env.loop), &digest)) {
        if (anybody_listens(c))
            tell(c, &digest);
        alarms_end(c->core);
        loop_task_schedule(c->env.loop, &c->save);
    }
    wait_for_due(c);
}

/* ---- what happens ---- */

static void take(struct control_alarm *c, const struct alarm *alarm)
{
    alarms_take(c->core, alarm, loop_now_ms(c->env.loop));
    loop_task_schedule(c->env.loop, &c->save);
    wait_for_due(c);
}

void control_alarm_standing(struct control_alarm *c, const struct standing_event *event)
{
    struct alarm alarm;
    if (!c->policies)
        return;
    const struct conf *conf = policies_conf(c->policies);
    bool acknowledge = conf->reputation.acknowledge;
    bool needs = alarms_judge(c->core, event, acknowledge, loop_now_ms(c->env.loop), &alarm);
    if (alarm.kind == ALARM_POOL && (size_t)event->pool < conf->rules.routes.n)
        alarm.with = conf->rules.routes.at[event->pool].name;
    if (needs && anybody_listens(c))
        take(c, &alarm);
}

void control_alarm_hygiene(struct control_alarm *c, struct slice egress, const struct hygiene *h)
{
    bool broken = h->reverse == HYGIENE_BROKEN || h->ehlo == HYGIENE_BROKEN;
    struct alarm alarm = {
        .kind = ALARM_NAMES, .egress = egress, .address = h->address, .reason = slice_of(h->why)
    };
    bool known = h->reverse != HYGIENE_UNKNOWN || h->ehlo != HYGIENE_UNKNOWN;
    if (known && !addr_is_private(&h->address) &&
        alarms_judge_names(c->core, &h->address, broken) && anybody_listens(c))
        take(c, &alarm);
}

void control_alarm_list(struct control_alarm *c, struct slice source, enum list_fault fault,
                        const char *text)
{
    struct alarm alarm;
    bool news = alarms_judge_list(c->core, source, fault, text, &alarm);
    if (news && anybody_listens(c))
        take(c, &alarm);
}

void control_alarm_loss(struct control_alarm *c)
{
    struct alarm alarm = { .kind = ALARM_STATE,
                           .reason = SLICE_LIT("what was known of the addresses could not be read; "
                                               "orders given before have to be given again") };
    if (anybody_listens(c))
        take(c, &alarm);
}

/* ---- life ---- */

static void on_webhook_gone(void *arg, bool lost)
{
    struct control_alarm *c = arg;
    c->stats.lost += lost;
    loop_task_schedule(c->env.loop, &c->save_unsent);
}

static const struct webhook_ops webhook_ops = { on_webhook_gone, alarm_join };

struct control_alarm *control_alarm_new(const struct control_alarm_env *env)
{
    struct control_alarm *c = mem_zero(sizeof *c);
    c->env = *env;
    c->tickets = (uint64_t)loop_wall_ms(env->loop); /* not those of a process before this one */
    c->keeper = keeper_new(env->folder);
    if (keeper_load(c->keeper, FILE_NAME, ALARMS_PACK_MAX, take_kept, c) != RC_OK)
        c->core = alarms_new();
    loop_task_init(&c->save, on_save);
    loop_task_init(&c->save_unsent, on_save_unsent);
    c->webhook = webhook_new(env->loop, &webhook_ops, c);
    list_init(&c->letters);
    timer_init(&c->due, on_due);
    timer_init(&c->again, on_again);
    (void)keeper_load(c->keeper, UNSENT_NAME, UNSENT_PACK_MAX, take_unsent, c); /* or none */
    return c;
}

void control_alarm_free(struct control_alarm **alarm)
{
    struct control_alarm *c = *alarm;
    if (!c)
        return;
    timer_stop(c->env.loop, &c->due);
    timer_stop(c->env.loop, &c->again);
    loop_task_cancel(&c->save);
    loop_task_cancel(&c->save_unsent);
    save(c);
    save_unsent(c);
    LIST_EACH (node, &c->letters)
        letter_free(c, CONTAINER_OF(node, struct waiting, node));
    webhook_free(&c->webhook);
    keeper_free(&c->keeper);
    alarms_free(&c->core);
    if (c->policies)
        policies_unref(&c->policies);
    free(c);
    *alarm = NULL;
}

void control_alarm_configure(struct control_alarm *c, struct policies *policies)
{
    struct policies *old = c->policies;
    c->policies = policies_ref(policies);
    webhook_configure(c->webhook, policies_conf(policies));
    loop_task_schedule(c->env.loop, &c->save_unsent); /* what nobody is to be told any more */
    wait_for_due(c);                                  /* what was kept */
    if (old)
        policies_unref(&old);
}

struct control_alarm_stats control_alarm_stats(const struct control_alarm *c)
{
    return c->stats;
}
