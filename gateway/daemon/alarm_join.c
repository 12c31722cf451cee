#include "gateway/daemon/alarm_join.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reputation/alarm.h"

enum { LATE_MAX = 100 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool same_subject(const json_t *a, const json_t *b)
{
    static const char *const keys[] = { "kind", "egress", "address", "with" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(text_of(a, keys[i]), text_of(b, keys[i])) != 0)
            return false;
    return true;
}

static bool is_told(const json_t *alarms, const json_t *alarm)
{
    for (size_t i = 0; i < json_array_size(alarms); i++)
        if (same_subject(json_array_get(alarms, i), alarm))
            return true;
    return false;
}

/* Those of the older message behind those of the newer one; returns how many were left out. */
static json_int_t add_late(const json_t *newer, json_t *late, const char *time)
{
    json_t *withheld = json_object_get(newer, "withheld");
    json_int_t left_out = 0;
    for (size_t i = 0; i < json_array_size(late); i++) {
        json_t *alarm = json_array_get(late, i);
        if (json_array_size(withheld) >= ALARM_LINES_MAX || is_told(withheld, alarm) ||
            is_told(json_object_get(newer, "alarms"), alarm)) {
            left_out++;
            continue;
        }
        if (!json_object_get(alarm, "time"))
            json_object_set_new(alarm, "time", json_string(time));
        json_array_append(withheld, alarm);
    }
    return left_out;
}

static bool is_message(const json_t *m)
{
    return json_is_array(json_object_get(m, "alarms")) &&
           json_is_array(json_object_get(m, "withheld")) &&
           json_is_integer(json_object_get(m, "more")) &&
           json_is_string(json_object_get(m, "text")) && json_is_string(json_object_get(m, "time"));
}

static void join(const json_t *older, json_t *newer)
{
    char late[LATE_MAX];
    const char *time = text_of(older, "time");
    json_t *alarms = json_object_get(older, "alarms"),
           *withheld = json_object_get(older, "withheld");
    json_int_t before = json_integer_value(json_object_get(older, "more"));
    json_int_t more = json_integer_value(json_object_get(newer, "more")) + before;
    before += (json_int_t)(json_array_size(alarms) + json_array_size(withheld));
    more += add_late(newer, alarms, time);
    more += add_late(newer, withheld, time);
    json_object_set_new(newer, "more", json_integer(more));
    snprintf(late, sizeof late, "; %lld earlier could not be told in time", (long long)before);
    json_object_set_new(newer, "text", json_sprintf("%s%s", text_of(newer, "text"), late));
}

bool alarm_join(struct slice older, struct slice newer, struct buf *out)
{
    json_t *a = json_loadb(older.p, older.n, 0, NULL), *b = json_loadb(newer.p, newer.n, 0, NULL);
    char *text = NULL;
    if (is_message(a) && is_message(b)) {
        join(a, b);
        text = json_dumps(b, JSON_COMPACT);
    }
    if (text)
        buf_puts(out, text);
    bool good = text && !out->full;
    free(text);
    json_decref(a);
    json_decref(b);
    return good;
}
