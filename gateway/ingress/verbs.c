/*
 * ingress/verbs — the table of commands: when each may come, and who runs it
 *
 *   Anything a command needs of the session's state beyond these flags is checked by its own file.
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

enum {
    PLAIN_OK = 1, /* also before the TLS that the listener requires */
    HELO_FIRST = 2,
    NO_ARGS = 4,
    IDLE = 8 /* sends no mail: counts until the next message */
};

static const struct verb {
    unsigned flags;
    void (*run)(struct session *s, struct slice args);
} verbs[VERB_COUNT] = {
    [VERB_EHLO] = { PLAIN_OK | IDLE, cmd_ehlo },
    [VERB_HELO] = { PLAIN_OK | IDLE, cmd_helo },
    [VERB_MAIL] = { HELO_FIRST, cmd_mail },
    [VERB_RCPT] = { HELO_FIRST, cmd_rcpt },
    [VERB_DATA] = { HELO_FIRST | NO_ARGS, cmd_data },
    [VERB_BDAT] = { PLAIN_OK, cmd_bdat }, /* its chunk must be read whatever else is wrong */
    [VERB_RSET] = { PLAIN_OK | NO_ARGS | IDLE, cmd_rset },
    [VERB_NOOP] = { PLAIN_OK | IDLE, cmd_noop },
    [VERB_QUIT] = { PLAIN_OK | NO_ARGS, cmd_quit },
    [VERB_STARTTLS] = { PLAIN_OK | NO_ARGS, cmd_starttls },
    [VERB_AUTH] = { PLAIN_OK | HELO_FIRST | IDLE, cmd_auth }, /* says 538 by itself */
    [VERB_VRFY] = { IDLE, cmd_vrfy },
    [VERB_EXPN] = { IDLE, cmd_expn },
    [VERB_HELP] = { PLAIN_OK | IDLE, cmd_help },
};

/* A browser that was talked into posting to a mail server: what follows is not its own. */
static bool is_http(struct slice line)
{
    static const char *const words[] = { "GET ", "POST ", "PUT ", "HEAD ", "CONNECT ", "OPTIONS " };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (slice_istarts_with(line, words[i]))
            return true;
    return false;
}

static void unknown(struct session *s, struct slice line)
{
    if (is_http(line))
        session_bye(s, "500 5.5.1 This is a mail server");
    else
        session_refuse(s, "500 5.5.1 Command not recognized", ERROR_POINTS);
}

void verbs_run(struct session *s, struct slice line)
{
    struct command command;
    const char *reply;
    command_parse(line, &command);
    const struct verb *verb = &verbs[command.verb];
    if (!verb->run)
        unknown(s, line);
    else if ((verb->flags & IDLE) && ++s->idle_commands > IDLE_COMMANDS_MAX)
        session_bye(s, "421 4.7.0 Too many commands without a message, closing");
    else if ((verb->flags & NO_ARGS) && command_check_no_args(&command, &reply) != RC_OK)
        session_refuse(s, reply, ERROR_POINTS);
    else if (!(verb->flags & PLAIN_OK) && s->listener.tls == CONF_LISTEN_TLS_REQUIRED && !s->tls)
        session_refuse(s, "530 5.7.0 Must issue a STARTTLS command first", ERROR_POINTS);
    else if ((verb->flags & HELO_FIRST) && !s->helo)
        session_refuse(s, "503 5.5.1 Say EHLO first", ERROR_POINTS);
    else
        verb->run(s, command.args);
}
