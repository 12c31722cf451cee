/*
 * tests/unit/test_conf_bundle — reads once, travels whole, refuses anything cut
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/conf_fixture.h"

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *base, *name, *path;
    } rows[] = {
        { "/etc/waypost/waypost.yaml", "a.yaml", "/etc/waypost/a.yaml" },
        { "/etc/waypost/waypost.yaml", "/b/c", "/b/c" },
        { "waypost.yaml", "x/y", "x/y" },
        { "conf/waypost.yaml", "../k", "conf/../k" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = bundle_resolve(rows[i].base, slice_of(rows[i].name));
        assert_string_equal(path, rows[i].path);
        free(path);
    }
}

/* A bundle that was read, packed and unpacked loads to the same configuration, errors included. */
static void test_bundle_travels(void **state)
{
    (void)state;
    static const char whole[] = BASE "policies: policies.yaml\nusers: users.yaml\n"
                                     "tls: { certificate: gw1.pem, key: gw1.key }\n"
                                     "limits: { connections_per_client: 9999 }\n";
    struct bundle *b =
                      fixture_bundle(whole, "routes: [ { name: x, when: { size: \">1MiB\" } } ]\n"),
                  *copy = NULL;
    char *here, *there;
    struct policies *p = fixture_load_bundle(b, &here), *q;
    struct buf packed, diff;
    struct slice data;
    buf_init(&packed, BUNDLE_PACKED_MAX);
    assert_int_equal(bundle_get(b, "missing", &data, NULL), RC_NOT_FOUND);
    assert_int_equal(bundle_pack(b, &packed), RC_OK);
    assert_int_equal(bundle_unpack(buf_slice(&packed), &copy, NULL), RC_OK);
    assert_true(bundle_equal(b, copy));
    assert_int_equal(bundle_get(copy, "missing", &data, NULL), RC_NOT_FOUND);
    q = fixture_load_bundle(copy, &there);
    assert_string_equal(here, there);
    buf_init(&diff, 4096);
    assert_int_equal(conf_diff(policies_conf(p), policies_conf(q), &diff), 0);
    bundle_put(copy, "p", slice_of("other"));
    assert_false(bundle_equal(b, copy));
    buf_free(&diff);
    buf_free(&packed);
    policies_unref(&p);
    policies_unref(&q);
    bundle_free(&b);
    bundle_free(&copy);
    free(here);
    free(there);
}

/* Every shorter piece of a packed bundle, and one byte more, is refused. */
static void test_bundle_cut(void **state)
{
    (void)state;
    struct bundle *b = fixture_bundle(BASE, NULL), *copy = NULL;
    struct buf packed;
    buf_init(&packed, 1 << 20);
    assert_int_equal(bundle_pack(b, &packed), RC_OK);
    for (size_t n = 0; n < buf_len(&packed); n++) {
        char *piece = mem_copy(buf_slice(&packed).p, n ? n : 1);
        assert_int_equal(bundle_unpack((struct slice){ piece, n }, &copy, NULL), RC_CORRUPT);
        free(piece);
    }
    buf_putc(&packed, 'x');
    assert_int_equal(bundle_unpack(buf_slice(&packed), &copy, NULL), RC_CORRUPT);
    assert_null(copy);
    buf_free(&packed);
    bundle_free(&b);
}

static void test_bundle_disk(void **state)
{
    (void)state;
    char path[] = "/tmp/test_conf_XXXXXX";
    int fd = mkstemp(path);
    struct bundle *b = bundle_new_disk();
    struct slice data;
    struct err err;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one", 3), 3);
    assert_int_equal(bundle_get(b, path, &data, &err), RC_OK);
    assert_true(slice_eq_str(data, "one"));
    assert_int_equal(write(fd, "two", 3), 3); /* read once: the bundle stays as it was */
    assert_int_equal(bundle_get(b, path, &data, &err), RC_OK);
    assert_true(slice_eq_str(data, "one"));
    assert_int_equal(bundle_stat(b, path, &err), RC_OK);
    assert_int_equal(bundle_stat(b, "/nonexistent/x", &err), RC_NOT_FOUND);
    assert_int_equal(bundle_get(b, "/nonexistent/y", &data, &err), RC_NOT_FOUND);
    assert_string_equal(err.text, "No such file or directory");
    assert_int_equal(bundle_get(b, "/tmp", &data, &err), RC_IO);
    assert_int_equal(bundle_get(b, "/dev/zero", &data, &err), RC_LIMIT);
    assert_int_equal(bundle_count(b), 5);
    assert_string_equal(bundle_path(b, 0), path);
    bundle_free(&b);
    close(fd);
    unlink(path);
}

/* A bundle holds 1000 files; the next is refused, those it has stay. */
static void test_bundle_full(void **state)
{
    (void)state;
    struct bundle *b = bundle_new();
    struct slice data;
    char path[32];
    for (int i = 0; i < BUNDLE_COUNT_MAX; i++) {
        snprintf(path, sizeof path, "f%d", i);
        assert_int_equal(bundle_get(b, path, &data, NULL), RC_NOT_FOUND);
    }
    assert_int_equal(bundle_get(b, "one more", &data, NULL), RC_LIMIT);
    assert_int_equal(bundle_stat(b, "one more", NULL), RC_LIMIT);
    assert_int_equal(bundle_get(b, "f7", &data, NULL), RC_NOT_FOUND);
    assert_int_equal(bundle_count(b), BUNDLE_COUNT_MAX);
    bundle_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),       cmocka_unit_test(test_bundle_travels),
        cmocka_unit_test(test_bundle_cut),  cmocka_unit_test(test_bundle_disk),
        cmocka_unit_test(test_bundle_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
