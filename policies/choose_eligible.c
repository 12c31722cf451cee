/*
 * policies/choose_eligible — who may carry a mail at all
 *
 *   Absolute: not usable, excluded, a fault the relay sees itself, barred, refused by the receiver,
 *   its allowance there used up, a limit of its own reached, no share. By comparison,
 *   so that there is always one left: what advice has found to be down, and weight 0. A set that
 *   has only down ones gives way to the fallback of the route.
 */
#include "policies/choose_internal.h"

enum standing {
    STANDING_FULL,    /* has weight and gets through */
    STANDING_RESERVE, /* weight 0 */
    STANDING_DOWN,    /* advice says that it does not get through */
    STANDING_OUT
};

/* One whose limit must not be gone round stays: it is to be seen whose mail this is. */
static bool is_spent(const struct choice_request *q, const struct choice *choice,
                     const struct candidate *c)
{
    return q->facts[c->egress].spent &&
           (!choice_is_limited(q, c) || choice->spilled != EGRESS_NONE);
}

static uint8_t absolute(const struct choice_request *q, const struct choice *choice,
                        const struct candidate *c, double share)
{
    const struct egress_facts *facts = &q->facts[c->egress];
    if (!q->conf->egress.at[c->egress].usable)
        return RULED_OUT_UNUSABLE;
    if (c->fault == EGRESS_BARRED) /* before what follows from it: none of its addresses is left */
        return RULED_OUT_FAULT;
    if (!facts->usable)
        return RULED_OUT_UNUSABLE;
    if (facts->excluded)
        return RULED_OUT_EXCLUDED;
    if (facts->fault != EGRESS_FINE)
        return RULED_OUT_FAULT;
    if (facts->receiver == RECEIVER_REFUSES)
        return RULED_OUT_REFUSED;
    if (is_spent(q, choice, c))
        return RULED_OUT_SPENT;
    if (facts->limited)
        return RULED_OUT_LIMITED;
    return share > 0 ? NOT_CHEAPEST : RULED_OUT_SHARE;
}

static void add(const struct choice_request *q, bool fresh, uint16_t egress, bool fallback,
                struct choice *choice)
{
    if (choice->n == CHOICE_MAX || egress >= CHOICE_MAX)
        return;
    struct candidate *c = &choice->at[choice->n++];
    *c = (struct candidate){ .egress = egress, .fallback = fallback, .row = ADVICE_NONE };
    double share = 1;
    int row = q->rows && q->advice ? q->rows->row[egress] : ADVICE_NONE;
    if (row != ADVICE_NONE && (fresh || q->advice->egress[row].fault == EGRESS_BARRED))
        c->fault = q->advice->egress[row].fault; /* an address that is listed stays so */
    if (row != ADVICE_NONE && fresh) {
        c->row = row;
        c->path = advice_path(q->advice, row, q->group);
        share = q->advice->egress[row].share;
    }
    c->share = q->facts[egress].receiver == RECEIVER_REFUSES ? 0 : share;
    c->weight = (double)q->conf->egress.at[egress].weight * c->share;
    c->reason = absolute(q, choice, c, share);
    if (q->facts[egress].fault != EGRESS_FINE)
        c->fault = q->facts[egress].fault;
}

static enum standing standing(const struct candidate *c)
{
    if (!is_open(c))
        return STANDING_OUT;
    bool works = c->path && (c->path->state == PATH_UP || c->path->state == PATH_SUSPECT);
    if (c->path && c->path->state == PATH_DOWN)
        return STANDING_DOWN;
    if (c->fault != EGRESS_FINE && !(c->fault == EGRESS_PATHS_DOWN && works))
        return STANDING_DOWN; /* a path that works in spite of it is known to */
    return c->weight > 0 ? STANDING_FULL : STANDING_RESERVE;
}

/* The best standing of the candidates from `from` on; what stands below it is ruled out. */
static enum standing keep_best(struct choice *choice, uint32_t from, enum standing best)
{
    for (uint32_t i = from; i < choice->n; i++) {
        enum standing s = standing(&choice->at[i]);
        best = s < best ? s : best;
    }
    return best;
}

/* A reserve that has had this mail before keeps it: elsewhere greylisting begins anew. */
static void rule_out_below(struct choice *choice, enum standing best, int sticky)
{
    for (uint32_t i = 0; i < choice->n; i++) {
        struct candidate *c = &choice->at[i];
        enum standing s = standing(c);
        if (s == STANDING_DOWN && s > best)
            c->reason = c->fault != EGRESS_FINE ? RULED_OUT_FAULT : RULED_OUT_DOWN;
        else if (s == STANDING_RESERVE && s > best && choice->at[i].egress != sticky)
            c->reason = RULED_OUT_RESERVE;
    }
}

void choice_collect(const struct choice_request *q, struct choice *choice)
{
    bool fresh = q->rows && !advice_stale(q->advice, q->now_ms);
    for (size_t i = 0; i < q->allowed.n; i++)
        add(q, fresh, q->allowed.at[i], false, choice);
    enum standing best = keep_best(choice, 0, STANDING_OUT);
    uint32_t own = choice->n;
    if (best >= STANDING_DOWN) {
        for (size_t i = 0; i < q->fallback.n; i++) {
            bool there = false;
            for (uint32_t k = 0; k < own; k++)
                there = there || choice->at[k].egress == q->fallback.at[i];
            if (!there)
                add(q, fresh, q->fallback.at[i], true, choice);
        }
        best = keep_best(choice, own, best);
    }
    rule_out_below(choice, best, q->sticky);
}
