#include "gateway/admin/show.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static long long number_of(const json_t *row, const char *key)
{
    return (long long)json_integer_value(json_object_get(row, key));
}

/* What came from outside must not steer the terminal. */
static void print_text(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

/* "45s", "12m", "3h", "4d": the largest unit that says something. */
static const char *age_text(long long seconds, char text[24])
{
    static const struct {
        long long seconds;
        char unit;
    } units[] = { { 2 * 86400, 'd' }, { 2 * 3600, 'h' }, { 2 * 60, 'm' } };
    static const long long sizes[] = { 86400, 3600, 60 };
    for (size_t i = 0; i < 3; i++) {
        if (seconds >= units[i].seconds) {
            snprintf(text, 24, "%lld%c", seconds / sizes[i], units[i].unit);
            return text;
        }
    }
    snprintf(text, 24, "%llds", seconds < 0 ? 0 : seconds);
    return text;
}

/* ---- sites ---- */

struct table *show_sites_begin(bool color)
{
    static const char *const heads[] = { "SITE",  ">URGENT",  ">HIGH",        ">NORMAL",
                                         ">BULK", ">BUSY",    ">WAITING",     ">HELD",
                                         ">AGE",  "SESSIONS", "HELD BACK BY", "LAST ERROR",
                                         NULL };
    return table_new(heads, color);
}

/* Those there are, of as many as it may have. */
static const char *sessions_text(const json_t *row, char text[48])
{
    long long most = number_of(row, "connections"), n = number_of(row, "sessions");
    text[0] = '\0';
    if (most)
        snprintf(text, 48, "%lld of %lld", n, most);
    else if (n)
        snprintf(text, 48, "%lld", n);
    return text;
}

/* With the number that says how far it goes. */
static const char *held_back(const json_t *row, char *text, size_t n)
{
    static const struct {
        const char *by, *number;
    } with[] = { { "back-off", "backoff_s" },
                 { "connecting", "sessions" },
                 { "connections", "connections" },
                 { "what it bears", "bears" } };
    const char *by = text_of(row, "held_back_by");
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        if (strcmp(by, with[i].by) != 0)
            continue;
        snprintf(text, n, "%s (%lld%s)", by, number_of(row, with[i].number), i == 0 ? " s" : "");
        return text;
    }
    return by;
}

void show_site(void *table, const json_t *row)
{
    static const char *const numbers[] = { "urgent", "high",    "normal", "bulk",
                                           "busy",   "waiting", "held" };
    char age[24], sessions[48], why[80];
    const char *site = text_of(row, "site");
    table_cell(table, site[0] ? site : "(not looked up yet)");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        table_number(table, number_of(row, numbers[i]));
    table_cell(table, age_text(number_of(row, "age_s"), age));
    table_cell(table, sessions_text(row, sessions));
    table_cell(table, held_back(row, why, sizeof why));
    table_cell(table, text_of(row, "last_error"));
}

/* ---- items ---- */

/* "451 4.7.1 later": remote replies have their enhanced code in the text. */
static void print_reply(const json_t *row)
{
    const char *enhanced = text_of(row, "enhanced"), *reply = text_of(row, "reply");
    if (number_of(row, "code"))
        printf("%lld ", number_of(row, "code"));
    if (enhanced[0] && strncmp(reply, enhanced, strlen(enhanced)) != 0)
        printf("%s ", enhanced);
    print_text(reply);
}

void show_item(void *arg, const json_t *row)
{
    char age[24];
    (void)arg;
    printf("%s  %-8s %-7s %8lld  %5s  <", text_of(row, "id"), text_of(row, "state"),
           text_of(row, "priority"), number_of(row, "size"),
           age_text(number_of(row, "age_s"), age));
    print_text(text_of(row, "sender"));
    fputs("> to", stdout);
    const json_t *to = json_object_get(row, "recipients");
    for (size_t i = 0; i < json_array_size(to); i++) {
        putchar(' ');
        print_text(json_string_value(json_array_get(to, i)));
    }
    if (number_of(row, "recipient_count") > (long long)json_array_size(to))
        printf(" and %lld more",
               number_of(row, "recipient_count") - (long long)json_array_size(to));
    putchar('\n');
    if (!text_of(row, "reply")[0])
        return;
    printf("%28s", "");
    print_reply(row);
    putchar('\n');
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        print_text(json_string_value(value));
    else if (json_is_integer(value))
        printf("%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        printf("%.1f", json_real_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stdout);
}

/* Objects and lists are shown indented below their name. */
static void print_fact(const char *key, const json_t *value, int indent);

static void print_object(const json_t *object, int indent)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) print_fact(key, value, indent);
}

static void print_fact(const char *key, const json_t *value, int indent)
{
    printf("%*s%-*s ", indent, "", 20 - indent, key);
    if (json_is_object(value)) {
        putchar('\n');
        print_object(value, indent + 2);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);
        if (json_is_object(one)) {
            putchar('\n');
            print_object(one, indent + 2);
        } else {
            fputs(i ? ", " : "", stdout);
            print_value(one);
        }
    }
    print_value(value);
    if (!json_is_array(value) || json_array_size(value) == 0 ||
        !json_is_object(json_array_get(value, 0)))
        putchar('\n');
}

void show_item_in_full(void *arg, const json_t *row)
{
    (void)arg;
    print_object(row, 0);
}

void show_explanation(void *arg, const json_t *row)
{
    (void)arg;
    print_object(row, 0);
}

/* ---- deliveries ---- */

void show_deliveries(void *arg, const json_t *row)
{
    (void)arg;
    if (json_object_get(row, "since")) {
        print_object(row, 0);
        puts("\nmost frequent reasons");
        return;
    }
    printf("%8lld  %-9s ", number_of(row, "count"), text_of(row, "event"));
    if (number_of(row, "code"))
        printf("%lld ", number_of(row, "code"));
    if (text_of(row, "enhanced")[0])
        printf("%s ", text_of(row, "enhanced"));
    print_text(text_of(row, "reason"));
    putchar('\n');
}
