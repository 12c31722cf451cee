/*
 * bench/sink — an SMTP server that swallows mail as fast as it can and notes when each came
 *
 *   sink -l LOG [-a ADDRESS] -p PORT [-4]
 *     -4  begin by deferring: the end of data is answered 451; SIGUSR1 turns this on and off
 *     SIGUSR2 empties the log, so that a warm-up does not count; SIGTERM ends it
 *
 *   One thread, epoll. One 32-byte record per accepted message (tool.h): its number from the
 * X-Bench-Seq header, the monotonic time of the 250, length and CRC of its text. Large mail is
 * never stored.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nmmintrin.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/tools/tool.h"

enum { HEADER_MAX = 16384, LINE_MAX_ = 2048, OUT_MAX = 4096, LOG_BATCH = 4096 };

struct session {
    uint64_t seq, bytes;
    int fd;
    bool listener, in_data, header_done, quit;
    unsigned rcpts, matched; /* matched: how much of CRLF . CRLF has come */
    uint32_t crc;
    size_t header_len, line_len, out_len;
    char line[LINE_MAX_], out[OUT_MAX], header[HEADER_MAX];
};

static struct {
    int epoll, log_fd;
    bool deferring;
    struct taken_record batch[LOG_BATCH];
    unsigned batched;
} sink;

static volatile sig_atomic_t stop, toggle, empty;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        toggle = 1;
    else if (sig == SIGUSR2)
        empty = 1;
    else
        stop = 1;
}

static void log_flush(void)
{
    if (sink.batched && write(sink.log_fd, sink.batch, sink.batched * sizeof sink.batch[0]) < 0)
        perror("sink: log");
    sink.batched = 0;
}

static void log_message(const struct session *s)
{
    sink.batch[sink.batched++] = (struct taken_record){ s->seq, now_ns(), s->bytes, s->crc, 0 };
    if (sink.batched == LOG_BATCH)
        log_flush();
}

static void watch(struct session *s, int op, uint32_t events)
{
    struct epoll_event e = { events, { .ptr = s } };
    epoll_ctl(sink.epoll, op, s->fd, &e);
}

static void session_drop(struct session *s)
{
    close(s->fd);
    free(s);
}

static void say(struct session *s, const char *text)
{
    size_t n = strlen(text);
    if (s->out_len + n <= sizeof s->out) {
        memcpy(s->out + s->out_len, text, n);
        s->out_len += n;
    }
}

static void send_out(struct session *s)
{
    if (s->out_len && send(s->fd, s->out, s->out_len, MSG_NOSIGNAL) != (ssize_t)s->out_len)
        s->quit = true;
    s->out_len = 0;
    if (s->quit)
        session_drop(s);
}

static uint32_t crc32c(uint32_t crc, const char *p, size_t n)
{
    uint64_t x = crc, word;
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        x = _mm_crc32_u64(x, word);
    }
    for (; n; n--)
        x = _mm_crc32_u8((uint32_t)x, (unsigned char)*p++);
    return (uint32_t)x;
}

static void count_text(struct session *s, const char *p, size_t n)
{
    s->bytes += n;
    s->crc = crc32c(s->crc, p, n);
}

/* Gathers the header until its blank line; what is behind it is text. */
static void take_header(struct session *s, const char *p, size_t n)
{
    size_t room = sizeof s->header - 1 - s->header_len, take = n < room ? n : room;
    size_t from = s->header_len > 3 ? s->header_len - 3 : 0;
    memcpy(s->header + s->header_len, p, take);
    char *end = memmem(s->header + from, s->header_len + take - from, "\r\n\r\n", 4);
    if (!end && take == n) {
        s->header_len += take;
        return;
    }
    size_t used = end ? (size_t)(end + 4 - s->header) - s->header_len : take;
    s->header[s->header_len + used] = 0;
    s->header_done = true;
    const char *seq = strcasestr(s->header, "\nX-Bench-Seq:");
    if (seq)
        s->seq = strtoull(seq + 13, NULL, 10);
    count_text(s, p + used, n - used);
}

/* How much of p belongs to the text, up to and with the final dot. */
static size_t scan_text(struct session *s, const char *p, size_t n)
{
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < n && s->matched < 5) {
        if (s->matched == 0) {
            const char *cr = memchr(p + i, '\r', n - i);
            if (!cr)
                return n;
            i = (size_t)(cr - p) + 1;
            s->matched = 1;
        } else {
            s->matched = p[i] == end[s->matched] ? s->matched + 1 : p[i] == '\r' ? 1 : 0;
            i++;
        }
    }
    return i;
}

static size_t take_text(struct session *s, const char *p, size_t n)
{
    size_t used = scan_text(s, p, n);
    if (s->header_done)
        count_text(s, p, used);
    else
        take_header(s, p, used);
    if (s->matched < 5)
        return used;
    s->in_data = false;
    s->rcpts = 0;
    say(s, sink.deferring ? "451 4.3.0 try later\r\n" : "250 2.0.0 accepted\r\n");
    if (!sink.deferring)
        log_message(s);
    return used;
}

static void begin_text(struct session *s)
{
    say(s, "354 go on\r\n");
    s->in_data = true;
    s->header_done = false;
    s->header_len = 0;
    s->bytes = 0;
    s->crc = 0;
    s->seq = UINT64_MAX;
    s->matched = 2; /* the line end of DATA */
}

static void command(struct session *s)
{
    switch (s->line[0] & ~32) {
    case 'E':
        say(s, "250-sink\r\n250-PIPELINING\r\n");
        say(s, "250-SIZE 0\r\n250 8BITMIME\r\n");
        break;
    case 'M':
        s->rcpts = 0;
        say(s, "250 2.1.0 ok\r\n");
        break;
    case 'R':
        s->rcpts = (s->line[1] & ~32) == 'S' ? 0 : s->rcpts + 1;
        say(s, "250 2.1.5 ok\r\n");
        break;
    case 'D':
        if (s->rcpts)
            begin_text(s);
        else
            say(s, "503 5.5.1 no recipients\r\n");
        break;
    case 'Q':
        say(s, "221 2.0.0 bye\r\n");
        s->quit = true;
        break;
    default:
        say(s, "250 2.0.0 ok\r\n");
    }
}

static void take_commands(struct session *s, const char *p, size_t n)
{
    for (const char *end = p + n; p < end && !s->quit;) {
        if (s->in_data) {
            p += take_text(s, p, (size_t)(end - p));
            continue;
        }
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t k = (size_t)((nl ? nl + 1 : end) - p);
        if (s->line_len + k >= sizeof s->line) {
            s->quit = true;
            return;
        }
        memcpy(s->line + s->line_len, p, k);
        s->line_len += k;
        p += k;
        if (nl) {
            s->line[s->line_len] = 0;
            s->line_len = 0;
            command(s);
        }
    }
}

static void on_input(struct session *s)
{
    static char scratch[1 << 18];
    ssize_t n = recv(s->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        session_drop(s);
        return;
    }
    take_commands(s, scratch, (size_t)n);
    send_out(s);
}

static void on_accept(const struct session *listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct session *s = calloc(1, sizeof *s);
        if (!s)
            abort();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        s->fd = fd;
        watch(s, EPOLL_CTL_ADD, EPOLLIN);
        say(s, "220 sink ESMTP\r\n");
        send_out(s);
    }
}

static void open_port(const char *address, int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct session *s = calloc(1, sizeof *s);
    int one = 1;
    if (!s || inet_pton(AF_INET, address, &a.sin_addr) != 1)
        abort();
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    s->listener = true;
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->fd, (struct sockaddr *)&a, sizeof a) || listen(s->fd, 4096)) {
        perror("sink: bind");
        exit(1);
    }
    watch(s, EPOLL_CTL_ADD, EPOLLIN);
}

static void heed_signals(void)
{
    if (toggle)
        sink.deferring = !sink.deferring;
    if (empty) {
        log_flush();
        if (ftruncate(sink.log_fd, 0) || lseek(sink.log_fd, 0, SEEK_SET))
            perror("sink: log");
    }
    toggle = empty = 0;
}

static void serve(void)
{
    struct epoll_event events[256];
    while (!stop) {
        int n = epoll_wait(sink.epoll, events, 256, 200);
        heed_signals();
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (s->listener)
                on_accept(s);
            else
                on_input(s);
        }
        log_flush();
    }
}

int main(int argc, char **argv)
{
    struct options o = { .text = { ['a'] = "127.0.0.1", ['l'] = "/dev/null" } };
    options_read(&o, argc, argv, "a:p:l:4");
    sink.log_fd = open(o.text['l'], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    sink.deferring = o.number['4'] > 0;
    sink.epoll = epoll_create1(0);
    if (sink.log_fd < 0) {
        perror("sink: log");
        return 1;
    }
    for (int i = 0; i < 4; i++)
        signal((int[]){ SIGTERM, SIGINT, SIGUSR1, SIGUSR2 }[i], on_signal);
    open_port(o.text['a'], (int)o.number['p']);
    serve();
    return 0;
}
