/*
 * unit/test_io_dial — proves io/dial and io/listen on loopback
 *
 *   io/dial and io/listen on loopback: staggering, failing over, source addresses, cancelling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/io/dial.h"
#include "gateway/io/listen.h"
#include "gateway/io/net.h"

enum { PATIENCE_MS = 20000 };

static struct loop *loop;
static struct listener *listener;
static struct addr target;
static int accepted;
static struct addr last_peer, last_local;

static int dials;
static struct dial_result result;
static struct dial_attempt attempts[DIAL_ADDRS_MAX];

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static void on_accept(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    (void)arg;
    accepted++;
    last_peer = *peer;
    last_local = *local;
    close(fd);
}

static int setup(void **state)
{
    int fd;
    struct addr any = addr_of("127.0.0.1");
    (void)state;
    accepted = dials = 0;
    loop = loop_new();
    assert_int_equal(listen_open(&any, 64, &fd, NULL), RC_OK);
    net_local_of(fd, &target);
    listener = listener_new(loop, fd, on_accept, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    listener_free(&listener);
    loop_free(&loop);
    return 0;
}

static void on_done(void *arg, const struct dial_result *r)
{
    (void)arg;
    dials++;
    result = *r;
    memcpy(attempts, r->attempts, r->attempt_count * sizeof *attempts);
    stream_close(&result.stream);
}

static struct dial *start(const struct addr *addrs, size_t n, const struct dial_source *source,
                          int64_t stagger_ms)
{
    struct dial_plan plan = { .addrs = addrs,
                              .addr_count = n,
                              .source = source,
                              .stagger_ms = stagger_ms,
                              .attempt_ms = 300,
                              .total_ms = 1000,
                              .limits = { 4096, 4096, 0 } };
    dials = 0;
    struct dial *d = dial_start(loop, &plan, on_done, NULL);
    assert_int_equal(dials, 0);
    return d;
}

static void turn_until(const int *count, int want)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (*count < want && clock_mono_ms() < end_ms)
        loop_turn(loop, 10);
    assert_int_equal(*count, want);
}

/* An address that takes no connection and says nothing: a listener whose backlog is full. */
static struct addr black_hole(int fds[3])
{
    struct addr any = addr_of("127.0.0.1"), addr;
    struct sockaddr_storage ss;
    assert_int_equal(listen_open(&any, 0, &fds[0], NULL), RC_OK);
    net_local_of(fds[0], &addr);
    socklen_t n = net_to_sockaddr(&addr, &ss);
    for (int i = 1; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fds[i], (struct sockaddr *)&ss, n);
    }
    usleep(10000);
    return addr;
}

static struct addr closed_port(void)
{
    int fd;
    struct addr any = addr_of("127.0.0.1"), addr;
    assert_int_equal(listen_open(&any, 1, &fd, NULL), RC_OK);
    net_local_of(fd, &addr);
    close(fd);
    return addr;
}

static void connects_from_the_source(void **state)
{
    (void)state;
    struct dial_source source = { .v4 = addr_of("127.0.0.77") };
    start(&target, 1, &source, 250);
    turn_until(&dials, 1);
    turn_until(&accepted, 1);
    assert_int_equal(result.rc, RC_OK);
    assert_int_equal(attempts[0].fault, DIAL_CONNECTED);
    assert_true(addr_same_host(&last_peer, &source.v4));
    assert_true(addr_eq(&last_local, &target));
}

static void faults_are_told_apart(void **state)
{
    (void)state;
    struct addr closed = closed_port(), far = addr_of("203.0.113.1:25");
    struct dial_source unplumbed = { .v4 = addr_of("192.0.2.123") };
    struct dial_source only_v6 = { .v6 = addr_of("::1") };
    struct dial_source no_device = { .interface = "nosuchdev0" };
    start(&closed, 1, NULL, 250);
    turn_until(&dials, 1);
    assert_int_equal(result.rc, RC_IO);
    assert_int_equal(attempts[0].fault, DIAL_REFUSED);
    assert_false(result.egress_fault);
    assert_non_null(strstr(result.text, "refused"));
    start(&target, 1, &unplumbed, 250);
    turn_until(&dials, 1);
    assert_int_equal(attempts[0].fault, DIAL_UNPLUMBED);
    assert_true(result.egress_fault);
    start(&target, 1, &no_device, 250);
    turn_until(&dials, 1);
    assert_int_equal(attempts[0].fault, DIAL_UNPLUMBED);
    start(&far, 1, &only_v6, 250);
    turn_until(&dials, 1);
    assert_int_equal(attempts[0].fault, DIAL_SKIPPED);
    assert_false(result.egress_fault);
    start(NULL, 0, NULL, 250);
    turn_until(&dials, 1);
    assert_int_equal(result.rc, RC_IO);
    assert_int_equal(result.attempt_count, 0);
}

static void a_silent_address_is_overtaken(void **state)
{
    (void)state;
    int fds[3];
    struct addr addrs[2] = { black_hole(fds), target };
    start(addrs, 2, NULL, 50);
    turn_until(&dials, 1);
    assert_int_equal(result.rc, RC_OK);
    assert_int_equal(result.won, 1);
    assert_int_equal(attempts[0].fault, DIAL_LOST);
    assert_in_range(attempts[0].spent_ms, 45, 10000); /* not before the stagger */
    start(addrs, 1, NULL, 50);
    turn_until(&dials, 1);
    assert_int_equal(result.rc, RC_IO);
    assert_int_equal(attempts[0].fault, DIAL_TIMED_OUT);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void the_whole_has_a_limit(void **state)
{
    (void)state;
    int fds[3];
    struct addr hole = black_hole(fds), addrs[10];
    for (int i = 0; i < 10; i++)
        addrs[i] = hole;
    int64_t began = clock_mono_ms();
    start(addrs, 10, NULL, 100000);
    turn_until(&dials, 1);
    assert_int_equal(result.rc, RC_TIMEOUT);
    assert_in_range(clock_mono_ms() - began, 990, 10000);
    assert_int_equal(attempts[9].fault, DIAL_UNTRIED);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void refusal_moves_on_at_once(void **state)
{
    (void)state;
    struct addr addrs[3] = { closed_port(), closed_port(), target };
    start(addrs, 3, NULL, 100000);
    turn_until(&dials, 1); /* long before the stagger */
    assert_int_equal(result.rc, RC_OK);
    assert_int_equal(result.won, 2);
}

static void families_take_turns(void **state)
{
    (void)state;
    static const char *const in[] = { "[::1]:1", "[::1]:2", "[::1]:3", "127.0.0.1:1",
                                      "127.0.0.1:2" };
    static const char *const want[] = { "[::1]:1", "127.0.0.1:1", "[::1]:2", "127.0.0.1:2",
                                        "[::1]:3" };
    struct addr addrs[5];
    char text[ADDR_TEXT_MAX];
    for (int i = 0; i < 5; i++)
        addrs[i] = addr_of(in[i]);
    start(addrs, 5, NULL, 10);
    turn_until(&dials, 1);
    assert_int_equal(result.attempt_count, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(addr_text(&attempts[i].addr, text), want[i]);
}

static void cancelled_is_silent(void **state)
{
    (void)state;
    struct dial *d = start(&target, 1, NULL, 250);
    dial_cancel(&d);
    int fds[3];
    struct addr hole = black_hole(fds);
    d = start(&hole, 1, NULL, 250);
    loop_turn(loop, 0); /* under way */
    dial_cancel(&d);
    assert_null(d);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, 5);
    assert_int_equal(dials, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static int connect_to_target(void)
{
    struct sockaddr_storage ss;
    socklen_t n = net_to_sockaddr(&target, &ss);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&ss, n), 0);
    return fd;
}

static void accepting_is_bounded_per_turn(void **state)
{
    (void)state;
    int fds[50];
    for (int i = 0; i < 50; i++)
        fds[i] = connect_to_target();
    loop_turn(loop, 100);
    assert_int_equal(accepted, 32);
    turn_until(&accepted, 50);
    for (int i = 0; i < 50; i++)
        close(fds[i]);
}

static void on_accept_free(void *arg, int fd, const struct addr *peer, const struct addr *local)
{
    struct listener **l = arg;
    (void)peer;
    (void)local;
    accepted++;
    close(fd);
    listener_free(l);
}

static void freed_while_accepting(void **state)
{
    (void)state;
    int fd, a, b;
    struct addr any = addr_of("127.0.0.1");
    listener_free(&listener);
    assert_int_equal(listen_open(&any, 64, &fd, NULL), RC_OK);
    net_local_of(fd, &target);
    listener = listener_new(loop, fd, on_accept_free, &listener);
    a = connect_to_target();
    b = connect_to_target();
    turn_until(&accepted, 1);
    assert_null(listener);
    close(a);
    close(b);
}

static void out_of_descriptors_pauses(void **state)
{
    (void)state;
    struct rlimit old, tight;
    int fd = connect_to_target();
    getrlimit(RLIMIT_NOFILE, &old);
    tight = old;
    tight.rlim_cur = (rlim_t)fd + 1;
    setrlimit(RLIMIT_NOFILE, &tight);
    int64_t end_ms = clock_mono_ms() + 100;
    int turns = 0;
    for (; clock_mono_ms() < end_ms; turns++)
        loop_turn(loop, 20);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(accepted, 0);
    assert_true(turns < 50); /* it waited, it did not spin */
    turn_until(&accepted, 1);
    close(fd);
}

static void unix_sockets(void **state)
{
    (void)state;
    char dir[] = "/tmp/wp-test-XXXXXX", path[200];
    struct stat st;
    struct err err;
    int fd, second;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/admin.sock", dir);
    assert_int_equal(listen_open_unix(path, 0600, 8, &fd, &err), RC_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(listen_open_unix(path, 0600, 8, &second, &err),
                     RC_IO); /* somebody lives there */
    close(fd);
    assert_int_equal(listen_open_unix(path, 0600, 8, &fd, &err), RC_OK); /* stale: replaced */
    close(fd);
    unlink(path);
    rmdir(dir);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(listen_open_unix(path, 0600, 8, &fd, &err), RC_LIMIT);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(connects_from_the_source),
        T(faults_are_told_apart),
        T(a_silent_address_is_overtaken),
        T(the_whole_has_a_limit),
        T(refusal_moves_on_at_once),
        T(families_take_turns),
        T(cancelled_is_silent),
        T(accepting_is_bounded_per_turn),
        T(freed_while_accepting),
        T(out_of_descriptors_pauses),
        T(unix_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
