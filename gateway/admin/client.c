#include "gateway/admin/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/admin/passage.h"
#include "gateway/base/mem.h"
#include "gateway/conf/bundle.h"
#include "gateway/conf/yaml_tree.h"

static const char DEFAULT_STATE[] = "/var/lib/waypost";

enum { ANSWER_SECONDS = 60 }; /* without a word: longer than a reload under load may take */

/* Only `state` is of interest: the rest may be wrong, or not for this user to read. What keeps even
 * that from being read goes to `errors`. */
static char *state_folder(const char *conf_path, struct conf_errors *errors)
{
    struct bundle *bundle = bundle_new_disk();
    struct arena *arena = arena_new(4096);
    struct slice text;
    struct err err;
    char *folder = NULL;
    if (bundle_get(bundle, conf_path, &text, &err) == RC_OK) {
        const struct yaml_node *root = yaml_tree_parse(arena, conf_path, text, errors);
        const struct yaml_node *state = root ? yaml_get(root, "state") : NULL;
        if (state && state->kind == NODE_TEXT)
            folder = bundle_resolve(conf_path, state->text);
    } else {
        conf_warning(errors, (struct conf_pos){ conf_path, 0, 0 }, "cannot be read: %s", err.text);
    }
    arena_free(&arena);
    bundle_free(&bundle);
    return folder ? folder : mem_strdup(DEFAULT_STATE);
}

static void print_errors(struct conf_errors *errors)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    conf_errors_put_text(errors, &text);
    if (buf_len(&text))
        fwrite(buf_slice(&text).p, 1, buf_len(&text), stderr);
    buf_free(&text);
}

static enum rc connect_below(const char *state, int *fd_r, struct err *err)
{
    struct buf path;
    buf_init(&path, 8192);
    buf_printf(&path, "%s/run/admin.sock", state);
    buf_putc(&path, '\0');
    enum rc rc = path.full ? err_set(err, RC_LIMIT, "path too long")
                           : passage_connect(buf_slice(&path).p, fd_r, err);
    buf_free(&path);
    return rc;
}

/* When the daemon is not there, says so, and what may be the reason. */
static int connect_to_daemon(const struct cli *cli, int *fd_r)
{
    static const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
    struct err err;
    struct conf_errors *errors = conf_errors_new();
    int status = CLI_OK;
    char *state = state_folder(cli->conf_path, errors);
    if (connect_below(state, fd_r, &err) != RC_OK) {
        print_errors(errors);
        fprintf(stderr, "waypost: the daemon cannot be reached: %s\n", err.text);
        status = conf_errors_count(errors) ? CLI_CONFIGURATION : CLI_UNREACHABLE;
        if (status == CLI_UNREACHABLE)
            fputs(
                "waypost: if `state` was changed since it started, it still listens in the folder "
                "of before: restart it\n",
                stderr);
    } else {
        fcntl(*fd_r, F_SETFL, 0); /* blocking */
        setsockopt(*fd_r, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    free(state);
    conf_errors_free(&errors);
    return status;
}

/* A daemon that hangs up at once is noticed by the reader. */
static void send_all(int fd, struct slice rest)
{
    for (ssize_t n; rest.n && (n = send(fd, rest.p, rest.n, MSG_NOSIGNAL)) > 0;) {
        rest.p += n;
        rest.n -= (size_t)n;
    }
}

void client_request(const struct cli *cli, const char *verb, const char *action, struct request *r)
{
    *r = (struct request){ 0 };
    request_set(r, verb, action);
    for (size_t i = 0; i < cli->given_count; i++)
        request_add(r, cli->given[i].name, cli->given[i].value);
}

/* True: that was the end of the answer. */
static bool take_line(const char *line, size_t n, client_row_fn *on_row, void *arg, int *status_r,
                      char **text_r)
{
    json_t *root = json_loadb(line, n, 0, NULL);
    const json_t *end = json_object_get(root, "end");
    const json_t *row = json_object_get(root, "row");
    if (row && on_row)
        on_row(arg, row);
    if (end) {
        const char *text = json_string_value(json_object_get(end, "text"));
        *status_r = (int)json_integer_value(json_object_get(end, "status"));
        *text_r = mem_strdup(text ? text : "");
    }
    bool over = end != NULL;
    json_decref(root);
    return over;
}

static int ask(const struct cli *cli, struct slice request, client_row_fn *on_row, void *arg,
               char **text_r)
{
    int fd = -1;
    char *line = NULL, *text = NULL;
    size_t size = 0;
    bool late = false;
    int status = connect_to_daemon(cli, &fd);
    if (status != CLI_OK)
        return status;
    status = CLI_UNREACHABLE;
    send_all(fd, request);
    FILE *f = fdopen(fd, "r");
    for (ssize_t n; (n = getline(&line, &size, f)) > 0;) {
        if (take_line(line, (size_t)n, on_row, arg, &status, &text))
            break;
    }
    late = !text && ferror(f) && errno == EAGAIN;
    free(line);
    fclose(f);
    fflush(stdout);
    if (late)
        fprintf(stderr, "waypost: the daemon does not answer: nothing for %d s\n", ANSWER_SECONDS);
    else if (!text)
        fputs("waypost: the daemon ended in the middle of its answer\n", stderr);
    else if (status != CLI_OK)
        fprintf(stderr, "waypost: %s\n", text);
    if (text_r)
        *text_r = text;
    else
        free(text);
    return status;
}

int client_ask(const struct cli *cli, const struct request *request, client_row_fn *on_row,
               void *arg, char **text_r)
{
    struct buf out;
    int status;
    if (text_r)
        *text_r = NULL;
    buf_init(&out, REQUEST_MAX);
    request_put(&out, request);
    if (out.full)
        status = cli_usage(cli, "this is too long to ask: more than %d bytes", REQUEST_MAX);
    else
        status = ask(cli, buf_slice(&out), on_row, arg, text_r);
    buf_free(&out);
    return status;
}

void client_print_json(void *arg, const json_t *row)
{
    (void)arg;
    json_dumpf(row, stdout, JSON_COMPACT);
    putchar('\n');
}
