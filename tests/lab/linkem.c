/*
 * tests/lab/linkem — a link emulator in user space: delay, jitter, loss, rate and queue by path
 *
 *   It holds one TUN device of each network namespace of a laboratory and is the only link between
 *   them. A path is a pair of addresses, one direction; packets wait in its queue until they are
 *   due. It is driven by lines on stdin, each answered by one line on stdout, and ends with stdin:
 *   a laboratory that dies takes it along.
 *
 *     node PATH DEVICE             a namespace (/run/netns/NAME) and its TUN device, there already
 *     address A NODE               A belongs to that node, counted from 0
 *     link A B [delay MS] [jitter MS] [loss PERCENT] [rate MBIT] [limit KB] [down]
 *                                  all of the path from A to B anew; `*` is any address
 *     counters A B                 answers: ok SENT BYTES LOST DROPPED
 *
 *   rate: bytes leave one after the other; limit: the queue before that (tail drop, 1 MB without).
 *   Jitter never reorders. Loss is drawn per packet from a fixed seed. An address that is not known
 *   is nowhere. Runs in real time where it may: a busy machine must not look like a slow link.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum {
    NODES_MAX = 16,
    ADDRESSES_MAX = 48,
    PACKET_MAX = 2048,
    WORDS_MAX = 16,
    BURST = 64, /* packets of one node before the next has its turn */
    PRIORITY = 10,
    SECOND = 1000000000
};
static const uint64_t limit_default = 1 << 20;

struct packet {
    struct packet *next;
    uint64_t due;
    size_t n;
    unsigned char bytes[PACKET_MAX];
};

/* One direction between two addresses. Times in ns. */
struct path {
    double loss; /* 0..1 */
    uint64_t delay, jitter, limit;
    double bytes_per_ns;      /* 0: no limit */
    uint64_t free_at, newest; /* when the line is free again; when the last packet is due */
    struct packet *first, **last;
    uint64_t sent, bytes, lost, dropped;
};

static int nodes[NODES_MAX];
static unsigned node_count;
static struct {
    uint32_t ip; /* network order */
    unsigned node;
} addresses[ADDRESSES_MAX];
static unsigned address_count;
static struct path paths[ADDRESSES_MAX][ADDRESSES_MAX];
static struct packet *pool;
static int poll_fd;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* 0 <= x < 1, xorshift64. */
static double draw(void)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * (1.0 / 9007199254740992.0);
}

/* ---- packets ---- */

static struct packet *packet_get(void)
{
    struct packet *p = pool;
    if (p)
        pool = p->next;
    else
        p = malloc(sizeof *p);
    if (!p)
        abort();
    return p;
}

static void packet_put(struct packet *p)
{
    p->next = pool;
    pool = p;
}

static bool find_address(uint32_t ip, unsigned *index_r)
{
    for (unsigned i = 0; i < address_count; i++)
        if (addresses[i].ip == ip) {
            *index_r = i;
            return true;
        }
    return false;
}

static struct path *path_of(const struct packet *p)
{
    uint32_t from, to;
    unsigned a, b;
    if (p->n < 20 || p->bytes[0] >> 4 != 4)
        return NULL;
    memcpy(&from, p->bytes + 12, 4);
    memcpy(&to, p->bytes + 16, 4);
    return find_address(from, &a) && find_address(to, &b) ? &paths[a][b] : NULL;
}

/* False: the queue before the line is full. */
static bool take_line(struct path *path, size_t n, uint64_t *at)
{
    if (path->bytes_per_ns <= 0)
        return true;
    if (path->free_at < *at)
        path->free_at = *at;
    if ((double)(path->free_at - *at) * path->bytes_per_ns > (double)path->limit)
        return false;
    path->free_at += (uint64_t)((double)n / path->bytes_per_ns);
    *at = path->free_at;
    return true;
}

static void enqueue(struct packet *p)
{
    struct path *path = path_of(p);
    uint64_t at = now();
    if (!path) {
        packet_put(p);
        return;
    }
    if (path->loss > 0 && draw() < path->loss) {
        path->lost++;
        packet_put(p);
        return;
    }
    if (!take_line(path, p->n, &at)) {
        path->dropped++;
        packet_put(p);
        return;
    }
    at += path->delay + (uint64_t)(draw() * (double)path->jitter);
    if (at < path->newest)
        at = path->newest;
    p->due = path->newest = at;
    p->next = NULL;
    *path->last = p;
    path->last = &p->next;
}

static void read_node(unsigned node)
{
    for (int i = 0; i < BURST; i++) {
        struct packet *p = packet_get();
        ssize_t n = read(nodes[node], p->bytes, sizeof p->bytes);
        if (n <= 0) {
            packet_put(p);
            return;
        }
        p->n = (size_t)n;
        enqueue(p);
    }
}

static void deliver(struct path *path, int fd, uint64_t at)
{
    for (struct packet *p; (p = path->first) && p->due <= at;) {
        path->first = p->next;
        if (!path->first)
            path->last = &path->first;
        if (write(fd, p->bytes, p->n) < 0) {
            path->dropped++;
        } else {
            path->sent++;
            path->bytes += p->n;
        }
        packet_put(p);
    }
}

/* Sends what is due; when the next is, 0: nothing waits. */
static uint64_t deliver_all(void)
{
    uint64_t next = 0, at = now();
    for (unsigned a = 0; a < address_count; a++)
        for (unsigned b = 0; b < address_count; b++) {
            struct path *path = &paths[a][b];
            deliver(path, nodes[addresses[b].node], at);
            if (path->first && (!next || path->first->due < next))
                next = path->first->due;
        }
    return next;
}

/* ---- orders ---- */

static const char *order_node(char **word, int n)
{
    if (n != 3 || node_count == NODES_MAX)
        return "node PATH DEVICE";
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(word[1], O_RDONLY | O_CLOEXEC);
    if (own < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
        return "no such namespace";
    struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", word[2]);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    bool attached = fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0;
    if (setns(own, CLONE_NEWNET) != 0)
        abort();
    close(own);
    close(there);
    if (!attached)
        return "no such device";
    struct epoll_event e = { .events = EPOLLIN, .data.u32 = node_count };
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
    nodes[node_count++] = fd;
    return NULL;
}

static const char *order_address(char **word, int n)
{
    struct in_addr ip;
    if (n != 3 || address_count == ADDRESSES_MAX || inet_aton(word[1], &ip) == 0)
        return "address A NODE";
    unsigned long node = strtoul(word[2], NULL, 10);
    if (node >= node_count)
        return "no such node";
    addresses[address_count].ip = ip.s_addr;
    addresses[address_count].node = (unsigned)node;
    address_count++;
    return NULL;
}

static bool matches(const char *word, unsigned address)
{
    struct in_addr ip;
    if (strcmp(word, "*") == 0)
        return true;
    return inet_aton(word, &ip) != 0 && addresses[address].ip == ip.s_addr;
}

static const char *set_path(struct path *path, char **word, int n)
{
    path->loss = path->bytes_per_ns = 0;
    path->delay = path->jitter = 0;
    path->limit = limit_default;
    for (int i = 3; i < n; i++) {
        if (strcmp(word[i], "down") == 0) {
            path->loss = 1;
            continue;
        }
        double value = i + 1 < n ? strtod(word[i + 1], NULL) : -1;
        if (value < 0)
            return "a figure is missing";
        if (strcmp(word[i], "delay") == 0)
            path->delay = (uint64_t)(value * 1e6);
        else if (strcmp(word[i], "jitter") == 0)
            path->jitter = (uint64_t)(value * 1e6);
        else if (strcmp(word[i], "loss") == 0)
            path->loss = value / 100;
        else if (strcmp(word[i], "rate") == 0)
            path->bytes_per_ns = value / 8000;
        else if (strcmp(word[i], "limit") == 0)
            path->limit = (uint64_t)(value * 1000);
        else
            return "delay jitter loss rate limit down";
        i++;
    }
    return NULL;
}

static const char *order_link(char **word, int n)
{
    const char *wrong = n < 3 ? "link A B ..." : NULL;
    bool any = false;
    for (unsigned a = 0; !wrong && a < address_count; a++)
        for (unsigned b = 0; !wrong && b < address_count; b++)
            if (matches(word[1], a) && matches(word[2], b)) {
                wrong = set_path(&paths[a][b], word, n);
                any = true;
            }
    return wrong || any ? wrong : "no such address";
}

static const char *order_counters(char **word, int n)
{
    unsigned a, b;
    struct in_addr from, to;
    if (n != 3 || !inet_aton(word[1], &from) || !inet_aton(word[2], &to) ||
        !find_address(from.s_addr, &a) || !find_address(to.s_addr, &b))
        return "counters A B";
    const struct path *p = &paths[a][b];
    printf("ok %ju %ju %ju %ju\n", (uintmax_t)p->sent, (uintmax_t)p->bytes, (uintmax_t)p->lost,
           (uintmax_t)p->dropped);
    return "";
}

static void obey(char *line)
{
    static const struct {
        const char *name;
        const char *(*fn)(char **word, int n); /* NULL: done; "": answered; else what is wrong */
    } orders[] = { { "node", order_node },
                   { "address", order_address },
                   { "link", order_link },
                   { "counters", order_counters } };
    char *word[WORDS_MAX], *rest = line;
    const char *wrong = "what?";
    int n = 0;
    while (n < WORDS_MAX && (word[n] = strsep(&rest, " \n")))
        n += word[n][0] != '\0';
    for (size_t i = 0; n && i < sizeof orders / sizeof orders[0]; i++)
        if (strcmp(word[0], orders[i].name) == 0)
            wrong = orders[i].fn(word, n);
    if (!wrong)
        puts("ok");
    else if (wrong[0])
        printf("error: %s\n", wrong);
    fflush(stdout);
}

/* False: stdin has ended. Whole lines only, as whoever drives us writes them. */
static bool read_orders(void)
{
    static char text[4096];
    static size_t used;
    ssize_t n = read(STDIN_FILENO, text + used, sizeof text - 1 - used);
    if (n <= 0)
        return false;
    used += (size_t)n;
    for (char *end; (end = memchr(text, '\n', used));) {
        size_t length = (size_t)(end - text) + 1;
        *end = '\0';
        obey(text);
        used -= length;
        memmove(text, text + length, used);
    }
    return used < sizeof text - 1;
}

static int wait_until(uint64_t due, struct epoll_event *events)
{
    uint64_t at = now(), left = due > at ? due - at : 0;
    struct timespec t = { .tv_sec = (time_t)(left / SECOND), .tv_nsec = (long)(left % SECOND) };
    return epoll_pwait2(poll_fd, events, NODES_MAX, due ? &t : NULL, NULL);
}

int main(void)
{
    struct sched_param priority = { .sched_priority = PRIORITY };
    struct epoll_event stdin_event = { .events = EPOLLIN, .data.u32 = NODES_MAX };
    struct epoll_event events[NODES_MAX];
    bool open = true;
    sched_setscheduler(0, SCHED_FIFO, &priority); /* where it is not allowed: as good as it gets */
    prctl(PR_SET_TIMERSLACK, 1000);
    for (unsigned a = 0; a < ADDRESSES_MAX; a++)
        for (unsigned b = 0; b < ADDRESSES_MAX; b++) {
            paths[a][b].last = &paths[a][b].first;
            paths[a][b].limit = limit_default;
        }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_event);
    for (uint64_t due = 0; open; due = deliver_all()) {
        int n = wait_until(due, events);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u32 == NODES_MAX)
                open = read_orders();
            else
                read_node(events[i].data.u32);
        }
    }
    return 0;
}
