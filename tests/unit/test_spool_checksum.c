/*
 * test_spool_checksum — the checksum of RocksDB's log: known values, and that RocksDB takes ours
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/spool/checksum.h"
#include "gateway/spool/engine.h"

/* RFC 3720 appendix B.4, and the check value of the catalogues of CRCs. */
static void test_known_values(void **state)
{
    char bytes[32];
    (void)state;
    assert_int_equal(checksum_extend(0, "123456789", 9), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(checksum_extend(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(checksum_extend(0, bytes, sizeof bytes), 0x62a8ab43);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    assert_int_equal(checksum_extend(0, bytes, sizeof bytes), 0x46dd794e);
}

static void test_pieces_give_the_whole(void **state)
{
    char bytes[300];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    uint32_t whole = checksum_extend(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = checksum_extend(0, bytes, cut);
        assert_int_equal(checksum_extend(first, bytes + cut, sizeof bytes - cut), whole);
    }
}

/* A build that loses the name (static, stripped of exports) would be right and slow. */
static void test_rocksdb_uses_it(void **state)
{
    (void)state;
    assert_string_equal(spool_local.name, "local"); /* the program has RocksDB in it */
#ifdef __x86_64__
    if (!__builtin_cpu_supports("sse4.2"))
        skip();
    assert_true(checksum_in_use());
#else
    assert_false(checksum_in_use());
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_pieces_give_the_whole),
        cmocka_unit_test(test_rocksdb_uses_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
