#include "gateway/admin/show_links.h"

#include <string.h>

#include "gateway/admin/table.h"

enum { CARRIER_WIDTH = 14, REGION_WIDTH = 13, EGRESS_WIDTH = 12, CELL_MAX = 256 };

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

/* A number with a scale, or "-" when the row has none. */
static const char *number_of(const json_t *row, const char *key, double scale, const char *form,
                             char text[32])
{
    const json_t *value = json_object_get(row, key);
    double number = json_number_value(value) * scale;
    const char *unit = strchr(form, '%');
    int decimals = form[0] - '0';
    if (!json_is_number(value))
        return "-";
    snprintf(text, 32, "%.*f%s", decimals, number, unit ? unit : "");
    return text;
}

/* ---- the table ---- */

/* Bytes of the UTF-8 character at p. */
static size_t character(const char *p)
{
    size_t n = 1;
    while (((unsigned char)p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

static size_t characters(const char *p)
{
    size_t n = 0;
    for (; *p; p += character(p))
        n++;
    return n;
}

/* At most `width` characters: the beginning, an ellipsis and the end. */
static void cut_cell(struct table *table, const char *text, size_t width)
{
    char cut[CELL_MAX];
    size_t n = characters(text), head = (width - 1) / 2, tail = width - 1 - head;
    const char *end = text;
    if (n <= width) {
        table_cell(table, text);
        return;
    }
    const char *p = text;
    for (size_t i = 0; i < head; i++)
        p += character(p);
    for (size_t i = 0; i < n - tail; i++)
        end += character(end);
    snprintf(cut, sizeof cut, "%.*s\xe2\x80\xa6%s", (int)(p - text), text, end);
    table_cell(table, cut);
}

static const char *short_state(const char *state)
{
    if (strcmp(state, "suspect") == 0)
        return "susp";
    return strcmp(state, "unknown") == 0 ? "?" : state;
}

static void table_row(struct table *t, const json_t *row)
{
    char text[32];
    cut_cell(t, text_of(row, "carrier"), CARRIER_WIDTH);
    cut_cell(t, text_of(row, "region"), REGION_WIDTH);
    cut_cell(t, text_of(row, "egress"), EGRESS_WIDTH);
    table_cell(t, short_state(text_of(row, "state")));
    table_cell(t, number_of(row, "connect_p50_ms", 1, "0", text));
    table_cell(t, number_of(row, "connect_p95_ms", 1, "0", text));
    table_cell(t, number_of(row, "loss", 100, "1%", text));
    table_cell(t, number_of(row, "goodput_bytes_s", 8e-6, "1", text));
    table_cell(t, number_of(row, "first_try", 100, "0%", text));
    table_cell(t, number_of(row, "cost_ms", 1, "0", text));
    table_cell(t, text_of(row, "trend"));
}

void links_print_table(const json_t *rows, bool color, FILE *out)
{
    static const char *const heads[] = { "CARRIER", "REGION",  "EGRESS", "STATE", ">P50",  ">P95",
                                         ">LOSS",   ">MBIT/S", ">1ST",   ">COST", "TREND", NULL };
    struct table *t = table_new(heads, color);
    for (size_t i = 0; i < json_array_size(rows); i++)
        table_row(t, json_array_get(rows, i));
    if (json_array_size(rows)) {
        table_print(t, out);
        fputs("\nP50, P95: ms to connect; 1ST: share of first tries that got through; "
              "COST: predicted ms\nof a small mail; TREND: of the last quarter of this time.\n",
              out);
    } else {
        fputs("nothing was measured in this time\n", out);
    }
    table_free(&t);
}

/* ---- CSV ---- */

static const char *const fields[] = {
    "carrier",        "region",  "egress",        "state",   "connect_p50_ms",
    "connect_p95_ms", "rtt_ms",  "loss",          "trend",   "goodput_bytes_s",
    "first_try",      "cost_ms", "cost_large_ms", "samples", "tries",
    "mails",          "probes",  "since",         "last",
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static void csv_text(const char *text, FILE *out)
{
    putc('"', out);
    if (text[0] && strchr("=+-@\t\r", text[0]))
        putc('\'', out);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', out);
        putc(*text, out);
    }
    putc('"', out);
}

static void print_number(const json_t *value, FILE *out)
{
    if (json_is_integer(value))
        fprintf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        fprintf(out, "%.6g", json_real_value(value));
}

void links_print_csv(const json_t *rows, FILE *out)
{
    for (size_t f = 0; f < FIELDS; f++)
        fprintf(out, "%s%s", f ? "," : "", fields[f]);
    fputs("\r\n", out);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        for (size_t f = 0; f < FIELDS; f++) {
            const json_t *value = json_object_get(json_array_get(rows, i), fields[f]);
            fputs(f ? "," : "", out);
            if (json_is_string(value))
                csv_text(json_string_value(value), out);
            else
                print_number(value, out);
        }
        fputs("\r\n", out);
    }
}

/* ---- HTML ---- */

static void html_text(const char *text, FILE *out)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            putc(*text, out);
        }
    }
}

static const char HTML_HEAD[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Waypost: links</title>\n<style>\n"
    "body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; }\n"
    "th, td { padding: .25rem .6rem; border-bottom: 1px solid #8884; text-align: left; }\n"
    "td.n, th:nth-child(n+5):nth-child(-n+12) { text-align: right; }\n"
    ".c0 { background: #4575b4; color: #fff; } .c1 { background: #74add1; color: #111; }\n"
    ".c2 { background: #abd9e9; color: #111; } .c3 { background: #e0f3f8; color: #111; }\n"
    ".c4 { background: #fee090; color: #111; } .c5 { background: #fdae61; color: #111; }\n"
    ".c6 { background: #e8663c; color: #111; } .c7 { background: #a81f1c; color: #fff; }\n"
    ".down { background: #333; color: #fff; }\n</style>\n</head>\n<body>\n";

/* The colours of the web page, by the predicted time. */
static int step_of(double cost_ms)
{
    static const double ends[] = { 100, 200, 350, 600, 1000, 2000, 5000 };
    int step = 0;
    while (step < 7 && cost_ms > ends[step])
        step++;
    return step;
}

static void html_number(const json_t *row, const char *key, double scale, const char *form,
                        FILE *out)
{
    char text[32];
    fprintf(out, "<td class=\"n\">%s</td>", number_of(row, key, scale, form, text));
}

static void html_cost(const json_t *row, FILE *out)
{
    char text[32];
    const json_t *cost = json_object_get(row, "cost_ms");
    if (strcmp(text_of(row, "state"), "down") == 0)
        fputs("<td class=\"n down\">down</td>", out);
    else if (json_is_number(cost))
        fprintf(out, "<td class=\"n c%d\">%s</td>", step_of(json_number_value(cost)),
                number_of(row, "cost_ms", 1, "0", text));
    else
        fputs("<td class=\"n\">-</td>", out);
}

static void html_row(const json_t *row, FILE *out)
{
    static const char *const names[] = { "carrier", "region", "egress", "state" };
    fputs("<tr>", out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fputs("<td>", out);
        html_text(text_of(row, names[i]), out);
        fputs("</td>", out);
    }
    html_cost(row, out);
    html_number(row, "connect_p50_ms", 1, "0", out);
    html_number(row, "connect_p95_ms", 1, "0", out);
    html_number(row, "rtt_ms", 1, "1", out);
    html_number(row, "loss", 100, "2%", out);
    html_number(row, "goodput_bytes_s", 8e-6, "1", out);
    html_number(row, "first_try", 100, "1%", out);
    html_number(row, "mails", 1, "0", out);
    fputs("<td>", out);
    html_text(text_of(row, "trend"), out);
    fputs("</td></tr>\n", out);
}

static void html_table(const json_t *rows, FILE *out)
{
    static const char *const heads[] = { "carrier", "region",   "egress", "state", "predicted ms",
                                         "p50 ms",  "p95 ms",   "rtt ms", "loss",  "Mbit/s",
                                         "1st try", "messages", "trend" };
    fputs("<p>Since ", out);
    html_text(text_of(json_array_get(rows, 0), "since"), out);
    fputs(": time to connect, loss, goodput, first tries that got through, and the predicted time "
          "of a small mail.</p>\n<table>\n<thead><tr>",
          out);
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        fprintf(out, "<th scope=\"col\">%s</th>", heads[i]);
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t i = 0; i < json_array_size(rows); i++)
        html_row(json_array_get(rows, i), out);
    fputs("</tbody>\n</table>\n", out);
}

void links_print_html(const json_t *rows, FILE *out)
{
    fputs(HTML_HEAD, out);
    fputs("<h1>Links</h1>\n", out);
    if (json_array_size(rows))
        html_table(rows, out);
    else
        fputs("<p>Nothing was measured in this time.</p>\n", out);
    fputs("</body>\n</html>\n", out);
}

/* ---- switches ---- */

static void print_safely(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

void show_switch(void *arg, const json_t *row)
{
    static const char *const words[] = { "carrier", "region", "from", "to", "mail", "fault" };
    (void)arg;
    printf("%s  %-20s", text_of(row, "time"), text_of(row, "event"));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *text = text_of(row, words[i]);
        if (!text[0])
            continue;
        fputs(strcmp(words[i], "to") == 0 ? " -> " : " ", stdout);
        print_safely(text);
    }
    const char *reason = text_of(row, "reason");
    if (reason[0]) {
        fputs(": ", stdout);
        print_safely(reason);
    }
    putchar('\n');
}
