/*
 * tests/unit/test_cli — the command line reads arguments, filters mean what they say, tables
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "gateway/admin/cli.h"
#include "gateway/admin/filter.h"
#include "gateway/admin/show_standing.h"
#include "gateway/admin/table.h"
#include "tests/support/certs.h"

/* ---- the command line ---- */

static int served;

static int serve(const char *path)
{
    served = strcmp(path, "/x.yaml") == 0 ? 1 : 2;
    return 0;
}

static int run(const char *words)
{
    char copy[256];
    char *argv[16] = { NULL };
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", words);
    for (char *p = copy, *word; argc < 15 && (word = strsep(&p, " "));)
        argv[argc++] = word;
    return cli_main(argc, argv, serve);
}

/* waypost report links --format csv > /on/a/full/disk */
static void what_cannot_be_written_is_a_failure(void **state)
{
    static const char *const commands[] = { "waypost version --json", "waypost help queue" };
    (void)state;
    fflush(stdout);
    int before = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(before >= 0 && full >= 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        dup2(full, STDOUT_FILENO);
        int status = run(commands[i]);
        clearerr(stdout);
        dup2(before, STDOUT_FILENO);
        assert_int_equal(status, CLI_FAILED);
        assert_int_equal(run(commands[i]), CLI_OK);
    }
    close(before);
    close(full);
}

static void arguments(void **state)
{
    static const struct {
        const char *words;
        int status;
    } rows[] = {
        { "waypost", CLI_USAGE },
        { "waypost nonsense", CLI_USAGE },
        { "waypost relays", CLI_USAGE },
        { "waypost help", CLI_OK },
        { "waypost help queue", CLI_OK },
        { "waypost help nonsense", CLI_USAGE },
        { "waypost help queue list", CLI_USAGE },
        { "waypost --help", CLI_OK },
        { "waypost queue --help", CLI_OK },
        { "waypost version", CLI_OK },
        { "waypost version --json", CLI_OK },
        { "waypost --version", CLI_OK },
        { "waypost version extra", CLI_USAGE },
        { "waypost version -x", CLI_USAGE },
        { "waypost serve --json", CLI_USAGE },
        { "waypost check -c", CLI_USAGE },
        { "waypost check -c /nowhere.yaml", CLI_CONFIGURATION },
        { "waypost -c /nowhere.yaml check", CLI_CONFIGURATION },
        { "waypost check --jsn", CLI_USAGE },
        { "waypost queue frob", CLI_USAGE },
        { "waypost queue list more", CLI_USAGE },
        { "waypost queue show", CLI_USAGE },
        { "waypost queue --to x", CLI_USAGE },
        { "waypost queue drop", CLI_USAGE },
        { "waypost queue bounce", CLI_USAGE },
        { "waypost queue list --to", CLI_USAGE },
        { "waypost queue list --priority=middle", CLI_USAGE },
        { "waypost queue list --age soon", CLI_USAGE },
        { "waypost queue drop --id x", CLI_USAGE },
        { "waypost report", CLI_USAGE },
        { "waypost report nothing", CLI_USAGE },
        { "waypost explain", CLI_USAGE },
        { "waypost explain --to a@b -c /nowhere.yaml", CLI_UNREACHABLE },
    };
    (void)state;
    if (access("/var/lib/waypost/run/admin.sock", F_OK) == 0)
        skip();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int status = run(rows[i].words);
        if (status != rows[i].status)
            print_error("%s: %d\n", rows[i].words, status);
        assert_int_equal(status, rows[i].status);
    }
    assert_int_equal(run("waypost serve -c /x.yaml"), 0);
    assert_int_equal(served, 1);
    assert_int_equal(run("waypost -c /y.yaml serve"), 0);
    assert_int_equal(served, 2);
}

/* ---- files that are wrong ---- */

static char folder[] = "/tmp/test_cli_XXXXXX";

static void put_file(const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int run_with(const char *verb, const char *lines)
{
    char text[512], words[96];
    snprintf(text, sizeof text,
             "hostname: a.example\nlisten: [ { address: \"127.0.0.1:25\" } ]\n"
             "clients: [ { network: 127.0.0.0/8 } ]\n%s",
             lines);
    put_file("waypost.yaml", text);
    snprintf(words, sizeof words, "waypost %s -c %s/waypost.yaml", verb, folder);
    return run(words);
}

static int check_with(const char *lines)
{
    return run_with("check", lines);
}

/* Whatever a start would refuse, or could never use, is an error of `check` already. */
static void wrong_files(void **state)
{
    static const char *const names[] = { "a.pem", "b.pem", "a.key", "b.key", "waypost.yaml" };
    struct cert a, b;
    (void)state;
    if (access("/var/lib/waypost/run/admin.sock", F_OK) == 0)
        skip();
    assert_non_null(mkdtemp(folder));
    certs_ca(&a);
    certs_ca(&b);
    put_file("a.pem", a.certificate);
    put_file("a.key", a.key);
    put_file("b.key", b.key);
    put_file("b.pem", "-----BEGIN CERTIFICATE-----\nbroken\n");
    assert_int_equal(check_with("tls: { certificate: a.pem, key: a.key }\n"), CLI_OK);
    assert_int_equal(check_with("tls: { certificate: a.pem, key: b.key }\n"), CLI_CONFIGURATION);
    assert_int_equal(check_with("tls: { certificate: b.pem, key: b.key }\n"), CLI_CONFIGURATION);
    assert_int_equal(check_with("delivery: { tls: verify, ca_file: a.pem }\n"), CLI_OK);
    assert_int_equal(check_with("delivery: { tls: verify, ca_file: a.key }\n"), CLI_CONFIGURATION);
    /* Where the state folder is cannot be read: that is what is wrong, not the daemon. */
    assert_int_equal(run_with("reload", "tls: [ a\n"), CLI_CONFIGURATION);
    assert_int_equal(run_with("reload", "state: nowhere\n"), CLI_UNREACHABLE);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    certs_free(&a);
    certs_free(&b);
}

/* ---- a password on a terminal ---- */

static bool echoes(int terminal)
{
    struct termios t;
    assert_int_equal(tcgetattr(terminal, &t), 0);
    return t.c_lflag & ECHO;
}

static void echo_comes_back(void **state)
{
    int master, terminal, status;
    char seen[64];
    (void)state;
    assert_int_equal(openpty(&master, &terminal, NULL, NULL, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        login_tty(dup(terminal));
        run("waypost hash-password");
        _exit(0);
    }
    assert_true(read(master, seen, sizeof seen) > 0); /* the prompt */
    assert_false(echoes(terminal));
    assert_int_equal(write(master, "\x03", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    assert_true(echoes(terminal));
    close(master);
    close(terminal);
}

/* ---- filters and tables ---- */

static void filters(void **state)
{
    struct arena *arena = arena_new(1024);
    struct request r = { 0 };
    struct filter f;
    (void)state;
    request_set(&r, "queue", "list");
    assert_int_equal(filter_read(&r, arena, &f, NULL), RC_OK);
    assert_false(f.any);
    request_add(&r, "to", "*@Example.NET");
    request_add(&r, "age", ">2h");
    request_add(&r, "priority", "bulk");
    request_add(&r, "id", "00000T40WGPP9K61DVT0000001");
    request_add(&r, "egress", "e1");
    request_add(&r, "other", "is no filter");
    assert_int_equal(filter_read(&r, arena, &f, NULL), RC_OK);
    assert_true(f.any && f.queue.by_to && f.queue.by_lane && f.queue.by_id && !f.queue.by_from);
    assert_int_equal(f.queue.lane, LANE_BULK);
    assert_int_equal(f.queue.age_min_ms, 2 * 3600 * 1000);
    assert_true(pattern_match(&f.queue.to, slice_of("bob@example.net")));
    assert_false(pattern_match(&f.queue.to, slice_of("bob@example.org")));
    assert_true(slice_eq_str(f.egress, "e1"));
    request_free(&r);
    arena_free(&arena);
}

static void tables(void **state)
{
    static const char *const heads[] = { "NAME", ">COUNT", "TEXT", NULL };
    struct table *t = table_new(heads, false);
    char *text = NULL;
    size_t size;
    (void)state;
    table_cell(t, "j\xc3\xb6rg");
    table_number(t, 12345678);
    table_cell(t, "a\x1b[31mb\n");
    table_cell(t, "b");
    table_number(t, 0);
    table_cell(t, NULL);
    assert_int_equal(table_rows(t), 2);
    FILE *f = open_memstream(&text, &size);
    table_print(t, f);
    fclose(f);
    assert_string_equal(text, "NAME     COUNT  TEXT\n"
                              "j\xc3\xb6rg  12345678  a?[31mb?\n"
                              "b            -  \n");
    free(text);
    table_free(&t);
    assert_null(t);
}

/* Sentences are below their row, in lines that a terminal of 120 columns shows whole. */
static void notes(void **state)
{
    static const char *const heads[] = { "NAME", "STATE", NULL };
    struct table *t = table_new(heads, false);
    char long_word[150], *text = NULL;
    size_t size;
    (void)state;
    memset(long_word, 'x', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    table_cell(t, "a");
    table_cell(t, "listed");
    table_note(t, "Why", "");
    table_note(t, "What to do",
               "find out what was sent by it and stop that; then go by what the list says about "
               "its entry: some expire, others are to be removed at its own site");
    table_note(t, "", "j\xc3\xb6rg\x1b[31m");
    table_cell(t, "b");
    table_cell(t, "clean");
    table_note(t, "Why", long_word);
    assert_int_equal(table_rows(t), 2);
    FILE *f = open_memstream(&text, &size);
    table_print(t, f);
    fclose(f);
    for (const char *line = text; *line && line[0] != 'b'; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= TABLE_WIDTH);
    assert_non_null(strstr(text, "NAME  STATE\n"
                                 "a     listed\n"
                                 "    What to do: find out what was sent by it and stop that; then "
                                 "go by what the list says about its entry: some "
                                 "expire,\n"
                                 "        others are to be removed at its own site\n"
                                 "    j\xc3\xb6rg?[31m\n"
                                 "b     clean\n"
                                 "    Why: xxx"));
    free(text);
    table_free(&t);
}

/* What is clean has none of these, whatever its last change was. */
static void sentences_below_an_address(void **state)
{
    static const char rows[] =
        "[{\"egress\":\"a\",\"standing\":[{\"address\":\"192.0.2.1\",\"state\":\"listed\","
        "\"reason\":\"listed by x\",\"does\":\"no mail leaves\",\"todo\":\"ask them\"}]},"
        "{\"egress\":\"b\",\"standing\":[{\"address\":\"192.0.2.2\",\"state\":\"clean\","
        "\"reason\":\"the canary was accepted\",\"does\":\"\",\"todo\":\"\"}]},"
        "{\"egress\":\"c\",\"state\":\"unplumbed\",\"evidence\":\"no such address\","
        "\"standing\":[{\"address\":\"192.0.2.3\",\"state\":\"clean\",\"reason\":\"reset\"}]}]";
    json_t *all = json_loads(rows, 0, NULL);
    struct table *t = show_standing_begin(false);
    char *text = NULL;
    size_t size;
    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < json_array_size(all); i++)
        show_egress(t, json_array_get(all, i));
    FILE *f = open_memstream(&text, &size);
    table_print(t, f);
    fclose(f);
    char *b = strstr(text, "\nb "), *c = strstr(text, "\nc ");
    assert_true(b && c);
    assert_int_equal(strchr(b + 1, '\n') - c, 0); /* one line */
    assert_non_null(strstr(c, "\n    Why: unplumbed: no such address\n"));
    *b = '\0';
    assert_non_null(strstr(text, "\n    Why: listed by x\n"
                                 "    What Waypost does: no mail leaves\n"
                                 "    What to do: ask them"));
    free(text);
    table_free(&t);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),   cmocka_unit_test(what_cannot_be_written_is_a_failure),
        cmocka_unit_test(wrong_files), cmocka_unit_test(echo_comes_back),
        cmocka_unit_test(filters),     cmocka_unit_test(tables),
        cmocka_unit_test(notes),       cmocka_unit_test(sentences_below_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
