/*
 * admin/cli_daemon — the verbs that ask the daemon: reload, explain, queue
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/client.h"
#include "gateway/admin/filter.h"
#include "gateway/admin/show.h"
#include "gateway/admin/show_ages.h"

/* Asks, prints the end's text when there is one and nothing else does. */
static int ask(const struct cli *cli, const struct request *request, client_row_fn *on_row,
               void *arg, bool print_text)
{
    char *text;
    int status = client_ask(cli, request, on_row, arg, &text);
    if (status == CLI_OK && print_text && text[0])
        printf("%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    free(text);
    return status;
}

static void print_json_text(bool ok, const char *text)
{
    json_t *row = json_pack("{s:b, s:s}", "ok", ok, "text", text);
    client_print_json(NULL, row);
    json_decref(row);
}

/* The end's text is all there is to print. */
static int ask_for_json(const struct cli *cli, const struct request *request)
{
    char *text;
    int status = client_ask(cli, request, NULL, NULL, &text);
    if (text)
        print_json_text(status == CLI_OK, text);
    free(text);
    return status;
}

int cli_reload(struct cli *cli)
{
    struct request request;
    client_request(cli, "reload", "", &request);
    char *text = NULL;
    int status =
        cli->json ? ask_for_json(cli, &request) : client_ask(cli, &request, NULL, NULL, &text);
    if (status == CLI_OK && !cli->json)
        printf("%s", text && text[0] ? text : "applied; nothing has changed\n");
    free(text);
    request_free(&request);
    return status;
}

int cli_explain(struct cli *cli)
{
    struct request request;
    if (!cli_option(cli, "to"))
        return cli_usage(cli, "explain needs --to ADDRESS");
    client_request(cli, "explain", "", &request);
    int status = ask(cli, &request, cli->json ? client_print_json : show_explanation, NULL, false);
    request_free(&request);
    return status;
}

/* ---- queue ---- */

static const struct queue_verb {
    const char *name;
    client_row_fn *show; /* NULL: the end's text says it */
    bool takes_id, needs_filter;
} queue_verbs[] = {
    { "list", show_item, false, false }, { "show", show_item_in_full, true, false },
    { "retry", NULL, false, false },     { "hold", NULL, false, true },
    { "release", NULL, false, true },    { "drop", NULL, false, true },
    { "bounce", NULL, false, true },     { NULL, NULL, false, false },
};

/* The same check as the daemon's, so that wrong usage is told without it. An id is the daemon's to
 * judge for `show`, because there it is an argument. */
static int check_filters(struct cli *cli, const struct queue_verb *verb, struct request *request)
{
    struct arena *arena = arena_new(1024);
    struct filter filter;
    struct err err;
    int status = CLI_OK;
    if (filter_read(request, arena, &filter, &err) != RC_OK)
        status = cli_usage(cli, "%s", err.text);
    else if (verb && verb->needs_filter && !filter.any)
        status = cli_usage(cli, "queue %s needs a filter; --to '*' means all mail", verb->name);
    arena_free(&arena);
    return status;
}

static int queue_table(struct cli *cli, const struct request *request)
{
    if (cli->json)
        return ask(cli, request, client_print_json, NULL, false);
    struct table *table = show_sites_begin(cli->color);
    int status = ask(cli, request, show_site, table, false);
    if (status == CLI_OK)
        table_print(table, stdout);
    table_free(&table);
    return status;
}

/* The rows are those of the table of sites. */
static int queue_ages(struct cli *cli, const struct request *request)
{
    if (cli->json)
        return ask(cli, request, client_print_json, NULL, false);
    struct ages *ages = ages_begin(cli->color);
    int status = ask(cli, request, ages_row, ages, false);
    if (status == CLI_OK)
        ages_print(ages);
    ages_free(&ages);
    return status;
}

static int queue_verb(struct cli *cli, const struct queue_verb *verb, struct request *request)
{
    if (verb->takes_id && cli->word_count < 2)
        return cli_usage(cli, "queue %s needs an id", verb->name);
    if (!verb->takes_id && cli->word_count == 2)
        return cli_usage(cli, "queue %s: \"%s\" is too much", verb->name, cli->words[1]);
    int status = check_filters(cli, verb, request);
    if (status != CLI_OK)
        return status;
    if (verb->takes_id)
        request_add(request, "id", cli->words[1]);
    if (verb->show)
        return ask(cli, request, cli->json ? client_print_json : verb->show, NULL, !cli->json);
    return cli->json ? ask_for_json(cli, request) : ask(cli, request, NULL, NULL, true);
}

int cli_queue(struct cli *cli)
{
    const char *action = cli->word_count ? cli->words[0] : "";
    bool ages = strcmp(action, "ages") == 0 && cli->word_count == 1;
    if (ages)
        action = "";
    const struct queue_verb *verb = queue_verbs;
    while (action[0] && verb->name && strcmp(verb->name, action) != 0)
        verb++;
    if (!verb->name)
        return cli_usage(cli,
                         "queue cannot \"%s\"; it can: ages, list, show, retry, hold, release, "
                         "drop, bounce",
                         action);
    struct request request;
    client_request(cli, "queue", action, &request);
    int status;
    if (action[0])
        status = queue_verb(cli, verb, &request);
    else if (cli->given_count)
        status = cli_usage(cli, "the tables of sites take no filters; queue list does");
    else
        status = ages ? queue_ages(cli, &request) : queue_table(cli, &request);
    request_free(&request);
    return status;
}
