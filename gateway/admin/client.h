/*
 * admin/client — asks the daemon, for the command line
 *
 *   Blocking: one connection to <state>/run/admin.sock, one request, rows until the end. Of the
 *   configuration only `state` is read, so it works while the rest of the file is wrong, or is not
 *   for this user to read.
 */
#ifndef WAYPOST_ADMIN_CLIENT_H
#define WAYPOST_ADMIN_CLIENT_H

#include <jansson.h>

#include "gateway/admin/cli.h"

/* One row of the answer; borrowed. */
typedef void client_row_fn(void *arg, const json_t *row);

/* Sends the request and calls `on_row` for each row. Returns the exit status; says on stderr why
 * when it is not 0. *text_r (may be NULL): the end's text, to be freed; NULL without an end. */
int client_ask(const struct cli *cli, const struct request *request, client_row_fn *on_row,
               void *arg, char **text_r);

/* Prints the row as one line of JSON: for --json. */
void client_print_json(void *arg, const json_t *row);

/* Makes a request of the verb's options. */
void client_request(const struct cli *cli, const char *verb, const char *action,
                    struct request *request_r);

#endif
