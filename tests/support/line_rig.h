/*
 * tests/support/line_rig — the relay's socket, at which control asks for the line between the two,
 *   and for what is under way
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
#include "gateway/admin/under_way.h"
#include "gateway/base/buf.h"
#include "gateway/daemon/relay_links.h"

/* What is said to be under way; nothing is said until a test wants it. */
static struct {
    bool answers;
    int64_t table_ms; /* the oldest that any worker obeys */
    const char *egress;
    unsigned transactions; /* of that egress */
} line_says;

static void line_serve(void *relay, struct call *call, const struct request *request)
{
    (void)request;
    relay_links_serve(*(struct relay_links **)relay, call);
}

static void line_under_way(void *relay, struct call *call, const struct request *request)
{
    static const struct addr none = { .family = ADDR_NONE };
    struct buf row;
    (void)relay;
    (void)request;
    buf_init(&row, 256);
    under_way_put_table(&row, line_says.table_ms);
    call_row(call, buf_slice(&row));
    buf_clear(&row);
    if (line_says.transactions) {
        under_way_put_session(&row, slice_of(line_says.egress), &none, line_says.transactions);
        call_row(call, buf_slice(&row));
    }
    buf_free(&row);
    call_end(&call, line_says.answers, slice_of(""));
}

/* `relay` is read whenever somebody asks. */
static struct admin_server *line_listen(struct loop *loop, const char *path,
                                        struct relay_links **relay)
{
    static const struct admin_verb verbs[] = { { "links", line_serve },
                                               { "under-way", line_under_way },
                                               { NULL, NULL } };
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(sa.sun_path, path, strlen(path));
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 4), 0);
    return admin_server_new(loop, fd, verbs, relay);
}

#endif
