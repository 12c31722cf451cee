#include "gateway/delivery/detour.h"

#include <stdio.h>

#include "gateway/conf/conf.h"
#include "gateway/delivery/egress.h"
#include "gateway/delivery/settle.h"

/* A line for each recipient. The findings go with the attempt, which is given back. */
static void record(struct session *s, const struct finding *finding)
{
    struct attempt *a = s->front;
    struct verdict v = outcome_judge(finding);
    struct hop hop;
    if (!a)
        return;
    session_hop(s, &hop);
    attempt_find_all(a, finding);
    for (uint32_t i = 0; i < a->env.recipients_n; i++)
        record_recipient(a, &hop, i, EVENT_REROUTED, &v, 0);
    record_detour(a, &hop);
}

/* Indexes mean something only in the configuration the session began with. */
static bool current(const struct session *s)
{
    return s->policies == s->delivery->policies;
}

static bool other_egress(struct session *s)
{
    struct item *item = s->front ? s->front->item : NULL;
    return item && current(s) &&
           egress_has_other(s->delivery->egress, s->route, s->target->families, item, s->egress) &&
           item_try_other(item, s->egress);
}

/* Did the way fail, or did somebody answer? Who greets in no words of SMTP may be the proxy. */
static bool way_failed(const struct session *s, const struct finding *f)
{
    if (f->fault == FAULT_PROTOCOL && s->via && !s->relay)
        return f->where == WHERE_GREETING;
    if (f->fault != FAULT_CLOSED && f->fault != FAULT_TIMEOUT)
        return false;
    return f->where == WHERE_CONNECT || f->where == WHERE_GREETING || f->where == WHERE_EHLO;
}

/* Somebody on the way may take STARTTLS out of the answer, break it or show a certificate of his
 * own; the destination looks the same then. */
static bool tls_failed(const struct finding *f)
{
    return f->where == WHERE_TLS && f->fault != FAULT_NONE;
}

bool detour_take(struct session *s, const struct finding *finding)
{
    bool way = way_failed(s, finding) || tls_failed(finding);
    bool address = outcome_is_address(finding) && s->front && current(s) &&
                   settle_other_address(s->front, s->route,
                                        egress_conf(s->delivery->egress, s->egress), &s->source);
    if (!address && (!way || !other_egress(s)))
        return false;
    record(s, finding);
    return true;
}

bool detour_broken(struct session *s, const struct finding *finding)
{
    if (!s->via || !current(s))
        return false;
    bool closing = finding->fault == FAULT_NONE && finding->code == 421;
    if (finding->fault != FAULT_CLOSED && !(closing && s->relay))
        return false;
    egress_suspect(s->delivery->egress, s->egress);
    if (!attempt_untaken(s->front) || !other_egress(s))
        return false;
    record(s, finding);
    return true;
}

void detour_suspect(const struct session *s)
{
    if (s->via && current(s))
        egress_suspect(s->delivery->egress, s->egress);
}

bool detour_stalled(struct session *s)
{
    const struct finding f = { .where = WHERE_DATA,
                               .fault = FAULT_TIMEOUT,
                               .text = SLICE_LIT("what was sent does not arrive") };
    if (!s->front || !attempt_untaken(s->front) || !other_egress(s))
        return false;
    record(s, &f);
    return true;
}

/* The egress is told last: whoever hears of it finds the session gone. */
static void give_up_egress(struct session *s, const struct finding *finding,
                           enum egress_fault_kind fault, bool refused)
{
    struct egress_table *egresses = s->delivery->egress;
    bool tell = current(s);
    int egress = s->egress;
    char reason[200];
    if (finding->code)
        snprintf(reason, sizeof reason, "%s: %u %.*s", where_name((enum where)finding->where),
                 finding->code, SLICE_FMT(finding->text));
    else
        snprintf(reason, sizeof reason, "%.*s", SLICE_FMT(finding->text));
    record(s, finding);
    session_kill(s, NULL);
    if (tell && refused)
        egress_refused(egresses, egress, reason);
    else if (tell)
        egress_failed(egresses, egress, fault, reason);
}

void detour_dial(struct session *s, const struct dial_result *r)
{
    enum egress_fault_kind fault = EGRESS_UNPLUMBED;
    for (size_t i = 0; i < r->attempt_count; i++)
        if (r->attempts[i].fault == DIAL_PROXY)
            fault = EGRESS_PROXY_DOWN;
    struct finding f = { .where = WHERE_CONNECT, .fault = FAULT_CLOSED, .text = slice_of(r->text) };
    give_up_egress(s, &f, fault, false);
}

void detour_proxy_lost(struct session *s, const char *text)
{
    struct finding f = { .where = WHERE_CONNECT, .fault = FAULT_CLOSED, .text = slice_of(text) };
    give_up_egress(s, &f, EGRESS_PROXY_DOWN, false);
}

/* Whether it can be reached shows by connecting; why it refuses us does not. */
void detour_relay(struct session *s)
{
    struct finding f = s->trouble;
    bool reached = f.where > WHERE_CONNECT && !way_failed(s, &f);
    give_up_egress(s, &f, EGRESS_PROXY_DOWN, reached);
}
