/*
 * unit/test_admin_links — proves admin/show_links
 *
 *   The table keeps to its width, CSV and HTML stay what they are whatever the names, and what a
 *   row does not know is empty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/admin/show_links.h"

static char *printed;
static size_t printed_n;

static json_t *row(const char *egress, const char *carrier)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:s}", "egress",
                     egress, "carrier", carrier, "region", "north-china", "state", "up",
                     "connect_p50_ms", 12345.6, "connect_p95_ms", 99999.4, "loss", 0.0213,
                     "goodput_bytes_s", 1.25e7, "first_try", 1.0, "cost_ms", 1234.5, "mails", 7,
                     "trend", "steady");
}

static void print_table(const json_t *rows, FILE *out)
{
    links_print_table(rows, false, out);
}

static const char *print(void (*fn)(const json_t *rows, FILE *out), json_t *one)
{
    json_t *rows = json_array();
    if (one)
        json_array_append_new(rows, one);
    free(printed);
    FILE *out = open_memstream(&printed, &printed_n);
    fn(rows, out);
    fclose(out);
    json_decref(rows);
    return printed;
}

static size_t characters(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

static void a_table_is_at_most_100_columns_wide(void **state)
{
    (void)state;
    const char *text = print(
        print_table, row("a-very-long-name-of-an-egress-\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
                         "a-carrier-with-a-name-that-goes-on-and-on"));
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        assert_true(characters(line, n) <= 100);
        line += n + (line[n] == '\n');
    }
    assert_non_null(strstr(text, "a-ver\xe2\x80\xa6-\xc3\xa9\xc3\xa9")); /* both ends are seen */
    assert_non_null(strstr(text, " 12346  99999  2.1%   100.0  100%  1234  steady"));
}

static void what_is_not_known_is_a_dash_or_empty(void **state)
{
    (void)state;
    json_t *bare = json_pack("{s:s, s:s}", "egress", "a", "state", "unknown");
    assert_non_null(strstr(print(print_table, json_incref(bare)), "a       ?        -    -"));
    assert_non_null(
        strstr(print(links_print_csv, json_incref(bare)), "\r\n,,\"a\",\"unknown\",,,"));
    assert_non_null(strstr(print(links_print_html, bare), "<td class=\"n\">-</td>"));
}

static void csv_is_quoted(void **state)
{
    static const struct {
        const char *name, *cell;
    } cases[] = { { "plain", "\"plain\"" },
                  { "a,b", "\"a,b\"" },
                  { "say \"x\"", "\"say \"\"x\"\"\"" },
                  { "two\nlines", "\"two\nlines\"" },
                  { "=cmd|'/c calc'!A0", "\"'=cmd|'/c calc'!A0\"" },
                  { "@SUM(A1)", "\"'@SUM(A1)\"" } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text = print(links_print_csv, row(cases[i].name, "c"));
        assert_true(strncmp(text, "carrier,region,egress,state,", 28) == 0);
        if (!strstr(text, cases[i].cell))
            fail_msg("%s is not in %s", cases[i].cell, text);
    }
}

static void html_is_escaped(void **state)
{
    (void)state;
    const char *text = print(links_print_html, row("<script>alert(1)</script>", "\"&'"));
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>"));
    assert_non_null(strstr(text, "<td>&quot;&amp;'</td>"));
    assert_non_null(strstr(text, "class=\"n c5\">1234</td>"));
    json_t *down = row("x", "y");
    json_object_set_new(down, "state", json_string("down"));
    assert_non_null(strstr(print(links_print_html, down), "<td class=\"n down\">down</td>"));
}

static void without_rows_it_says_so(void **state)
{
    (void)state;
    static const struct {
        void (*fn)(const json_t *rows, FILE *out);
        const char *text;
    } forms[] = { { print_table, "nothing was measured" },
                  { links_print_csv, "carrier,region," },
                  { links_print_html, "<p>Nothing was measured in this time.</p>" } };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        assert_non_null(strstr(print(forms[i].fn, NULL), forms[i].text));
    assert_null(strstr(printed, "Since"));
    assert_null(strstr(printed, "<table"));
}

static int free_printed(void **state)
{
    (void)state;
    free(printed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_at_most_100_columns_wide),
        cmocka_unit_test(what_is_not_known_is_a_dash_or_empty),
        cmocka_unit_test(csv_is_quoted),
        cmocka_unit_test(html_is_escaped),
        cmocka_unit_test(without_rows_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, free_printed);
}
