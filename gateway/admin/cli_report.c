/*
 * admin/cli_report — `waypost report`: links, switches, deliveries, reputation
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/client.h"
#include "gateway/admin/show.h"
#include "gateway/admin/show_links.h"
#include "gateway/admin/show_reputation.h"
#include "gateway/base/units.h"

static int ask(const struct cli *cli, const struct request *request, client_row_fn *show)
{
    char *text;
    int status = client_ask(cli, request, cli->json ? client_print_json : show, NULL, &text);
    free(text);
    return status;
}

static int report_deliveries(struct cli *cli)
{
    struct request request;
    if (cli->given_count)
        return cli_usage(cli, "report deliveries takes no options");
    client_request(cli, "deliveries", "", &request);
    int status = ask(cli, &request, show_deliveries);
    request_free(&request);
    return status;
}

/* The daemon checks it again; here it is wrong usage, and told without one. */
static int check_since(struct cli *cli)
{
    const char *since = cli_option(cli, "since");
    int64_t ms;
    if (since && (units_duration(slice_of(since), &ms) != RC_OK || ms <= 0))
        return cli_usage(cli, "--since %s is no time such as 30m, 4h or 2d", since);
    return CLI_OK;
}

static int report_reputation(struct cli *cli)
{
    static const char *const foreign[] = { "carrier", "region", "format" };
    struct request request;
    char *text;
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (cli_option(cli, foreign[i]))
            return cli_usage(cli, "report reputation takes no --%s", foreign[i]);
    int status = check_since(cli);
    if (status != CLI_OK)
        return status;
    struct reputation_tables *tables = cli->json ? NULL : show_reputation_begin(cli->color);
    client_request(cli, "report", "reputation", &request);
    status =
        client_ask(cli, &request, cli->json ? client_print_json : show_reputation, tables, &text);
    if (status == CLI_OK && tables)
        show_reputation_print(tables, stdout);
    show_reputation_free(&tables);
    free(text);
    request_free(&request);
    return status;
}

static int report_switches(struct cli *cli)
{
    struct request request;
    int status = check_since(cli);
    if (status != CLI_OK)
        return status;
    if (cli_option(cli, "format"))
        return cli_usage(cli, "--format is for report links");
    client_request(cli, "report", "switches", &request);
    status = ask(cli, &request, show_switch);
    request_free(&request);
    return status;
}

/* ---- links ---- */

static void keep_row(void *rows, const json_t *row)
{
    json_array_append_new(rows, json_deep_copy(row));
}

static void print_table(const json_t *rows, const struct cli *cli)
{
    links_print_table(rows, cli->color, stdout);
}

static void print_csv(const json_t *rows, const struct cli *cli)
{
    (void)cli;
    links_print_csv(rows, stdout);
}

static void print_html(const json_t *rows, const struct cli *cli)
{
    (void)cli;
    links_print_html(rows, stdout);
}

static const struct format {
    const char *name;
    void (*print)(const json_t *rows, const struct cli *cli); /* NULL: line by line as JSON */
} formats[] = { { "table", print_table },
                { "json", NULL },
                { "csv", print_csv },
                { "html", print_html },
                { NULL, NULL } };

static int report_links(struct cli *cli)
{
    const char *name = cli_option(cli, "format");
    const struct format *format = formats + (cli->json ? 1 : 0);
    int status = check_since(cli);
    if (status != CLI_OK)
        return status;
    if (name)
        for (format = formats; format->name && strcmp(format->name, name) != 0;)
            format++;
    if (!format->name || (cli->json && format->print))
        return cli_usage(cli, "--format is table, json, csv or html%s",
                         cli->json ? ", and --json is json" : "");
    if (cli_option(cli, "limit"))
        return cli_usage(cli, "--limit is for report switches");
    struct request request;
    char *text;
    json_t *rows = json_array();
    client_request(cli, "report", "links", &request);
    status = client_ask(cli, &request, format->print ? keep_row : client_print_json, rows, &text);
    if (status == CLI_OK && format->print)
        format->print(rows, cli);
    free(text);
    json_decref(rows);
    request_free(&request);
    return status;
}

int cli_report(struct cli *cli)
{
    static const struct {
        const char *name;
        int (*run)(struct cli *cli);
    } reports[] = { { "links", report_links },
                    { "switches", report_switches },
                    { "deliveries", report_deliveries },
                    { "reputation", report_reputation } };
    if (cli->word_count == 0)
        return cli_usage(cli, "report what? links, switches, deliveries or reputation");
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        if (strcmp(cli->words[0], reports[i].name) == 0)
            return reports[i].run(cli);
    }
    return cli_usage(
        cli, "there is no report \"%s\"; there are: links, switches, deliveries, reputation",
        cli->words[0]);
}
