/*
 * ingress/cmd_misc — RSET, NOOP, QUIT, VRFY, EXPN, HELP: a line each
 */
#include "gateway/ingress/internal.h"
#include "gateway/ingress/transaction.h"

void cmd_rset(struct session *s, struct slice args)
{
    (void)args;
    transaction_release(&s->tx);
    session_reply(s, "250 2.0.0 OK");
}

void cmd_noop(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s, "250 2.0.0 OK");
}

void cmd_quit(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s, "221 2.0.0 Bye");
    session_leave(s);
}

void cmd_vrfy(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s,
                  "252 2.1.5 Send the message and see: this server relays and knows no mailboxes");
}

void cmd_expn(struct session *s, struct slice args)
{
    (void)args;
    session_refuse(s, "502 5.5.1 EXPN is not offered", 1);
}

void cmd_help(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s,
                  "214 2.0.0 Commands: EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT STARTTLS AUTH VRFY");
}
