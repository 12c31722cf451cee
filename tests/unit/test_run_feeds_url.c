/*
 * tests/unit/test_run_feeds_url — a feed that is fetched: what it is asked for, and when
 *
 *   The server is a script of replies, the last of which stays. It is served between the turns of
 *   the loop that fetches.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/dns/resolver.h"
#include "reputation/run_feeds.h"

enum { TURNS_MAX = 1000, TURN_MS = 5, ADDRESSES = 8 };

static struct {
    int listening, fd; /* fd: a request under way; -1: none */
    char request[2048];
    size_t n;
    const char *const *script;
    unsigned served;
} web;

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct fetcher *fetcher;
    struct run_feeds *run;
    struct addr ours[ADDRESSES];
    char url[64];
    struct conf_feed conf;
    struct run_feeds_config config;
    unsigned faults;
    enum list_fault fault;
    char text[256];
    bool many;
} rig;

/* ---- the server ---- */

static void web_open(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof sin;
    memset(&web, 0, sizeof web);
    web.fd = -1;
    web.listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(web.listening, (const void *)&sin, sizeof sin), 0);
    assert_int_equal(listen(web.listening, 4), 0);
    assert_int_equal(getsockname(web.listening, (void *)&sin, &n), 0);
    snprintf(rig.url, sizeof rig.url, "http://127.0.0.1:%u/f", (unsigned)ntohs(sin.sin_port));
}

static void hang_up(void)
{
    if (web.fd >= 0)
        close(web.fd);
    web.fd = -1;
    web.n = 0;
}

static void serve(void)
{
    if (web.fd < 0)
        web.fd = accept(web.listening, NULL, NULL);
    if (web.fd < 0)
        return;
    ssize_t got = recv(web.fd, web.request + web.n, sizeof web.request - 1 - web.n, MSG_DONTWAIT);
    web.n += got > 0 ? (size_t)got : 0;
    web.request[web.n] = '\0';
    if (strstr(web.request, "\r\n\r\n")) {
        const char *reply = *web.script;
        web.script += web.script[1] != NULL;
        web.served++;
        (void)!send(web.fd, reply, strlen(reply), MSG_NOSIGNAL);
        hang_up();
    } else if (got == 0) { /* it has changed its mind */
        hang_up();
    }
}

/* ---- the feed ---- */

static void on_listing(void *arg, const struct listing *l)
{
    (void)arg;
    rig.many = l->many;
}

static void on_fault(void *arg, struct slice feed, enum list_fault fault, const char *text)
{
    (void)arg;
    assert_true(slice_eq_str(feed, rig.url));
    rig.faults++;
    rig.fault = fault;
    snprintf(rig.text, sizeof rig.text, "%s", text);
}

static int set_up(void **state)
{
    static const struct run_feeds_hooks hooks = { on_listing, on_fault, NULL };
    struct addr nobody;
    struct resolver_conf rc = resolver_defaults;
    struct err err;
    (void)state;
    memset(&rig, 0, sizeof rig);
    web_open();
    rig.loop = loop_new();
    assert_int_equal(addr_parse(slice_of("127.0.0.1"), &nobody), RC_OK);
    nobody.port = 9;
    rc.servers = &nobody;
    rc.server_count = 1;
    rc.allow_loopback = true;
    assert_int_equal(resolver_new(rig.loop, &rc, &rig.resolver, &err), RC_OK);
    rig.fetcher = fetcher_new(rig.loop);
    rig.run = run_feeds_new(rig.loop, &hooks);
    for (int i = 0; i < ADDRESSES; i++) /* three of one network */
        rig.ours[i] = (struct addr){ .family = ADDR_V4,
                                     .bytes = { 192, 0, i < 3 ? 2 : 9, (uint8_t)(i + 1) } };
    rig.conf = (struct conf_feed){ .url = slice_of(rig.url), .points = 100, .interval = 50 };
    rig.config = (struct run_feeds_config){ .feeds = &rig.conf,
                                            .feed_n = 1,
                                            .addresses = rig.ours,
                                            .address_n = 3,
                                            .resolver = rig.resolver,
                                            .fetcher = rig.fetcher };
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    run_feeds_free(&rig.run);
    fetcher_free(&rig.fetcher);
    resolver_free(&rig.resolver);
    loop_free(&rig.loop);
    hang_up();
    close(web.listening);
    return 0;
}

static void begin(const char *const *script)
{
    web.script = script;
    run_feeds_configure(rig.run, &rig.config);
}

static void turn(void)
{
    loop_turn(rig.loop, TURN_MS);
    serve();
}

static void until(const unsigned *count, unsigned n)
{
    for (int i = 0; i < TURNS_MAX && *count < n; i++)
        turn();
    assert_true(*count >= n);
}

#define SAME "HTTP/1.1 304 Not Modified\r\n\r\n"
#define FAILS "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
#define ONE_OF_OTHERS "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 12\r\n\r\n203.0.113.9\n"
#define MOST_OF_US "HTTP/1.1 200 OK\r\nETag: \"b\"\r\nContent-Length: 13\r\n\r\n192.0.2.0/24\n"

static void test_the_same_as_nothing(void **state)
{
    static const char *const script[] = { SAME, NULL };
    (void)state;
    begin(script);
    until(&rig.faults, 1);
    assert_int_equal(rig.fault, LIST_REFUSED);
    assert_non_null(strstr(rig.text, "304"));
}

/* "Not changed" would be said of what was let go of, for as long as it is there. */
static void test_what_was_held_back_is_asked_for_anew(void **state)
{
    static const char *const script[] = { ONE_OF_OTHERS, MOST_OF_US, FAILS, SAME, NULL };
    static const char *const wanted[] = { NULL, "\"a\"", "\"b\"", NULL };
    (void)state;
    begin(script);
    for (unsigned i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        until(&web.served, i + 1);
        const char *tag = strcasestr(web.request, "If-None-Match: ");
        assert_int_equal(tag != NULL, wanted[i] != NULL);
        assert_true(!tag || strncmp(tag + 15, wanted[i], 3) == 0);
    }
}

static void test_reloads_do_not_put_it_off(void **state)
{
    static const char *const script[] = { ONE_OF_OTHERS, NULL };
    (void)state;
    rig.conf.interval = 600;
    begin(script);
    until(&web.served, 1);
    for (int i = 0; i < TURNS_MAX && web.served < 3; i++) {
        turn();
        if (i % 20 == 0) /* 100 ms; a fetch takes some turns */
            run_feeds_configure(rig.run, &rig.config);
    }
    assert_int_equal(web.served, 3);
}

/* Most of the addresses of then are few of those of now. */
static void test_more_addresses_than_before(void **state)
{
    static const char *const script[] = { MOST_OF_US, SAME, NULL };
    (void)state;
    begin(script);
    for (int i = 0; i < 3; i++)
        run_feeds_believed(rig.run, slice_of(rig.url), &rig.ours[i], true);
    until(&rig.faults, 1);
    assert_int_equal(rig.fault, LIST_MANY);
    rig.config.address_n = ADDRESSES;
    run_feeds_configure(rig.run, &rig.config);
    until(&rig.faults, 2);
    assert_int_equal(rig.fault, LIST_FINE);
    rig.config.address_n = 1; /* whose listing is the last one told */
    run_feeds_configure(rig.run, &rig.config);
    run_feeds_look(rig.run, loop_now_ms(rig.loop));
    assert_false(rig.many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_same_as_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_was_held_back_is_asked_for_anew, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_reloads_do_not_put_it_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_more_addresses_than_before, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
