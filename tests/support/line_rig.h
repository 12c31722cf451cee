/*
 * tests/support/line_rig — the relay's socket, at which control asks for the line between the two
 *
 *   Included by one test program each, behind cmocka.h. The server is the caller's.
 */
#ifndef WAYPOST_TESTS_SUPPORT_LINE_RIG_H
#define WAYPOST_TESTS_SUPPORT_LINE_RIG_H

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/admin/server.h"
#include "gateway/daemon/relay_links.h"

static void line_serve(void *relay, struct call *call, const struct request *request)
{
    (void)request;
    relay_links_serve(*(struct relay_links **)relay, call);
}

/* `relay` is read whenever somebody asks. */
static struct admin_server *line_listen(struct loop *loop, const char *path,
                                        struct relay_links **relay)
{
    static const struct admin_verb verbs[] = { { "links", line_serve }, { NULL, NULL } };
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(sa.sun_path, path, strlen(path));
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 4), 0);
    return admin_server_new(loop, fd, verbs, relay);
}

#endif
