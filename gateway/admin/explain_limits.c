#include "gateway/admin/explain_limits.h"

#include <stdlib.h>

#include "gateway/base/json.h"
#include "gateway/base/mem.h"
#include "gateway/base/units.h"

void explain_put_pos(struct buf *json, const char *key, const struct conf_pos *pos)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text, "%s:%u", pos->file ? pos->file : "", pos->line);
    json_str(json, key, buf_slice(&text));
    buf_free(&text);
}

static void put_rate(struct buf *json, const char *key, struct rate rate, bool bytes)
{
    if (!rate.count)
        return;
    json_key(json, key);
    buf_putc(json, '"');
    if (bytes)
        units_put_byte_rate(json, rate);
    else
        units_put_rate(json, rate);
    buf_putc(json, '"');
}

static void put_over(struct buf *json, unsigned over, const struct facts *f)
{
    struct buf text;
    buf_init(&text, 4096);
    traffic_put_over(&text, over, f);
    if (buf_len(&text))
        json_str(json, "over", buf_slice(&text));
    else
        json_cstr(json, "over", "site");
    buf_free(&text);
}

static void put_toll(struct buf *json, const struct traffic_toll *t, const struct facts *f)
{
    json_open(json, '{');
    explain_put_pos(json, "rule", &t->rule->pos);
    put_over(json, t->over, f);
    if (t->connections)
        json_int(json, "connections", (int64_t)t->connections);
    put_rate(json, "connection_rate", t->rate[TRAFFIC_OPENED], false);
    put_rate(json, "rate", t->rate[TRAFFIC_MESSAGES], false);
    put_rate(json, "recipient_rate", t->rate[TRAFFIC_RECIPIENTS], false);
    put_rate(json, "byte_rate", t->rate[TRAFFIC_BYTES], true);
    json_close(json, '}');
}

void explain_put_limits(struct buf *json, const struct queue *queue,
                        const struct queue_limits_question *question)
{
    struct traffic_limits limits;
    struct facts facts;
    size_t rules = policies_traffic_count(queue_policies(queue));
    struct traffic_toll *tolls = mem_array(rules + 1, sizeof *tolls);
    size_t n = queue_limits(queue, question, &limits, tolls, &facts);
    json_key(json, "limits");
    json_open(json, '{');
    json_int(json, "connections", (int64_t)limits.connections);
    json_int(json, "messages_per_connection", (int64_t)limits.messages_per_connection);
    json_int(json, "recipients_per_message", (int64_t)limits.recipients_per_message);
    json_key(json, "traffic");
    json_open(json, '[');
    for (size_t i = 0; i < n; i++)
        put_toll(json, &tolls[i], &facts);
    json_close(json, ']');
    json_close(json, '}');
    free(tolls);
}
