/*
 * admin/cli_egress — `waypost egress`: what our addresses are worth, for people; orders
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/client.h"
#include "gateway/admin/show_standing.h"

static const char *const orders[] = { "drain", "resume",      "disable", "enable",
                                      "reset", "acknowledge", NULL };

/* NULL: not one of them. */
static const char *order_of(const char *word)
{
    for (size_t i = 0; orders[i]; i++)
        if (strcmp(orders[i], word) == 0)
            return orders[i];
    return NULL;
}

static int ask(struct cli *cli, const char *action, client_row_fn *show)
{
    struct request request;
    char *text;
    client_request(cli, "egress", action, &request);
    if (cli->word_count > 1)
        request_add(&request, "name", cli->words[1]);
    struct table *t = show_standing_begin(cli->color);
    int status = client_ask(cli, &request, cli->json ? client_print_json : show, t, &text);
    if (status == CLI_OK && !cli->json)
        table_print(t, stdout);
    table_free(&t);
    free(text);
    request_free(&request);
    return status;
}

int cli_egress(struct cli *cli)
{
    const char *word = cli->word_count ? cli->words[0] : "list";
    const char *order = order_of(word);
    if (strcmp(word, "list") == 0)
        return ask(cli, "list", show_egress);
    if (!order)
        return cli_usage(cli,
                         "egress knows list, drain, resume, disable, enable, reset and "
                         "acknowledge, not \"%s\"",
                         word);
    if (cli->word_count < 2)
        return cli_usage(cli, "egress %s which? NAME, or NAME/ADDRESS", order);
    return ask(cli, order, show_standing);
}
