/*
 * unit/test_io_stream — proves io/stream
 *
 *   io/stream, plain: showing, keeping, pausing, flushing, slow readers, half close, dying
 *   peers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "tests/support/io_rig.h"

static struct io_rig rig;

static int open_rig(void **state)
{
    (void)state;
    io_rig_open(&rig, &io_rig_limits);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    io_rig_close(&rig);
    return 0;
}

/* Uses whole lines only. */
static size_t use_lines(struct io_rig *r, struct slice in)
{
    const char *end = memrchr(in.p, '\n', in.n);
    (void)r;
    return end ? (size_t)(end - in.p) + 1 : 0;
}

static void assert_shown(const char *want)
{
    struct slice got = buf_slice(&rig.shown);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void rest_is_shown_again_with_more(void **state)
{
    (void)state;
    rig.use = use_lines;
    io_rig_send(&rig, "one\r\ntw");
    io_rig_turns(&rig, 2);
    assert_shown("one\r\n");
    size_t shows = rig.shows;
    io_rig_turns(&rig, 3);
    assert_int_equal(rig.shows, shows); /* not without more */
    io_rig_send(&rig, "o\r\n");
    io_rig_turns(&rig, 2);
    assert_shown("one\r\ntwo\r\n");
}

static void a_line_without_end_is_limited(void **state)
{
    (void)state;
    char junk[4000];
    rig.use = use_lines;
    memset(junk, 'x', sizeof junk);
    assert_int_equal(send(rig.peer, junk, sizeof junk, 0), sizeof junk);
    io_rig_turns(&rig, 3);
    assert_false(io_rig_saw(&rig, "error"));
    assert_int_equal(send(rig.peer, junk, sizeof junk, 0), sizeof junk);
    io_rig_until(&rig, "error:limit");
}

static size_t pause_after_two(struct io_rig *r, struct slice in)
{
    (void)in;
    stream_pause(r->stream);
    return 2;
}

static void pause_keeps_and_resume_shows(void **state)
{
    (void)state;
    rig.use = pause_after_two;
    io_rig_send(&rig, "abcdef");
    io_rig_turns(&rig, 3);
    assert_shown("ab");
    io_rig_send(&rig, "gh");
    shutdown(rig.peer, SHUT_WR);
    io_rig_turns(&rig, 3);
    assert_shown("ab"); /* paused: neither data nor the end */
    for (int i = 0; i < 3; i++) {
        stream_resume(rig.stream);
        io_rig_turns(&rig, 3);
    }
    assert_shown("abcdefgh");
    assert_false(io_rig_saw(&rig, "eof"));
    stream_resume(rig.stream);
    io_rig_until(&rig, "eof");
}

static int released;

static void release(void *arg)
{
    (void)arg;
    released++;
}

static void copied_and_referred_leave_in_order(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 1 << 20);
    char small[] = "small ";
    released = 0;
    for (int i = 0; i < 200; i++) {
        stream_write(rig.stream, small, sizeof small - 1);
        stream_write_ref(rig.stream, SLICE_LIT("big "), release, NULL);
    }
    memset(small, '!', sizeof small - 1); /* was copied */
    assert_int_equal(stream_queued(rig.stream), 2000);
    char piece[] = "piece";
    stream_write_ref(rig.stream, slice_of(piece), NULL, NULL); /* small, nobody to tell: copied */
    memset(piece, '!', sizeof piece - 1);
    assert_false(io_rig_recv(&rig, &got)); /* not before the end of the turn */
    assert_int_equal(buf_len(&got), 0);
    io_rig_turns(&rig, 4);
    io_rig_recv(&rig, &got);
    assert_int_equal(buf_len(&got), 2005);
    for (size_t i = 0; i < 200; i++)
        assert_memory_equal(buf_slice(&got).p + i * 10, "small big ", 10);
    assert_memory_equal(buf_slice(&got).p + 2000, "piece", 5);
    assert_int_equal(released, 200);
    assert_int_equal(stream_queued(rig.stream), 0);
    buf_free(&got);
}

/* 32 MiB in windows to a peer that reads slowly through small buffers: every byte, in order. */
static void slow_reader_gets_everything(void **state)
{
    (void)state;
    enum { WINDOW = 256 * 1024, WINDOWS = 128 };
    static uint32_t window[WINDOW / 4];
    int small = 32 * 1024;
    uint64_t got = 0, want = (uint64_t)WINDOW * WINDOWS;
    int sent = 0;
    setsockopt(rig.peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(stream_fd(rig.stream), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (uint32_t i = 0; i < WINDOW / 4; i++)
        window[i] = i;
    released = 0;
    size_t highest = 0;
    for (int idle = 0; got < want && idle < 2000;) {
        while (sent < WINDOWS && stream_queued(rig.stream) <= io_rig_limits.low_mark) {
            struct slice s = { (const char *)window, WINDOW };
            stream_write_ref(rig.stream, s, release, NULL);
            sent++;
        }
        highest = stream_queued(rig.stream) > highest ? stream_queued(rig.stream) : highest;
        loop_turn(rig.loop, 1);
        static unsigned char chunk[50000];
        ssize_t n = recv(rig.peer, chunk, sizeof chunk, MSG_DONTWAIT);
        idle = n > 0 ? 0 : idle + 1;
        for (ssize_t i = 0; i < n; i++, got++)
            if (chunk[i] != ((const unsigned char *)window)[got % WINDOW])
                fail_msg("byte %ju differs", (uintmax_t)got);
    }
    assert_int_equal(got, want);
    assert_int_equal(released, WINDOWS);
    assert_true(highest <= WINDOW + io_rig_limits.low_mark);
    assert_true(io_rig_saw(&rig, "drain"));
}

static void output_limit_fails_the_stream(void **state)
{
    (void)state;
    static char block[300000];
    released = 0;
    for (int i = 0; i < 3; i++)
        stream_write(rig.stream, block, sizeof block);
    assert_false(io_rig_saw(&rig, "error"));
    stream_write_ref(rig.stream, (struct slice){ block, sizeof block }, release, NULL);
    assert_int_equal(released, 1);           /* not taken: released at once */
    assert_false(io_rig_saw(&rig, "error")); /* but told later */
    io_rig_until(&rig, "error:limit");
    stream_write(rig.stream, "x", 1); /* harmless on a dead stream */
}

static void a_peer_that_has_ended_still_reads(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 4096);
    shutdown(rig.peer, SHUT_WR);
    io_rig_until(&rig, "eof");
    stream_write(rig.stream, "late", 4);
    for (int i = 0; i < 100 && buf_len(&got) < 4; i++) {
        io_rig_turns(&rig, 1);
        assert_false(io_rig_recv(&rig, &got));
    }
    assert_true(slice_eq_str(buf_slice(&got), "late"));
    buf_free(&got);
}

static void reset_is_an_error(void **state)
{
    (void)state;
    struct linger now = { 1, 0 };
    setsockopt(rig.peer, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(rig.peer);
    rig.peer = -1;
    io_rig_until(&rig, "error:closed");
}

/* A server that says why and closes: the reply is shown although our write fails. */
static void last_words_come_before_the_write_error(void **state)
{
    (void)state;
    stream_pause(rig.stream); /* the reply stays in the socket */
    io_rig_send(&rig, "421 go away\r\n");
    close(rig.peer);
    rig.peer = -1;
    stream_write(rig.stream, "MAIL", 4);
    io_rig_turns(&rig, 3); /* draws a reset */
    stream_resume(rig.stream);
    stream_write(rig.stream, "RCPT", 4);
    for (int i = 0; i < 100 && !io_rig_saw(&rig, "error") && !io_rig_saw(&rig, "eof"); i++)
        io_rig_turns(&rig, 1);
    assert_shown("421 go away\r\n");
}

static void finish_sends_everything_then_frees(void **state)
{
    (void)state;
    struct buf got;
    buf_init(&got, 4096);
    stream_write(rig.stream, "221 bye\r\n", 9);
    stream_finish(&rig.stream, 10000);
    assert_null(rig.stream);
    io_rig_send(&rig, "ignored");
    bool end = false;
    for (int i = 0; i < 100 && !end; i++) {
        io_rig_turns(&rig, 1);
        end = io_rig_recv(&rig, &got);
    }
    assert_true(end);
    assert_true(slice_eq_str(buf_slice(&got), "221 bye\r\n"));
    assert_false(io_rig_saw(&rig, "error"));
    assert_int_equal(rig.shows, 0);
    buf_free(&got); /* the lingering stream goes with the loop: the leak check would tell */
}

static void close_inside(struct io_rig *r, const char *event)
{
    (void)event;
    stream_close(&r->stream);
}

static size_t close_in_data(struct io_rig *r, struct slice in)
{
    stream_write(r->stream, "x", 1);
    stream_close(&r->stream);
    return in.n / 2;
}

static void closing_inside_callbacks(void **state)
{
    (void)state;
    rig.on_event = close_inside;
    shutdown(rig.peer, SHUT_WR);
    io_rig_until(&rig, "eof");
    io_rig_close(&rig);

    io_rig_open(&rig, &io_rig_limits);
    rig.use = close_in_data;
    io_rig_send(&rig, "abcd");
    io_rig_turns(&rig, 5);
    assert_null(rig.stream);
    assert_shown("ab");
    io_rig_close(&rig);

    io_rig_open(&rig, &io_rig_limits);
    rig.on_event = close_inside;
    stream_set_deadline(rig.stream, 20);
    io_rig_until(&rig, "timeout");
    assert_null(rig.stream);
}

static size_t finish_in_data(struct io_rig *r, struct slice in)
{
    (void)in;
    stream_write(r->stream, "bye", 3);
    stream_finish(&r->stream, 50);
    return 1;
}

static void finishing_inside_on_data_and_a_peer_that_stays(void **state)
{
    (void)state;
    rig.use = finish_in_data;
    io_rig_send(&rig, "quit and more");
    int64_t end_ms = clock_mono_ms() + 200;
    while (clock_mono_ms() < end_ms)
        io_rig_turns(&rig, 1);
    assert_int_equal(rig.shows, 1);
    assert_int_equal(send(rig.peer, "x", 1, MSG_NOSIGNAL),
                     1); /* the linger is over: draws a reset */
    usleep(20000);
    assert_int_equal(send(rig.peer, "x", 1, MSG_NOSIGNAL), -1);
}

static void deadlines_move(void **state)
{
    (void)state;
    stream_set_deadline(rig.stream, 60);
    int64_t began = clock_mono_ms();
    while (clock_mono_ms() - began < 120) {
        stream_set_deadline(rig.stream, 60);
        io_rig_turns(&rig, 1);
    }
    assert_false(io_rig_saw(&rig, "timeout"));
    io_rig_until(&rig, "timeout");
    stream_set_deadline(rig.stream, 30);
    stream_set_deadline(rig.stream, 0);
    io_rig_turns(&rig, 15);
    assert_int_equal(buf_len(&rig.events), strlen("timeout "));
}

static void addresses_and_tcp_info(void **state)
{
    (void)state;
    struct stream_tcp_info info;
    assert_true(addr_is_loopback(stream_peer(rig.stream)));
    assert_int_not_equal(stream_peer(rig.stream)->port, stream_local(rig.stream)->port);
    assert_true(stream_tcp_info(rig.stream, &info));
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, open_rig, close_rig)
    const struct CMUnitTest tests[] = {
        T(rest_is_shown_again_with_more),
        T(a_line_without_end_is_limited),
        T(pause_keeps_and_resume_shows),
        T(copied_and_referred_leave_in_order),
        T(slow_reader_gets_everything),
        T(output_limit_fails_the_stream),
        T(a_peer_that_has_ended_still_reads),
        T(reset_is_an_error),
        T(last_words_come_before_the_write_error),
        T(finish_sends_everything_then_frees),
        T(closing_inside_callbacks),
        T(finishing_inside_on_data_and_a_peer_that_stays),
        T(deadlines_move),
        T(addresses_and_tcp_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
