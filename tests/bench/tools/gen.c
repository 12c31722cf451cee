/*
 * bench/gen — an SMTP load generator
 *
 *   gen -p PORT [-a ADDRESS] [-n MESSAGES] [-c SESSIONS] [-s BYTES] [-l LOG] [-b FIRST]
 *       [-f SENDER] [-t RECIPIENT] [-i ADDRESS] connect from this address
 *       [-k] keep sessions open for more messages    [-P] pipeline MAIL, RCPT, DATA
 *       [-r RATE] open loop: messages are due at RATE a second, and their time counts from then
 *       [-T SECONDS] give up after that time
 *
 *   Every message has a number (from FIRST on) in its X-Bench-Seq header; LOG gets a 32-byte record
 * for each that was begun (tool.h). What is refused, or whose connection dies before its
 * text was sent, is tried again after 20 ms; a message whose connection died later is never sent
 * again: its fate is unknown, and ack_ns stays 0. SIGTERM: stop now and write the log. Prints one
 * line of key=value; exit 0 when every message was acknowledged.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/tools/letter.h"
#include "tests/bench/tools/tool.h"

enum { EVENTS = 256 };
enum { TEXT_SENT = 1 };
enum step { CLOSED, GREETING, EHLO, READY, MAIL, RCPT, DATA, TEXT, ACK, QUIT };

struct session {
    enum step step;
    int fd, waiting; /* replies of a pipelined envelope that are still to come */
    bool pipelining, want_write;
    long message; /* index of its record, -1: none */
    uint64_t wake_ns, left, sent;
    size_t line_len;
    char line[1024], header[LETTER_HEADER + 8];
};

static struct {
    const char *address, *from, *log;
    int port, sessions;
    bool keep, pipeline;
    long messages, first;
    double rate, limit;
    uint64_t text_len;
} opt;

static struct {
    int epoll, open;
    long next, done, acked, retries, unknown, again_len, *again;
    uint64_t start_ns;
    struct sent_record *records;
    struct sockaddr_in target;
    struct letter letter;
} gen;

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
    (void)sig;
    stop = 1;
}

static void watch(struct session *s, int op, uint32_t events)
{
    struct epoll_event e = { events, { .ptr = s } };
    epoll_ctl(gen.epoll, op, s->fd, &e);
}

/* Gives the session the next message that is due; false when there is none now. */
static bool take(struct session *s)
{
    if (stop)
        return false;
    if (gen.again_len) {
        s->message = gen.again[--gen.again_len];
        return true;
    }
    uint64_t t = now_ns(), due = t;
    if (gen.next >= opt.messages)
        return false;
    if (opt.rate > 0)
        due = gen.start_ns + (uint64_t)((double)gen.next * 1e9 / opt.rate);
    if (due > t)
        return false;
    s->message = gen.next++;
    gen.records[s->message] = (struct sent_record){
        .seq = (uint64_t)(opt.first + s->message),
        .start_ns = due,
    };
    return true;
}

/* Ends the connection; its message is tried again, or its fate is unknown. */
static void shut(struct session *s, bool failed)
{
    if (s->fd >= 0) {
        close(s->fd);
        gen.open--;
    }
    s->fd = -1;
    s->step = CLOSED;
    if (failed)
        s->wake_ns = now_ns() + 20000000;
    if (s->message < 0)
        return;
    if (gen.records[s->message].flags & TEXT_SENT) {
        gen.unknown++;
        gen.done++;
    } else {
        gen.again[gen.again_len++] = s->message;
        gen.retries++;
    }
    s->message = -1;
}

static bool put(struct session *s, const char *text, int n)
{
    if (send(s->fd, text, (size_t)n, MSG_NOSIGNAL) == n)
        return true;
    shut(s, true);
    return false;
}

static bool put_envelope(struct session *s)
{
    struct sent_record *r = &gen.records[s->message];
    if (opt.rate <= 0 && !r->code)
        r->start_ns = now_ns();
    s->step = MAIL;
    s->waiting = s->pipelining ? 3 : 1;
    const struct letter *l = &gen.letter;
    return s->pipelining ? put(s, l->all, l->all_n) : put(s, l->mail, l->mail_n);
}

static bool put_text(struct session *s)
{
    while (s->left) {
        struct iovec v[LETTER_PIECES];
        ssize_t w = writev(s->fd, v, letter_pieces(s->header, opt.text_len, s->sent, v));
        if (w < 0 && errno == EAGAIN) {
            if (!s->want_write)
                watch(s, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            s->want_write = true;
            return true;
        }
        if (w <= 0) {
            shut(s, true);
            return false;
        }
        s->sent += (uint64_t)w;
        s->left -= (uint64_t)w;
    }
    gen.records[s->message].flags |= TEXT_SENT;
    if (s->want_write)
        watch(s, EPOLL_CTL_MOD, EPOLLIN);
    s->want_write = false;
    s->step = ACK;
    return true;
}

static bool on_envelope_reply(struct session *s, long code)
{
    if (code >= 400) {
        gen.records[s->message].code = (uint32_t)code;
        shut(s, true);
        return false;
    }
    if (--s->waiting > 0)
        return true;
    if (s->step == MAIL && !s->pipelining) {
        s->step = RCPT;
        return put(s, gen.letter.rcpt, gen.letter.rcpt_n);
    }
    if (s->step == RCPT) {
        s->step = DATA;
        return put(s, "DATA\r\n", 6);
    }
    letter_header(s->header, opt.first + s->message, gen.start_ns);
    s->step = TEXT;
    s->sent = 0;
    s->left = LETTER_HEADER + opt.text_len + 3;
    return put_text(s);
}

static bool on_ack(struct session *s, long code)
{
    struct sent_record *r = &gen.records[s->message];
    r->code = (uint32_t)code;
    if (code != 250) {
        r->flags &= ~(uint32_t)TEXT_SENT;
        shut(s, true);
        return false;
    }
    r->ack_ns = now_ns();
    gen.acked++;
    gen.done++;
    s->message = -1;
    if (opt.keep && take(s))
        return put_envelope(s);
    s->step = opt.keep && opt.rate > 0 && gen.done < opt.messages ? READY : QUIT;
    return s->step == READY || put(s, "QUIT\r\n", 6);
}

/* One whole reply has come; false when the connection is gone. */
static bool on_reply(struct session *s, long code)
{
    if (s->step == ACK)
        return on_ack(s, code);
    if (s->step == MAIL || s->step == RCPT || s->step == DATA)
        return on_envelope_reply(s, code);
    if (s->step == GREETING && code == 220) {
        s->step = EHLO;
        return put(s, "EHLO client.test\r\n", 18);
    }
    if (s->step == EHLO && code == 250)
        return put_envelope(s);
    shut(s, s->step != QUIT);
    return false;
}

static void on_input(struct session *s)
{
    char text[8192];
    ssize_t n = recv(s->fd, text, sizeof text, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        shut(s, s->step != QUIT && s->step != READY);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (s->line_len < sizeof s->line - 1)
            s->line[s->line_len++] = text[i];
        if (text[i] != '\n')
            continue;
        s->line[s->line_len] = 0;
        bool last = s->line_len > 3 && s->line[3] != '-';
        if (s->step == EHLO && s->line_len > 13 && !strncasecmp(s->line + 4, "PIPELINING", 10))
            s->pipelining = opt.pipeline;
        s->line_len = 0;
        if (last && !on_reply(s, strtol(s->line, NULL, 10)))
            return;
    }
}

static void begin(struct session *s)
{
    int one = 1;
    if (s->message < 0 && !take(s))
        return;
    if (s->step == READY) {
        put_envelope(s);
        return;
    }
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    s->step = GREETING;
    s->line_len = 0;
    s->pipelining = s->want_write = false;
    gen.open++;
    struct sockaddr_in from = { .sin_family = AF_INET };
    if (opt.from && (inet_pton(AF_INET, opt.from, &from.sin_addr) != 1 ||
                     bind(s->fd, (struct sockaddr *)&from, sizeof from)))
        perror("gen: bind");
    if (connect(s->fd, (struct sockaddr *)&gen.target, sizeof gen.target) && errno != EINPROGRESS)
        shut(s, true);
    else
        watch(s, EPOLL_CTL_ADD, EPOLLIN);
}

static void run(struct session *all)
{
    struct epoll_event events[EVENTS];
    uint64_t t = now_ns(), end = t + (uint64_t)(opt.limit * 1e9);
    for (; !stop && gen.done < opt.messages && t < end; t = now_ns()) {
        for (int i = 0; i < opt.sessions; i++)
            if ((all[i].step == CLOSED && all[i].wake_ns <= t) || all[i].step == READY)
                begin(&all[i]);
        int wait_ms = opt.rate > 0 ? 1 : gen.open < opt.sessions ? 5 : 200;
        int n = epoll_wait(gen.epoll, events, EVENTS, wait_ms);
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (s->fd < 0)
                continue;
            if (s->step == TEXT && events[i].events & EPOLLOUT && !put_text(s))
                continue;
            if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
                on_input(s);
        }
    }
}

static bool write_log(void)
{
    FILE *f = fopen(opt.log, "wb");
    size_t n = f ? fwrite(gen.records, sizeof *gen.records, (size_t)gen.next, f) : 0;
    return f && fclose(f) == 0 && n == (size_t)gen.next;
}

static void prepare(const struct options *o)
{
    letter_prepare(&gen.letter, o->text['f'] ? o->text['f'] : "bench@client.test",
                   o->text['t'] ? o->text['t'] : "u@fast.test");
    gen.target =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port) };
    inet_pton(AF_INET, opt.address, &gen.target.sin_addr);
    gen.records = calloc((size_t)opt.messages, sizeof *gen.records);
    gen.again = calloc((size_t)opt.messages, sizeof *gen.again);
    gen.epoll = epoll_create1(0);
}

static void options(int argc, char **argv)
{
    struct options o = { .number = {
                             ['n'] = 1000,
                             ['c'] = 20,
                             ['s'] = 4096,
                             ['T'] = 3600,
                         } };
    options_read(&o, argc, argv, "a:p:n:c:s:l:b:kPr:T:f:t:i:");
    opt.address = o.text['a'] ? o.text['a'] : "127.0.0.1";
    opt.from = o.text['i'];
    opt.log = o.text['l'];
    opt.port = (int)o.number['p'];
    opt.messages = (long)o.number['n'];
    opt.first = (long)o.number['b'];
    opt.sessions = (int)o.number['c'];
    opt.keep = o.number['k'] > 0;
    opt.pipeline = o.number['P'] > 0;
    opt.rate = o.number['r'];
    opt.limit = o.number['T'];
    opt.text_len = letter_text_len((long)o.number['s']);
    prepare(&o);
}

int main(int argc, char **argv)
{
    options(argc, argv);
    struct session *all = calloc((size_t)opt.sessions, sizeof *all);
    if (!all || !gen.records || !gen.again)
        abort();
    for (int i = 0; i < opt.sessions; i++) {
        all[i].fd = -1;
        all[i].message = -1;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    gen.start_ns = now_ns();
    run(all);
    double secs = (double)(now_ns() - gen.start_ns) / 1e9;
    if (opt.log && !write_log())
        perror("gen: log");
    printf("acked=%ld of=%ld secs=%.3f rate=%.1f retries=%ld unknown=%ld\n", gen.acked,
           opt.messages, secs, (double)gen.acked / secs, gen.retries, gen.unknown);
    return gen.acked == opt.messages ? 0 : 1;
}
