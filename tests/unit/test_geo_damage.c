/*
 * unit/test_geo_damage — proves geo/mmdb_bytes and geo/database: damaged files are refused
 *
 *   Every cut and every changed byte of small databases: refused with a reason, or harmless. Run
 *   under the sanitizers, this is where the library would fall.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/geo/database.h"
#include "gateway/geo/mmdb_bytes.h"

#define FOLDER "tests/support/mmdb/"

static uint8_t bytes[1 << 17];

static size_t read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return n;
}

static enum rc check(size_t n, struct err *err)
{
    struct mmdb_facts facts;
    /* Its own block: reading one byte too far is seen. */
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    enum rc rc = mmdb_bytes_check((struct slice){ copy, n }, &facts, err);
    free(copy);
    return rc;
}

/* What passed the check is opened and asked. */
static void use(size_t n)
{
    static const char *const asked[] = { "127.1.2.3", "127.3.4.5", "1.0.0.1", "2001:db8:1::1" };
    char path[64];
    struct database_info info;
    struct database *d = NULL;
    int fd = memfd_create("mmdb", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (database_check(path, &info, NULL) == RC_OK && database_open(path, &d, NULL) == RC_OK)
        for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
            struct geo_facts facts = { 0 };
            struct addr a;
            addr_parse(slice_of(asked[i]), &a);
            database_ask(d, &a, &facts);
        }
    database_close(&d);
    close(fd);
}

static void every_cut(void **state)
{
    (void)state;
    static const char *const files[] = { FOLDER "dbip-city.mmdb", FOLDER "ipinfo-older.mmdb" };
    for (size_t i = 0; i < 2; i++) {
        size_t whole = read_file(files[i]);
        assert_int_equal(check(whole, NULL), RC_OK);
        for (size_t n = 0; n < whole; n++) {
            struct err err;
            assert_int_equal(check(n, &err), RC_CORRUPT);
            assert_true(err.text[0] != '\0');
        }
    }
}

static void every_byte(void **state)
{
    (void)state;
    static const char *const files[] = { FOLDER "dbip-city.mmdb", FOLDER "ipinfo-older.mmdb",
                                         FOLDER "ipinfo-lite.mmdb" };
    static const uint8_t changes[] = { 0x01, 0x20, 0x80, 0xff };
    unsigned refused = 0;
    for (size_t i = 0; i < 3; i++) {
        size_t n = read_file(files[i]);
        for (size_t at = 0; at < n; at++)
            for (size_t k = 0; k < sizeof changes; k++) {
                bytes[at] ^= changes[k];
                if (check(n, NULL) == RC_OK)
                    use(n);
                else
                    refused++;
                bytes[at] ^= changes[k];
            }
    }
    assert_true(refused > 1000);
}

/* A tree of one node that leads to `record`; the metadata are good. */
static size_t forge(const uint8_t *record, size_t n)
{
    static const char metadata[] = "\xab\xcd\xefMaxMind.com"
                                   "\xe7"
                                   "\x5b"
                                   "binary_format_major_version\xa1\x02"
                                   "\x5b"
                                   "binary_format_minor_version\xa0"
                                   "\x4b"
                                   "build_epoch\x00\x02"
                                   "\x4d"
                                   "database_type\x41"
                                   "T"
                                   "\x4a"
                                   "ip_version\xa1\x04"
                                   "\x4a"
                                   "node_count\xc1\x01"
                                   "\x4b"
                                   "record_size\xa1\x18";
    static const uint8_t tree[] = { 0, 0, 17, 0, 0, 1 }; /* left: data at 0; right: nothing */
    memset(bytes, 0, sizeof tree + 16);
    memcpy(bytes, tree, sizeof tree);
    memcpy(bytes + sizeof tree + 16, record, n);
    memcpy(bytes + sizeof tree + 16 + n, metadata, sizeof metadata - 1);
    return sizeof tree + 16 + n + sizeof metadata - 1;
}

static void forged_records(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        size_t n;
        enum rc rc;
        const char *why;
    } rows[] = {
        { "\xe0", 1, RC_OK, "an empty map" },
        { "\xe1\x41"
          "a\xa1\x05",
          5, RC_OK, "a number" },
        { "\x41"
          "a",
          2, RC_CORRUPT, "a record that is no map" },
        { "\xe1\x41"
          "a\x20\x00",
          5, RC_CORRUPT, "a map that holds itself" },
        { "\xe1\x41"
          "a\x20\x05\x20\x05",
          7, RC_CORRUPT, "a pointer to a pointer" },
        { "\xe1\x41"
          "a\x27\xff",
          5, RC_CORRUPT, "a pointer out of the file" },
        { "\xe1\xa1\x05\x41"
          "a",
          5, RC_CORRUPT, "a key that is a number" },
        { "\xe1\x41"
          "a\xc5zzzzz",
          9, RC_CORRUPT, "a number of five bytes" },
        { "\xe1\x41"
          "a\x5f\xff\xff\xff",
          7, RC_CORRUPT, "a text longer than the file" },
        { "\xff\xff\xff\xff", 4, RC_CORRUPT, "a map longer than the file" },
        { "\xe1\x41"
          "a\x00\x05",
          5, RC_CORRUPT, "a container of another kind" },
        { "\xe1\x41"
          "a\x68zzzzzzz",
          11, RC_CORRUPT, "half a double" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = forge((const uint8_t *)rows[i].record, rows[i].n);
        struct err err = { 0 };
        if (check(n, &err) != rows[i].rc)
            fail_msg("%s: %s", rows[i].why, err.text);
        use(n);
    }
}

/* Lists in lists, thousands deep: the walk must not be as deep. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    static uint8_t record[20000];
    memcpy(record,
           "\xe1\x41"
           "a",
           3);
    for (size_t i = 3; i + 2 < sizeof record; i += 2)
        memcpy(record + i, "\x01\x04", 2); /* an array of one */
    struct err err;
    assert_int_equal(check(forge(record, sizeof record), &err), RC_CORRUPT);
    assert_non_null(strstr(err.text, "deep"));
}

static void what_is_in_it(void **state)
{
    (void)state;
    static const struct {
        const char *file, *type;
        bool asn, place;
    } rows[] = {
        { FOLDER "GeoLite2-ASN-Test.mmdb", "GeoLite2-ASN", true, false },
        { FOLDER "GeoLite2-City-Test.mmdb", "GeoLite2-City", false, true },
        { FOLDER "ipinfo-lite.mmdb", "ipinfo generic_lite_mmdb_v1.mmdb", true, true },
        { FOLDER "nothing.mmdb", "Nothing", false, false },
    };
    struct database_info info;
    struct err err;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(database_check(rows[i].file, &info, &err), RC_OK);
        assert_string_equal(info.type, rows[i].type);
        assert_int_equal(info.has_asn, rows[i].asn);
        assert_int_equal(info.has_place, rows[i].place);
        assert_true(info.build_epoch > 1500000000);
    }
    assert_int_equal(database_check(FOLDER "missing", &info, &err), RC_NOT_FOUND);
    assert_int_equal(database_check("tests", &info, &err), RC_IO);
    assert_int_equal(database_check("/dev/null", &info, &err), RC_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut),      cmocka_unit_test(every_byte),
        cmocka_unit_test(forged_records), cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(what_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
