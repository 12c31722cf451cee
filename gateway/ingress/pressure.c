/*
 * ingress/pressure — overload refuses bulk mail first (policies/pressure), before the 250
 *
 *   As soon as the lane is known: at MAIL when no rule of `priorities` waits for more, at RCPT for
 *   this recipient, at DATA or the first BDAT for all of them, and at the end of the data when only
 *   the header or the size decided. A message for several lanes goes by the most urgent of them.
 */
#include "policies/pressure.h"
#include "gateway/ingress/transaction.h"
#include "gateway/queue/held.h"

#define FOR_EACH_LANE(before, after)                                                               \
    {                                                                                              \
        [LANE_URGENT] = before "mail" after, [LANE_HIGH] = before "mail but urgent" after,         \
        [LANE_NORMAL] = before "normal mail" after, [LANE_BULK] = before "bulk mail" after         \
    }

static const char *const replies[PRESSURES][LANE_COUNT] = {
    [PRESSURE_QUEUE] = FOR_EACH_LANE("452 4.3.1 Too much is waiting to take ", ", try again later"),
    [PRESSURE_WRITES] = FOR_EACH_LANE("451 4.3.2 Too busy to take ", ", try again later"),
    [PRESSURE_DISK] =
        FOR_EACH_LANE("452 4.3.1 Not enough disk space to take ", ", try again later"),
};

static const char *const held_replies[PRESSURES] = {
    [PRESSURE_QUEUE] = "452 4.3.1 Too much is waiting to hold mail, try again later",
    [PRESSURE_WRITES] = "451 4.3.2 Too busy to hold mail, try again later",
    [PRESSURE_DISK] = "452 4.3.1 Not enough disk space to hold mail, try again later",
};

static uint64_t client_of(const struct transaction *tx)
{
    const struct session *s = tx->session;
    char address[ADDR_TEXT_MAX];
    addr_host_text(&s->peer, address);
    struct origin from = { .user = s->user ? s->user->name : (struct slice){ 0 },
                           .name = s->client ? s->client->name : (struct slice){ 0 },
                           .address = slice_of(address) };
    return origin_client(&from);
}

/* One client does not fill the room that there is for held mail. */
static bool has_its_share_held(const struct transaction *tx, const struct spool_fill *fill)
{
    struct held own = held_of(client_of(tx));
    return pressure_held_enough(own.memory, tx->rules->conf->limits.queue_memory) ||
           pressure_held_enough(own.disk, fill->free_bytes);
}

static const char *refusal_of(const struct transaction *tx, enum lane lane)
{
    const struct conf *conf = tx->rules->conf;
    bool held = tx->envelope.hold.until_ms > 0;
    struct spool_fill fill;
    spool_get_fill(tx->in->env.spool, &fill);
    struct pressure p = { .of = {
                              [PRESSURE_QUEUE] = { item_memory_total(), conf->limits.queue_memory },
                              [PRESSURE_WRITES] = { fill.waiting_bytes, fill.waiting_most },
                              [PRESSURE_DISK] = { fill.min_free, fill.free_bytes } } };
    enum pressure_of by = pressure_judge(&p, lane, held);
    if (by == PRESSURES && held && has_its_share_held(tx, &fill))
        return "452 4.3.1 Too much mail of yours is held, try again later";
    if (by == PRESSURES)
        return NULL;
    return held ? held_replies[by] : replies[by][lane];
}

/* By what is known before the content. */
static struct lane_choice lane_now(const struct transaction *tx, struct facts *f)
{
    transaction_facts(tx, loop_wall_ms(tx->in->env.loop), f);
    return policies_lane(tx->rules->policies, f, tx->priority);
}

/* Nothing is taken when not even urgent mail is. */
static const char *refusal_by(const struct transaction *tx, struct lane_choice choice)
{
    enum lane lane = choice.undecided ? LANE_URGENT : choice.lane;
    return refusal_of(tx, lane);
}

const char *pressure_at_mail(const struct transaction *tx)
{
    struct facts f = { .known = 0 };
    return refusal_by(tx, lane_now(tx, &f));
}

const char *pressure_at_rcpt(struct transaction *tx, struct slice recipient, struct slice domain)
{
    struct facts f = { .known = 0 };
    facts_set_recipient(&f, recipient);
    f.recipient_domain = domain;
    struct lane_choice choice = lane_now(tx, &f);
    const char *reply = refusal_by(tx, choice);
    if (!reply && choice.undecided)
        tx->lane = LANE_URGENT;
    else if (!reply && choice.lane < tx->lane)
        tx->lane = choice.lane;
    return reply;
}

const char *pressure_at_data(const struct transaction *tx)
{
    return refusal_of(tx, tx->lane);
}

const char *pressure_at_end(const struct transaction *tx)
{
    enum lane lane = LANE_BULK;
    for (unsigned i = 0; i < tx->items_n; i++)
        if (tx->items[i]->lane < lane)
            lane = (enum lane)tx->items[i]->lane;
    return refusal_of(tx, lane);
}
