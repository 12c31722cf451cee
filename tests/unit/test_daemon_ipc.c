/*
 * tests/unit/test_daemon_ipc — messages of every size arrive whole and in order, descriptors stay
 * with theirs, nonsense ends the line once, and freeing it inside a callback is safe.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/cursor.h"
#include "gateway/daemon/ipc.h"

enum { SEEN_MAX = 64, TURNS_MAX = 20000 };

struct seen {
    unsigned type, fd_count;
    size_t n;
    uint64_t hash;
    ino_t first_inode;
};

struct end {
    struct ipc *ipc;
    struct seen at[SEEN_MAX];
    size_t n;
    unsigned closed;
    bool free_on_message, free_on_closed;
    int kept; /* a descriptor kept from a message */
};

struct rig {
    struct loop *loop;
    struct end left, right;
};

static void on_message(void *arg, struct ipc_message *m)
{
    struct end *e = arg;
    struct stat st = { 0 };
    assert_true(e->n < SEEN_MAX);
    if (m->fd_count)
        assert_int_equal(fstat(m->fds[0], &st), 0);
    e->at[e->n++] =
        (struct seen){ m->type, m->fd_count, m->bytes.n, slice_hash_stable(m->bytes), st.st_ino };
    if (m->fd_count && e->kept < 0) {
        e->kept = m->fds[0];
        m->fds[0] = -1;
    }
    if (e->free_on_message)
        ipc_free(&e->ipc);
}

static void on_closed(void *arg, const char *why)
{
    struct end *e = arg;
    assert_non_null(why);
    e->closed++;
    if (e->free_on_closed)
        ipc_free(&e->ipc);
}

static const struct ipc_ops ops = { on_message, on_closed };

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    int fds[2];
    r->loop = loop_new();
    assert_int_equal(ipc_pair(fds, NULL), RC_OK);
    r->left.kept = r->right.kept = -1;
    r->left.ipc = ipc_new(r->loop, fds[0], &ops, &r->left);
    r->right.ipc = ipc_new(r->loop, fds[1], &ops, &r->right);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    ipc_free(&r->left.ipc);
    ipc_free(&r->right.ipc);
    if (r->right.kept >= 0)
        close(r->right.kept);
    loop_free(&r->loop);
    free(r);
    return 0;
}

static void turn_until(struct rig *r, const struct end *e, size_t messages)
{
    for (int i = 0; i < TURNS_MAX && e->n < messages && !e->closed; i++)
        loop_turn(r->loop, 100);
    assert_int_equal(e->n, messages);
}

static void sizes_and_order(void **state)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 4096, 65535, 65536, 300000, 20 << 20, 3 };
    enum { N = sizeof sizes / sizeof sizes[0] };
    struct rig *r = *state;
    char *bytes = malloc(20 << 20);
    for (size_t i = 0; i < 20 << 20; i++)
        bytes[i] = (char)(i * 31 >> 3);
    for (size_t i = 0; i < N; i++)
        ipc_send(r->left.ipc, (unsigned)i + 1,
                 (struct slice){ bytes + i, sizes[i] - (sizes[i] > 9) * i }, NULL, 0);
    turn_until(r, &r->right, N);
    for (size_t i = 0; i < N; i++) {
        size_t n = sizes[i] - (sizes[i] > 9) * i;
        assert_int_equal(r->right.at[i].type, i + 1);
        assert_int_equal(r->right.at[i].n, n);
        assert_true(r->right.at[i].hash == slice_hash_stable((struct slice){ bytes + i, n }));
    }
    assert_true(ipc_idle(r->left.ipc));
    free(bytes);
}

static void both_ways_at_once(void **state)
{
    struct rig *r = *state;
    char *bytes = calloc(1, 5 << 20);
    for (int i = 0; i < 4; i++) {
        ipc_send(r->left.ipc, 1, (struct slice){ bytes, 5 << 20 }, NULL, 0);
        ipc_send(r->right.ipc, 2, (struct slice){ bytes, 5 << 20 }, NULL, 0);
    }
    turn_until(r, &r->right, 4);
    turn_until(r, &r->left, 4);
    free(bytes);
}

/* Each message gets the descriptors sent with it, however many messages one read takes. */
static void descriptors_stay_with_their_message(void **state)
{
    enum { N = 20 };
    struct rig *r = *state;
    struct stat st[N];
    for (int i = 0; i < N; i++) {
        char path[] = "/tmp/wp-ipc-XXXXXX";
        int fd = mkstemp(path);
        int many[IPC_FDS_MAX];
        unsigned count = i % 3 == 0 ? IPC_FDS_MAX : 1;
        unlink(path);
        fstat(fd, &st[i]);
        for (unsigned k = 0; k < count; k++)
            many[k] = fd;
        if (i % 2)
            ipc_send(r->left.ipc, 99, (struct slice){ "x", 1 }, NULL, 0);
        ipc_send(r->left.ipc, (unsigned)i, (struct slice){ "abc", (size_t)(i % 4) }, many, count);
        close(fd);
    }
    turn_until(r, &r->right, N + N / 2);
    size_t next = 0;
    for (size_t i = 0; i < r->right.n; i++) {
        const struct seen *s = &r->right.at[i];
        if (s->type == 99) {
            assert_int_equal(s->fd_count, 0);
            continue;
        }
        assert_int_equal(s->type, next);
        assert_int_equal(s->fd_count, next % 3 == 0 ? IPC_FDS_MAX : 1);
        assert_true(s->first_inode == st[next].st_ino);
        next++;
    }
    assert_true(fcntl(r->right.kept, F_GETFD) & FD_CLOEXEC);
}

static void the_end_comes_once(void **state)
{
    struct rig *r = *state;
    ipc_send(r->left.ipc, 5, (struct slice){ "last", 4 }, NULL, 0);
    ipc_free(&r->left.ipc);
    for (int i = 0; i < 10; i++)
        loop_turn(r->loop, 10);
    assert_int_equal(r->right.n, 1);
    assert_int_equal(r->right.closed, 1);
    ipc_send(r->right.ipc, 6, (struct slice){ "late", 4 }, NULL, 0);
    for (int i = 0; i < 10; i++)
        loop_turn(r->loop, 10);
    assert_int_equal(r->right.closed, 1);
}

static void freeing_in_a_callback(void **state)
{
    struct rig *r = *state;
    r->right.free_on_message = true;
    ipc_send(r->left.ipc, 1, (struct slice){ "a", 1 }, NULL, 0);
    ipc_send(r->left.ipc, 2, (struct slice){ "b", 1 }, NULL, 0);
    r->left.free_on_closed = true;
    for (int i = 0; i < 10; i++)
        loop_turn(r->loop, 10);
    assert_int_equal(r->right.n, 1);
    assert_null(r->right.ipc);
    assert_null(r->left.ipc);
}

static void nonsense_ends_the_line(void **state)
{
    static const struct {
        uint32_t length;
        uint16_t fds;
    } heads[] = { { UINT32_MAX, 0 }, { IPC_BYTES_MAX + 1u, 0 }, { 0, IPC_FDS_MAX + 1 } };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct loop *loop = loop_new();
        struct end e = { .kept = -1, .free_on_closed = i == 1 };
        struct buf b;
        int fds[2];
        assert_int_equal(ipc_pair(fds, NULL), RC_OK);
        e.ipc = ipc_new(loop, fds[0], &ops, &e);
        buf_init(&b, 64);
        put_u32(&b, heads[i].length);
        put_u16(&b, 1);
        put_u16(&b, heads[i].fds);
        buf_puts(&b, "tail");
        assert_int_equal(write(fds[1], buf_slice(&b).p, buf_len(&b)), buf_len(&b));
        for (int t = 0; t < 5; t++)
            loop_turn(loop, 10);
        assert_int_equal(e.closed, 1);
        assert_int_equal(e.n, 0);
        buf_free(&b);
        close(fds[1]);
        ipc_free(&e.ipc);
        loop_free(&loop);
    }
}

/* The head and the content in pieces of one byte. */
static void byte_by_byte(void **state)
{
    struct loop *loop = loop_new();
    struct end e = { .kept = -1 };
    struct buf b;
    int fds[2];
    (void)state;
    assert_int_equal(ipc_pair(fds, NULL), RC_OK);
    e.ipc = ipc_new(loop, fds[0], &ops, &e);
    buf_init(&b, 64);
    for (unsigned i = 0; i < 2; i++) {
        put_u32(&b, 3);
        put_u16(&b, (uint16_t)(10 + i));
        put_u16(&b, 0);
        buf_puts(&b, "abc");
    }
    for (size_t i = 0; i < buf_len(&b); i++) {
        assert_int_equal(e.n, i / 11);
        assert_int_equal(write(fds[1], buf_slice(&b).p + i, 1), 1);
        loop_turn(loop, 10);
    }
    assert_int_equal(e.n, 2);
    assert_int_equal(e.at[1].type, 11);
    buf_free(&b);
    close(fds[1]);
    ipc_free(&e.ipc);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sizes_and_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_ways_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_stay_with_their_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_comes_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(freeing_in_a_callback, set_up, tear_down),
        cmocka_unit_test(nonsense_ends_the_line),
        cmocka_unit_test(byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
