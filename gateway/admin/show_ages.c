#include "gateway/admin/show_ages.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/admin/table.h"
#include "gateway/base/mem.h"
#include "gateway/queue/inspect.h"

struct ages {
    struct table *table;
    long long all[LANE_COUNT][QUEUE_AGES];
};

struct ages *ages_begin(bool color)
{
    static const char *const heads[] = { "SITE",  "LANE",  ">ALL",   ">1m",    ">5m",
                                         ">10m",  ">20m",  ">40m",   ">80m",   ">160m",
                                         ">320m", ">640m", ">1280m", ">OLDER", NULL };
    _Static_assert(sizeof heads / sizeof heads[0] == QUEUE_AGES + 4, "a column for each age");
    struct ages *a = mem_zero(sizeof *a);
    a->table = table_new(heads, color);
    return a;
}

static void put_row(struct table *table, const char *site, int lane, const long long *n)
{
    long long sum = 0;
    for (size_t i = 0; i < QUEUE_AGES; i++)
        sum += n[i];
    if (!sum)
        return;
    table_cell(table, site);
    table_cell(table, lane_names[lane]);
    table_number(table, sum);
    for (size_t i = 0; i < QUEUE_AGES; i++)
        table_number(table, n[i]);
}

void ages_row(void *arg, const json_t *row)
{
    struct ages *a = arg;
    const char *site = json_string_value(json_object_get(row, "site"));
    const json_t *ages = json_object_get(row, "ages");
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        const json_t *list = json_object_get(ages, lane_names[lane]);
        long long n[QUEUE_AGES];
        for (size_t i = 0; i < QUEUE_AGES; i++) {
            n[i] = (long long)json_integer_value(json_array_get(list, i));
            a->all[lane][i] += n[i];
        }
        put_row(a->table, site && site[0] ? site : "(not looked up yet)", lane, n);
    }
}

void ages_print(struct ages *a)
{
    for (int lane = 0; lane < LANE_COUNT; lane++)
        put_row(a->table, "ALL", lane, a->all[lane]);
    table_print(a->table, stdout);
}

void ages_free(struct ages **ages)
{
    if (!*ages)
        return;
    table_free(&(*ages)->table);
    free(*ages);
    *ages = NULL;
}
