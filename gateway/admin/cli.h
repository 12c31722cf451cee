/*
 * admin/cli — the command line: verbs, their options, help
 *
 *   cli_main() reads the arguments along a table of verbs and runs one. Options may stand anywhere,
 *   as --name value or --name=value. What is not known is wrong usage, with the nearest known name.
 *
 *   Exit status: 0 fine, 1 failed, 2 wrong usage, 69 the daemon cannot be reached, 78 wrong
 *   configuration.
 */
#ifndef WAYPOST_ADMIN_CLI_H
#define WAYPOST_ADMIN_CLI_H

#include "gateway/admin/request.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_UNREACHABLE = 69, CLI_CONFIGURATION = 78 };

struct cli_option {
    const char *name;  /* without dashes */
    const char *value; /* what it takes, for help: "GLOB"; NULL: nothing */
    const char *help;
};

struct cli;

struct cli_verb {
    const char *name, *usage;         /* usage: what may follow the name; "" nothing */
    const char *summary;              /* one line */
    const char *help;                 /* more; may be NULL */
    const struct cli_option *options; /* ends with a NULL name; NULL: none of its own */
    unsigned words_max;               /* arguments that are not options */
    bool json;                        /* --json makes sense */
    int (*run)(struct cli *cli);
};

#define CLI_CONF_PATH "/etc/waypost/waypost.yaml" /* without -c */

/* What was asked. */
struct cli {
    const char *conf_path;
    bool json, color, help;
    const struct cli_verb *verb;
    const char *words[2];
    unsigned word_count;
    struct request_field given[REQUEST_FIELDS_MAX]; /* the verb's options; texts of argv */
    size_t given_count;
    int (*serve)(const char *conf_path);
};

const char *cli_option(const struct cli *cli, const char *name); /* NULL: not given */

/* "waypost: text" on stderr, with a hint at the help; returns CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* `serve` is the daemon's: admin/ knows nothing of it. */
int cli_main(int argc, char **argv, int (*serve)(const char *conf_path));

extern const struct cli_verb cli_verbs[]; /* ends with a NULL name */

/* ---- the verbs ---- */
int cli_check(struct cli *cli);
int cli_reload(struct cli *cli);
int cli_explain(struct cli *cli);
int cli_explain_reply(struct cli *cli);
int cli_egress(struct cli *cli);
int cli_queue(struct cli *cli);
int cli_report(struct cli *cli);
int cli_hash_password(struct cli *cli);
int cli_version(struct cli *cli);
int cli_help(struct cli *cli);
int cli_serve(struct cli *cli);

#endif
