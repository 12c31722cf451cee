/*
 * limits_receiver — a receiver on the rig's loop that limits addresses, and keeps who came when
 *
 *   From an address that it limits it takes so many mails in ten minutes, and puts off the others.
 *   Senders are u0@s.example, u1@... Included behind delivery_rig.h by one test program each.
 */
#ifndef WAYPOST_TESTS_UNIT_LIMITS_RECEIVER_H
#define WAYPOST_TESTS_UNIT_LIMITS_RECEIVER_H

enum {
    ADDRESSES = 3,
    FIRST_HOST = 11, /* 127.0.7.11 is that of the first */
    GUESTS = 64,
    MAILS_MAX = 2048,
    MINUTE_MS = 60000,
    WINDOW_MS = 10 * MINUTE_MS
};

struct arrival {
    int64_t at_ms;
    unsigned address;
    bool taken;
};

struct guest {
    int fd; /* -1: free */
    struct loop_watch *watch;
    struct buf in;
    unsigned address, mail;
    bool text;
};

static struct {
    int fd;
    struct loop_watch *watch;
    struct guest guest[GUESTS];
    struct arrival arrival[4 * MAILS_MAX];
    unsigned n, came[MAILS_MAX]; /* how often each mail was taken */
    unsigned limit[ADDRESSES];   /* in ten minutes; 0: none */
} receiver;

static unsigned in_window(unsigned address, int64_t from_ms, bool taken_only)
{
    unsigned n = 0;
    for (unsigned i = receiver.n; i-- > 0 && receiver.arrival[i].at_ms >= from_ms;)
        n += receiver.arrival[i].address == address &&
             receiver.arrival[i].at_ms < from_ms + WINDOW_MS &&
             (receiver.arrival[i].taken || !taken_only);
    return n;
}

static void answer(const struct guest *g, const char *text)
{
    (void)send(g->fd, text, strlen(text), MSG_NOSIGNAL);
}

static void on_mail(const struct guest *g)
{
    int64_t now_ms = loop_now_ms(rig.loop);
    unsigned limit = receiver.limit[g->address];
    bool taken = !limit || in_window(g->address, now_ms - WINDOW_MS + 1, true) < limit;
    assert_true(receiver.n < sizeof receiver.arrival / sizeof receiver.arrival[0]);
    receiver.arrival[receiver.n++] = (struct arrival){ now_ms, g->address, taken };
    answer(g, taken ? "250 ok\r\n"
                    : "450 4.7.28 Our system has detected an unusual rate of mail from your IP "
                      "address; it has been temporarily rate limited\r\n");
}

static void guest_leaves(struct guest *g)
{
    loop_watch_free(&g->watch);
    close(g->fd);
    buf_free(&g->in);
    g->fd = -1;
}

static void on_line(struct guest *g, struct slice line)
{
    uint64_t mail = 0;
    if (g->text) {
        g->text = line.n != 1 || line.p[0] != '.';
        if (g->text)
            return;
        assert_true(g->mail < MAILS_MAX);
        receiver.came[g->mail]++;
        answer(g, "250 taken\r\n");
    } else if (slice_starts_with(line, "MAIL FROM:<")) {
        struct slice rest = { line.p + 12, line.n - 12 }, number; /* <uNUMBER@s.example> */
        assert_true(slice_cut(rest, '@', &number, &rest) && slice_to_u64(number, MAILS_MAX, &mail));
        g->mail = (unsigned)mail;
        on_mail(g);
    } else if (slice_starts_with(line, "DATA")) {
        g->text = true;
        answer(g, "354 go\r\n");
    } else if (slice_starts_with(line, "QUIT")) {
        answer(g, "221 bye\r\n");
        guest_leaves(g);
    } else {
        answer(g, "250 receiver\r\n");
    }
}

static void on_readable(void *arg, int fd, unsigned what)
{
    struct guest *g = arg;
    char chunk[4096];
    struct slice line, rest;
    (void)what;
    ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n <= 0) {
        guest_leaves(g);
        return;
    }
    buf_put(&g->in, chunk, (size_t)n);
    while (g->fd >= 0 && slice_cut(buf_slice(&g->in), '\n', &line, &rest)) {
        size_t whole = line.n + 1;
        char copy[512];
        assert_true(line.n > 0 && line.n < sizeof copy);
        memcpy(copy, line.p, line.n);
        buf_consume(&g->in, whole);
        on_line(g, (struct slice){ copy, whole - 2 });
    }
}

static void on_guest(void *arg, int fd, unsigned what)
{
    struct sockaddr_in sa = { 0 };
    socklen_t size = sizeof sa;
    struct guest *g = receiver.guest;
    (void)arg;
    (void)what;
    int got = accept4(fd, (struct sockaddr *)&sa, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (got < 0)
        return;
    while (g < receiver.guest + GUESTS && g->fd >= 0)
        g++;
    assert_true(g < receiver.guest + GUESTS);
    unsigned host = ntohl(sa.sin_addr.s_addr) & 0xff;
    assert_true(host >= FIRST_HOST && host < FIRST_HOST + ADDRESSES);
    *g = (struct guest){ .fd = got, .address = host - FIRST_HOST };
    buf_init(&g->in, 65536);
    g->watch = loop_watch_new(rig.loop, got, LOOP_READ, on_readable, g);
    answer(g, "220 receiver\r\n");
}

static unsigned guests(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < GUESTS; i++)
        n += receiver.guest[i].fd >= 0;
    return n;
}

static uint16_t receiver_listen(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof sa;
    memset(&receiver, 0, sizeof receiver);
    for (unsigned i = 0; i < GUESTS; i++)
        receiver.guest[i].fd = -1;
    receiver.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(receiver.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(receiver.fd, GUESTS), 0);
    assert_int_equal(getsockname(receiver.fd, (struct sockaddr *)&sa, &size), 0);
    receiver.watch = loop_watch_new(rig.loop, receiver.fd, LOOP_READ, on_guest, NULL);
    return ntohs(sa.sin_port);
}

static void receiver_shut(void)
{
    for (unsigned i = 0; i < GUESTS; i++)
        if (receiver.guest[i].fd >= 0)
            guest_leaves(&receiver.guest[i]);
    loop_watch_free(&receiver.watch);
    close(receiver.fd);
}

#endif
