/*
 * admin/cli_local — the verbs that need no daemon: check, version, hash-password, serve
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "gateway/admin/cli.h"
#include "gateway/base/json.h"
#include "gateway/geo/check.h"
#include "gateway/ingress/password.h"
#include "gateway/io/tls.h"
#include "gateway/io/way.h"
#include "policies/policies.h"

int cli_serve(struct cli *cli)
{
    return cli->serve(cli->conf_path);
}

/* What only TLS itself can say of the files: a start would end over the first. */
static void check_tls_files(const struct conf *conf, struct conf_errors *errors)
{
    struct err err;
    struct tls_server *server;
    struct tls_client *client;
    struct tls_keypair pair = { conf->tls.certificate.data, conf->tls.key.data };
    if (conf->tls.certificate.path.n && tls_server_new(&pair, 1, NULL, &server, &err) != RC_OK)
        conf_error(errors, conf->tls.certificate.pos,
                   "found a certificate and key that cannot be used: %s", err.text);
    else if (conf->tls.certificate.path.n)
        tls_server_unref(&server);
    const struct conf_file *ca = &conf->delivery.ca_file;
    if (tls_client_new(ca->data, 1, &client, &err) != RC_OK)
        conf_error(errors, ca->pos, "found no certificates to trust in \"%s\": %s", ca->path.p,
                   err.text);
    else
        tls_client_free(&client);
}

static void check_congestion(const struct conf *conf, struct conf_errors *errors)
{
    for (size_t i = 0; i < conf->egress.n; i++) {
        const struct conf_egress *e = &conf->egress.at[i];
        if (!way_congestion_works(e))
            conf_warning(errors, e->pos, "this system has no congestion control \"%s\"",
                         e->congestion.p);
    }
}

int cli_check(struct cli *cli)
{
    struct bundle *bundle = bundle_new_disk();
    struct conf_errors *errors = conf_errors_new();
    struct policies *policies = NULL;
    struct buf out;
    enum rc rc = policies_load(bundle, cli->conf_path, &policies, errors);
    if (rc == RC_OK)
        check_tls_files(policies_conf(policies), errors);
    if (rc == RC_OK)
        check_congestion(policies_conf(policies), errors);
    if (rc == RC_OK)
        geo_check(&policies_conf(policies)->geo, errors);
    bool ok = conf_errors_count(errors) == 0;
    buf_init(&out, 4 << 20);
    if (cli->json) {
        json_open(&out, '{');
        json_bool(&out, "ok", ok);
        json_key(&out, "errors");
        conf_errors_put_json(errors, &out);
        json_close(&out, '}');
        buf_putc(&out, '\n');
    } else {
        conf_errors_put_text(errors, &out);
    }
    if (buf_len(&out))
        fwrite(buf_slice(&out).p, 1, buf_len(&out), cli->json ? stdout : stderr);
    if (!cli->json && ok)
        printf("%s: fine\n", cli->conf_path);
    if (!cli->json && !ok)
        fprintf(stderr, "waypost: %zu error%s\n", conf_errors_count(errors),
                conf_errors_count(errors) == 1 ? "" : "s");
    buf_free(&out);
    policies_unref(&policies);
    conf_errors_free(&errors);
    bundle_free(&bundle);
    return ok ? CLI_OK : CLI_CONFIGURATION;
}

/* WAYPOST_LIBRARIES: "name version,name version,", as found when this was built. */
static bool next_library(struct slice *rest, struct slice *name_r, struct slice *version_r)
{
    struct slice one;
    return slice_cut(*rest, ',', &one, rest) && slice_cut(one, ' ', name_r, version_r);
}

int cli_version(struct cli *cli)
{
    struct slice rest = SLICE_LIT(WAYPOST_LIBRARIES), name, version;
    struct buf out;
    buf_init(&out, 8192);
    if (cli->json) {
        json_open(&out, '{');
        json_cstr(&out, "waypost", WAYPOST_VERSION);
        json_key(&out, "libraries");
        json_open(&out, '{');
    } else {
        buf_puts(&out, "waypost " WAYPOST_VERSION "\n");
    }
    while (next_library(&rest, &name, &version)) {
        char key[32];
        snprintf(key, sizeof key, "%.*s", SLICE_FMT(name));
        if (cli->json)
            json_str(&out, key, version);
        else
            buf_printf(&out, "  %-12s %.*s\n", key, SLICE_FMT(version));
    }
    buf_puts(&out, cli->json ? "}}\n" : "");
    fwrite(buf_slice(&out).p, 1, buf_len(&out), stdout);
    buf_free(&out);
    return CLI_OK;
}

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
enum { ENDING_N = sizeof ending / sizeof ending[0] };
static struct termios terminal_before; /* while the terminal is silent */

/* ^C at the prompt: the shell must not inherit a silent terminal. */
static void on_ending(int signo)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    raise(signo); /* SA_RESETHAND: ends the process behind this handler */
}

static void silence(struct sigaction before_r[ENDING_N])
{
    struct sigaction restore = { .sa_handler = on_ending, .sa_flags = (int)SA_RESETHAND };
    struct termios quiet = terminal_before;
    for (size_t i = 0; i < ENDING_N; i++)
        sigaction(ending[i], &restore, &before_r[i]);
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
}

static void end_silence(const struct sigaction before[ENDING_N])
{
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
    for (size_t i = 0; i < ENDING_N; i++)
        sigaction(ending[i], &before[i], NULL);
}

/* One line without its line break, not echoed on a terminal. False: nothing came. */
static bool read_secret(const char *prompt, char *text, size_t size)
{
    struct sigaction before[ENDING_N];
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal_before) == 0;
    if (terminal) {
        silence(before);
        fputs(prompt, stderr);
    }
    bool ok = fgets(text, (int)size, stdin) != NULL;
    if (terminal) {
        end_silence(before);
        fputc('\n', stderr);
    }
    if (ok)
        text[strcspn(text, "\r\n")] = '\0';
    return ok && text[0];
}

int cli_hash_password(struct cli *cli)
{
    char password[PASSWORD_MAX + 2], again[PASSWORD_MAX + 2], hash[PASSWORD_HASH_MAX];
    struct err err;
    int status = CLI_FAILED;
    (void)cli;
    if (!read_secret("Password: ", password, sizeof password))
        fputs("waypost: no password was given\n", stderr);
    else if (isatty(STDIN_FILENO) &&
             (!read_secret("Again: ", again, sizeof again) || strcmp(password, again) != 0))
        fputs("waypost: the two are not the same\n", stderr);
    else if (password_hash(password, hash, &err) != RC_OK)
        fprintf(stderr, "waypost: %s\n", err.text);
    else
        status = puts(hash) < 0 ? CLI_FAILED : CLI_OK;
    explicit_bzero(password, sizeof password);
    explicit_bzero(again, sizeof again);
    return status;
}
