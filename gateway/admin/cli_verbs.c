/*
 * admin/cli_verbs — the table of verbs, and the help that is printed from it
 */
#include <stdio.h>
#include <string.h>

#include "gateway/admin/cli.h"

static const struct cli_option queue_options[] = {
    { "to", "GLOB", "mail with such a recipient: 'bob@example.net', '*@example.net'" },
    { "from", "GLOB", "mail with such a sender" },
    { "domain", "GLOB", "mail for this domain" },
    { "site", "GLOB", "mail for this site (a set of mail exchangers)" },
    { "egress", "NAME", "mail whose route may use this egress" },
    { "priority", "LANE", "urgent, high, normal or bulk" },
    { "age", "TIME", "accepted at least so long ago: 30m, 4h, 2d" },
    { "id", "ID", "this message" },
    { NULL, NULL, NULL },
};

static const struct cli_option explain_options[] = {
    { "from", "ADDRESS", "the sender; without: the null sender" },
    { "to", "ADDRESS", "the recipient" },
    { "client", "IP", "who brings the mail" },
    { "user", "NAME", "authenticated as" },
    { "size", "SIZE", "of the message: 20KiB" },
    { "header", "'NAME: VALUE'", "a header of the message; may come again" },
    { NULL, NULL, NULL },
};

static const struct cli_option explain_reply_options[] = {
    { "mx", "HOST", "who said it: the host name of the mail exchanger" },
    { "ip", "IP", "our address as they see it; without: those configured" },
    { "ehlo", "NAME", "our host's name as they know it; without: the one configured" },
    { "from", "ADDRESS", "the sender, whom the reply may name" },
    { "to", "ADDRESS", "the recipient, the same" },
    { "at", "STEP", "what was answered: greeting ehlo tls auth mail rcpt data final" },
    { NULL, NULL, NULL },
};

static const struct cli_option report_options[] = {
    { "since", "TIME", "of the last 30m, 1h (the default; reputation: 24h), 7d" },
    { "egress", "GLOB", "paths, or addresses, of these egresses" },
    { "carrier", "GLOB", "paths to these carriers" },
    { "region", "GLOB", "paths to these regions" },
    { "limit", "N", "switches, reputation: at most so many events; without: 200" },
    { "format", "FORM", "links: table (the default), json, csv or html" },
    { NULL, NULL, NULL },
};

const struct cli_verb cli_verbs[] = {
    { "serve", "", "run in the foreground",
      "Logs go to stderr, one JSON object a line. SIGHUP reloads; SIGTERM finishes what is being\n"
      "sent and ends; a second SIGTERM ends at once.",
      NULL, 0, false, cli_serve },
    { "check", "", "read everything a start would read; print every error",
      "Exit status 78 when there is an error. Warnings do not count as errors.", NULL, 0, true,
      cli_check },
    { "reload", "", "check, show what changes, apply",
      "On any error the running configuration stays in force and the errors are printed.", NULL, 0,
      true, cli_reload },
    { "explain", "--to ADDRESS [--from ADDRESS] ...", "what would happen to this mail now",
      "Priority and route with the rules that set them, limits, and every egress. Sends nothing.",
      explain_options, 0, true, cli_explain },
    { "explain-reply", "--mx HOST [--ip IP] [--from ADDRESS] ... 'REPLY'",
      "what a remote reply means, by which rule, and what follows from it",
      "REPLY as the other side sent it: '550 5.7.1 ...'. Several lines joined by \\n, by a line\n"
      "break, or in a row with their codes. Reads the configuration: its `replies` come first.",
      explain_reply_options, 1, true, cli_explain_reply },
    { "queue", "[ages | list | show ID | retry | hold | release | drop | bounce] [filters]",
      "look at mail that waits, and act on it",
      "Without an action: a table of sites. ages: how old what waits is, by site and lane. list:\n"
      "one line a message and destination. show: all that is known about one message. retry: try\n"
      "now. hold: keep until release. drop: remove without a word. bounce: return to the sender. "
      "All but retry need a filter; --to '*' is all\n"
      "mail. Filters are joined by and; globs know `*`.",
      queue_options, 2, true, cli_queue },
    { "egress", "[list [NAME] | ORDER NAME[/ADDRESS]]", "what our addresses are worth, and orders",
      "list: a line for each address: its state, points, share, the reason and what to do, and "
      "the\n"
      "providers whose opinion of it is not clean. Orders, for all addresses of an egress or one:\n"
      "drain: let sessions end, then disabled. disable: at once. resume, enable: take both back.\n"
      "reset: forget what is held against it. acknowledge: its quarantine has been looked at.",
      NULL, 2, true, cli_egress },
    { "report", "links | switches | deliveries | reputation [options]",
      "quality of every path, switches, what became of mail, who lists us",
      "links: times to connect, loss, goodput, first-try success and predicted time of a small\n"
      "mail, for each egress and destination group. switches: changes of paths and faults, newest\n"
      "first. deliveries: delivered, deferred, bounced since the start, with top reasons (takes "
      "no\n"
      "options). reputation: each egress address with the evidence against it, what blocklists "
      "and\n"
      "feeds say of it, whether its names fit, and what happened (takes --egress, --since,\n"
      "--limit). Globs know `*`.",
      report_options, 1, true, cli_report },
    { "hash-password", "", "read a password, print a hash for `users`",
      "Asks twice on a terminal; else reads one line from stdin.", NULL, 0, false,
      cli_hash_password },
    { "version", "", "version, libraries, features", NULL, NULL, 0, true, cli_version },
    { "help", "[VERB]", "this, or more about one verb", NULL, NULL, 1, false, cli_help },
    { NULL, NULL, NULL, NULL, NULL, 0, false, NULL },
};

static int overview(void)
{
    puts("Usage: waypost VERB [arguments] [-c FILE]\n");
    for (const struct cli_verb *v = cli_verbs; v->name; v++)
        printf("  %-14s %s\n", v->name, v->summary);
    puts("\n  -c FILE        the configuration; without: /etc/waypost/waypost.yaml\n"
         "  --json         print data as JSON, one object a line\n\n"
         "Exit status: 0 fine, 1 failed, 2 wrong usage, 69 the daemon cannot be reached,\n"
         "78 wrong configuration. `waypost help VERB` says more.");
    return CLI_OK;
}

static int about(const struct cli_verb *v)
{
    printf("Usage: waypost %s %s%s[-c FILE]%s\n\n%s: %s.\n", v->name, v->usage,
           v->usage[0] ? " " : "", v->json ? " [--json]" : "", v->name, v->summary);
    if (v->help)
        printf("\n%s\n", v->help);
    if (v->options)
        puts("");
    for (const struct cli_option *o = v->options; o && o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->help);
    }
    return CLI_OK;
}

int cli_help(struct cli *cli)
{
    if (cli->word_count == 0)
        return overview();
    for (const struct cli_verb *v = cli_verbs; v->name; v++) {
        if (strcmp(v->name, cli->words[0]) == 0)
            return about(v);
    }
    return cli_usage(cli, "there is no \"%s\"", cli->words[0]);
}
