/*
 * bench/sink — an SMTP server that swallows mail as fast as it can and notes when each came
 *
 *   sink -l LOG [-a ADDRESS] -p PORT [-4] [-d MS] [-e] [-m SESSIONS] [-R LOG]
 *     -4  begin by deferring: the end of data is answered 451; SIGUSR1 turns this on and off
 *     -d  a transaction takes that long: the reply to the end of data is kept back, and what is
 *         behind it is not looked at before; SIGHUP turns this off
 *     -e  every reply to a command is kept back so, too: a tarpit
 *     -m  beyond so many sessions the greeting is 421; -R: one record for each of these
 *     SIGUSR2 empties the log, so that a warm-up does not count; SIGTERM ends it
 *
 *   One thread, epoll. One 32-byte record per accepted message (tool.h): its number from the
 * X-Bench-Seq header, the monotonic time of the 250, length and CRC of its text. Large mail is
 * never stored.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/tools/text.h"
#include "tests/bench/tools/tool.h"

enum {
    HEADER_MAX = 16384,
    LINE_MAX_ = 2048,
    OUT_MAX = 4096,
    LOG_BATCH = 4096,
    IDLE_NS = 200000000
};

struct session {
    uint64_t seq, bytes, due_ns; /* due_ns: its reply is kept back until then; 0: none is */
    int fd;
    bool listener, in_data, header_done, quit, taken; /* taken: that reply is the message's */
    struct session *next;                             /* whose reply is kept back, too */
    char *rest;                                       /* what came behind what is answered */
    size_t rest_n;
    unsigned rcpts, matched; /* matched: how much of CRLF . CRLF has come */
    uint32_t crc;
    size_t header_len, line_len, out_len;
    char line[LINE_MAX_], out[OUT_MAX], header[HEADER_MAX];
};

static struct {
    int epoll, log_fd, refused_fd;
    bool deferring, delays_all;
    uint64_t delay_ns;
    long sessions, sessions_max;      /* sessions_max: 0 is any number */
    struct session *kept, **kept_end; /* by due_ns, as all wait equally long */
    struct taken_record batch[LOG_BATCH];
    unsigned batched;
} sink;

static volatile sig_atomic_t stop, toggle, empty, hurry;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        toggle = 1;
    else if (sig == SIGUSR2)
        empty = 1;
    else if (sig == SIGHUP)
        hurry = 1;
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

static void log_refused(void)
{
    struct taken_record r = { .seq = (uint64_t)sink.sessions, .time_ns = now_ns() };
    if (write(sink.refused_fd, &r, sizeof r) != sizeof r)
        perror("sink: log of refusals");
}

static void watch(struct session *s, int op, uint32_t events)
{
    struct epoll_event e = { events, { .ptr = s } };
    epoll_ctl(sink.epoll, op, s->fd, &e);
}

static void session_drop(struct session *s)
{
    close(s->fd);
    free(s->rest);
    free(s);
    sink.sessions--;
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
    if (s->taken)
        log_message(s);
    if (s->out_len && send(s->fd, s->out, s->out_len, MSG_NOSIGNAL) != (ssize_t)s->out_len)
        s->quit = true;
    s->taken = false;
    s->out_len = 0;
}

/* All that came is dealt with. */
static void finish(struct session *s)
{
    if (s->due_ns)
        return;
    send_out(s);
    if (s->quit)
        session_drop(s);
}

/* Nothing more is read of it until release(). False: it may answer at once. */
static bool keep_back(struct session *s)
{
    if (!sink.delay_ns)
        return false;
    s->due_ns = now_ns() + sink.delay_ns;
    s->next = NULL;
    *sink.kept_end = s;
    sink.kept_end = &s->next;
    watch(s, EPOLL_CTL_DEL, 0);
    return true;
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

static size_t take_text(struct session *s, const char *p, size_t n)
{
    size_t used = scan_text(&s->matched, p, n);
    if (s->header_done)
        count_text(s, p, used);
    else
        take_header(s, p, used);
    if (s->matched < 5)
        return used;
    s->in_data = false;
    s->rcpts = 0;
    say(s, sink.deferring ? "451 4.3.0 try later\r\n" : "250 2.0.0 accepted\r\n");
    s->taken = !sink.deferring;
    if (!keep_back(s) && s->taken)
        log_message(s);
    s->taken = s->taken && s->due_ns;
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
    if (sink.delays_all)
        keep_back(s);
}

static void take_commands(struct session *s, const char *p, size_t n)
{
    const char *end = p + n;
    while (p < end && !s->quit && !s->due_ns) {
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
    if (p < end && !s->quit) {
        s->rest_n = (size_t)(end - p);
        s->rest = malloc(s->rest_n);
        if (!s->rest)
            abort();
        memcpy(s->rest, p, s->rest_n);
    }
}

/* Its reply is due: that, and then what came behind. */
static void release(struct session *s)
{
    char *rest = s->rest;
    s->due_ns = 0;
    s->rest = NULL;
    send_out(s);
    watch(s, EPOLL_CTL_ADD, EPOLLIN);
    if (rest)
        take_commands(s, rest, s->rest_n);
    free(rest);
    finish(s);
}

static void release_due(void)
{
    uint64_t now = now_ns();
    while (sink.kept && sink.kept->due_ns <= now) {
        struct session *s = sink.kept;
        sink.kept = s->next;
        if (!sink.kept)
            sink.kept_end = &sink.kept;
        release(s);
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
    finish(s);
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
        s->quit = sink.sessions_max && sink.sessions >= sink.sessions_max;
        say(s, s->quit ? "421 4.7.0 too many connections\r\n" : "220 sink ESMTP\r\n");
        if (s->quit)
            log_refused();
        sink.sessions++;
        finish(s);
    }
}

static void open_port(const char *address, int port)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->fd = listen_on(address, port);
    s->listener = true;
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
    if (hurry)
        sink.delay_ns = 0;
    for (struct session *s = hurry ? sink.kept : NULL; s; s = s->next)
        s->due_ns = 1;
    toggle = empty = hurry = 0;
}

static void serve(void)
{
    struct epoll_event events[256];
    while (!stop) {
        uint64_t now = now_ns(), due = sink.kept ? sink.kept->due_ns : now + IDLE_NS;
        uint64_t ns = due > now ? due - now : 0;
        struct timespec wait = { 0, (long)(ns < IDLE_NS ? ns : IDLE_NS) };
        int n = epoll_pwait2(sink.epoll, events, 256, &wait, NULL);
        heed_signals();
        release_due();
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
    static const char none[] = "/dev/null";
    struct options o = { .text = { ['a'] = "127.0.0.1", ['l'] = none, ['R'] = none } };
    options_read(&o, argc, argv, "a:p:l:4d:em:R:");
    sink.delay_ns = (uint64_t)(o.number['d'] * 1e6);
    sink.delays_all = o.number['e'] > 0;
    sink.sessions_max = (long)o.number['m'];
    sink.kept_end = &sink.kept;
    sink.refused_fd = open(o.text['R'], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    sink.log_fd = open(o.text['l'], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    sink.deferring = o.number['4'] > 0;
    sink.epoll = epoll_create1(0);
    if (sink.log_fd < 0 || sink.refused_fd < 0) {
        perror("sink: log");
        return 1;
    }
    for (int i = 0; i < 5; i++)
        signal((int[]){ SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 }[i], on_signal);
    open_port(o.text['a'], (int)o.number['p']);
    serve();
    return 0;
}
