/*
 * admin/cli_egress — `waypost egress list` for people: one line an egress
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/client.h"
#include "gateway/admin/show.h"

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static void show_egress(void *arg, const json_t *row)
{
    static const char *const keys[] = { "egress", "kind", "state", "carrier", "region" };
    struct table *t = arg;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        table_cell(t, text_of(row, keys[i]));
    table_number(t, json_integer_value(json_object_get(row, "weight")));
    table_cell(t, text_of(row, "since"));
    table_cell(t, text_of(row, "evidence"));
}

int cli_egress(struct cli *cli)
{
    static const char *const heads[] = { "EGRESS",  "KIND",  "STATE",    "CARRIER", "REGION",
                                         ">WEIGHT", "SINCE", "EVIDENCE", NULL };
    struct request request;
    char *text;
    if (cli->word_count && strcmp(cli->words[0], "list") != 0)
        return cli_usage(cli, "egress knows list only");
    client_request(cli, "egress", "list", &request);
    struct table *t = table_new(heads, cli->color);
    int status = client_ask(cli, &request, cli->json ? client_print_json : show_egress, t, &text);
    if (status == CLI_OK && !cli->json)
        table_print(t, stdout);
    table_free(&t);
    free(text);
    request_free(&request);
    return status;
}
