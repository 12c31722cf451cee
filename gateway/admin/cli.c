#include "gateway/admin/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/conf/nearest.h"

enum { NAMES_MAX = 32 };

const char *cli_option(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->given_count; i++) {
        if (strcmp(cli->given[i].name, name) == 0)
            return cli->given[i].value;
    }
    return NULL;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
    va_list ap;
    fputs("waypost: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry `waypost help%s%s`.\n", cli->verb ? " " : "",
            cli->verb ? cli->verb->name : "");
    return CLI_USAGE;
}

/* "; did you mean --to?", or nothing. */
static const char *did_you_mean(const char *word, const char *const *names, size_t n,
                                const char *dashes, char *text, size_t size)
{
    const char *near = nearest_name(slice_of(word), names, n);
    if (near)
        snprintf(text, size, "; did you mean %s%s?", dashes, near);
    else
        text[0] = '\0';
    return text;
}

static int unknown_option(struct cli *cli, const char *name)
{
    const char *names[NAMES_MAX] = { "help" };
    char hint[80];
    size_t n = 1;
    if (cli->verb->json)
        names[n++] = "json";
    for (const struct cli_option *o = cli->verb->options; o && o->name && n < NAMES_MAX; o++)
        names[n++] = o->name;
    return cli_usage(cli, "%s has no option --%s%s", cli->verb->name, name,
                     did_you_mean(name, names, n, "--", hint, sizeof hint));
}

static const struct cli_option *find_option(const struct cli_verb *verb, const char *name, size_t n)
{
    for (const struct cli_option *o = verb->options; o && o->name; o++) {
        if (strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    }
    return NULL;
}

/* --name, --name value, --name=value. *argv is moved past what was used. */
static int read_long(struct cli *cli, char ***argv)
{
    const char *text = **argv + 2;
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    if (strcmp(text, "json") == 0 && cli->verb->json) {
        cli->json = true;
        return CLI_OK;
    }
    const struct cli_option *o = find_option(cli->verb, text, n);
    if (!o)
        return unknown_option(cli, text);
    if (!o->value && equals)
        return cli_usage(cli, "--%s takes no value", o->name);
    const char *value = equals ? equals + 1 : "";
    if (o->value && !equals) {
        if (!(*argv)[1])
            return cli_usage(cli, "--%s needs a value: %s", o->name, o->value);
        value = *++*argv;
    }
    if (cli->given_count == REQUEST_FIELDS_MAX)
        return cli_usage(cli, "too many options");
    cli->given[cli->given_count++] =
        (struct request_field){ (char *)(uintptr_t)o->name, (char *)(uintptr_t)value };
    return CLI_OK;
}

static int read_word(struct cli *cli, const char *word)
{
    if (cli->word_count == cli->verb->words_max)
        return cli_usage(cli, "%s: \"%s\" is too much", cli->verb->name, word);
    cli->words[cli->word_count++] = word;
    return CLI_OK;
}

static int read_arguments(struct cli *cli, char **argv)
{
    int status = CLI_OK;
    for (; *argv && status == CLI_OK; argv++) {
        if (strcmp(*argv, "-c") == 0 && argv[1])
            cli->conf_path = *++argv;
        else if (strcmp(*argv, "-c") == 0)
            return cli_usage(cli, "-c needs a file");
        else if (strcmp(*argv, "-h") == 0 || strcmp(*argv, "--help") == 0)
            cli->help = true;
        else if (strncmp(*argv, "--", 2) == 0)
            status = read_long(cli, &argv);
        else if ((*argv)[0] == '-' && (*argv)[1])
            return cli_usage(cli, "unknown option %s", *argv);
        else
            status = read_word(cli, *argv);
    }
    return status;
}

static int unknown_verb(struct cli *cli, const char *name)
{
    const char *names[NAMES_MAX];
    char hint[80];
    size_t n = 0;
    for (const struct cli_verb *v = cli_verbs; v->name && n < NAMES_MAX; v++)
        names[n++] = v->name;
    return cli_usage(cli, "there is no \"%s\"%s", name,
                     did_you_mean(name, names, n, "", hint, sizeof hint));
}

/* Whoever wrote a report to a full disk is not to take it for a whole one. */
static int written(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fputs("waypost: the output could not be written\n", stderr);
    return status == CLI_OK ? CLI_FAILED : status;
}

int cli_main(int argc, char **argv, int (*serve)(const char *conf_path))
{
    struct cli cli = { .conf_path = CLI_CONF_PATH, .serve = serve };
    cli.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    char **rest = argv + (argc > 0);
    while (*rest && strcmp(*rest, "-c") == 0 && rest[1]) { /* before the verb too */
        cli.conf_path = rest[1];
        rest += 2;
    }
    const char *name = *rest;
    if (!name)
        return cli_usage(&cli, "what shall it do?");
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (const struct cli_verb *v = cli_verbs; v->name; v++) {
        if (strcmp(v->name, name) == 0)
            cli.verb = v;
    }
    if (!cli.verb)
        return unknown_verb(&cli, name);
    int status = read_arguments(&cli, rest + 1);
    if (status != CLI_OK)
        return status;
    if (cli.help) {
        cli.words[0] = name;
        cli.word_count = 1;
    }
    return written(cli.help ? cli_help(&cli) : cli.verb->run(&cli));
}
