/*
 * tests/unit/test_spool_record — ids and stored records: order, text, round trips, junk
 */
#include "gateway/spool/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/mem.h"

static void ids_sort_and_do_not_repeat(void **state)
{
    (void)state;
    /* A clock that stands still, jumps, and is set back; a counter about to go round. */
    static const int64_t walls[] = { 100, 100, 100, 105, 90, 90, 106 };
    struct spool_id_gen gen;
    struct spool_id last = { 0 };
    char last_text[SPOOL_ID_TEXT + 1] = "";
    spool_id_gen_init(&gen, 7, 3, UINT32_MAX - 2);
    for (size_t i = 0; i < sizeof(walls) / sizeof(walls[0]); i++) {
        unsigned char a[SPOOL_ID_BYTES], b[SPOOL_ID_BYTES];
        char text[SPOOL_ID_TEXT + 1];
        struct spool_id id = spool_id_next(&gen, walls[i]);
        spool_id_format(id, text);
        spool_id_pack(last, a);
        spool_id_pack(id, b);
        assert_true(spool_id_cmp(last, id) < 0);
        assert_true(memcmp(a, b, sizeof(a)) < 0);
        assert_true(strcmp(last_text, text) < 0);
        assert_int_equal(id.node, 7);
        assert_int_equal(id.shard, 3);
        memcpy(last_text, text, sizeof(text));
        last = id;
    }
}

static void id_text_round_trip(void **state)
{
    (void)state;
    static const struct spool_id ids[] = {
        { 0 },
        { UINT64_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX },
        { 1763816431123, 0xdeadbeef, 1, 2 },
    };
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char text[SPOOL_ID_TEXT + 1];
        struct spool_id back = { 0 };
        spool_id_format(ids[i], text);
        assert_int_equal(strlen(text), SPOOL_ID_TEXT);
        assert_true(spool_id_parse(slice_of(text), &back));
        assert_int_equal(spool_id_cmp(ids[i], back), 0);
        for (char *c = text; *c; c++)
            *c = (char)ascii_lower(*c);
        assert_true(spool_id_parse(slice_of(text), &back));
        assert_int_equal(spool_id_cmp(ids[i], back), 0);
    }
}

static void id_text_that_is_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "0",
        "0000000000000000000000000",   /* one short */
        "000000000000000000000000000", /* one long */
        "80000000000000000000000000",  /* more than 128 bits */
        "0000000000000000000000000U",
        "0000000000000000000000000-",
        "I0000000000000000000000000",
    };
    struct spool_id id;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_false(spool_id_parse(slice_of(rows[i]), &id));
}

static struct seal *make_seal(unsigned char fill)
{
    unsigned char key[SEAL_KEY];
    memset(key, fill, sizeof(key));
    return seal_new(key);
}

static void item_round_trip(struct seal *seal)
{
    struct spool_item item = { .id = { 1, 2, 3, 4 },
                               .sub = 5,
                               .count = 9,
                               .lane = 3,
                               .attempts = 77,
                               .accepted_ms = -1,
                               .due_ms = INT64_MAX,
                               .expire_ms = 12,
                               .body_size = UINT64_MAX,
                               .dest = SLICE_LIT("example.com"),
                               .env = SLICE_LIT("the envelope\0with a NUL") };
    struct record_owner owner = { .epoch = 8, .chunks = 99 }, owner_back;
    struct record_key key = record_item_key(item.id, item.sub);
    struct spool_item back;
    struct buf out, scratch;
    buf_init(&out, RECORD_LIMIT);
    buf_init(&scratch, RECORD_LIMIT);
    record_put_item(&out, seal, &item, owner);
    struct slice stored = buf_slice(&out);
    assert_int_equal(
        record_get_item(record_key_slice(&key), stored, seal, &scratch, &back, &owner_back), RC_OK);
    assert_int_equal(spool_id_cmp(back.id, item.id), 0);
    assert_int_equal(back.sub, 5);
    assert_int_equal(back.count, 9);
    assert_int_equal(back.lane, 3);
    assert_int_equal(back.attempts, 77);
    assert_int_equal(back.accepted_ms, -1);
    assert_true(back.due_ms == INT64_MAX && back.body_size == UINT64_MAX);
    assert_true(slice_eq(back.dest, item.dest) && slice_eq(back.env, item.env));
    assert_int_equal(owner_back.epoch, 8);
    assert_int_equal(owner_back.chunks, 99);
    for (size_t n = 0; n < stored.n; n++) /* cut short anywhere */
        assert_int_equal(record_get_item(record_key_slice(&key), (struct slice){ stored.p, n },
                                         seal, &scratch, &back, &owner_back),
                         RC_CORRUPT);
    if (seal) { /* under another key it is not itself */
        struct record_key other = record_item_key(item.id, 6);
        assert_int_equal(
            record_get_item(record_key_slice(&other), stored, seal, &scratch, &back, &owner_back),
            RC_CORRUPT);
        assert_int_equal(
            record_get_item(record_key_slice(&key), stored, NULL, &scratch, &back, &owner_back),
            RC_CORRUPT);
    }
    buf_free(&out);
    buf_free(&scratch);
}

static void item_records(void **state)
{
    (void)state;
    struct seal *seal = make_seal(1);
    item_round_trip(NULL);
    item_round_trip(seal);
    seal_free(&seal);
}

static void manifest_round_trip(void **state)
{
    (void)state;
    static const struct {
        struct manifest manifest;
        enum rc rc;
    } rows[] = {
        { { 100, 50, 2 }, RC_OK },
        { { 101, 50, 3 }, RC_OK },
        { { UINT64_MAX, UINT32_MAX, 2 }, RC_CORRUPT },
        { { 100, 50, 3 }, RC_CORRUPT },
        { { 100, 0, 1 }, RC_CORRUPT },
        { { 0, 50, 0 }, RC_CORRUPT },
    };
    struct seal *seals[] = { NULL, make_seal(1) };
    struct spool_id id = { 1, 2, 3, 4 };
    struct record_key key = record_body_key(id);
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct seal *seal = seals[i % 2];
        struct buf out, scratch;
        struct body_record body;
        buf_init(&out, RECORD_LIMIT);
        buf_init(&scratch, RECORD_LIMIT);
        record_put_manifest(&out, seal, id, &rows[i / 2].manifest, SLICE_LIT("Received: x\r\n"));
        enum rc rc =
            record_get_body(record_key_slice(&key), buf_slice(&out), seal, &scratch, &body);
        assert_int_equal(rc, rows[i / 2].rc);
        if (rc == RC_OK) {
            assert_true(body.chunked);
            assert_int_equal(body.manifest.chunks, rows[i / 2].manifest.chunks);
            assert_true(slice_eq_str(body.bytes, "Received: x\r\n"));
        }
        buf_free(&out);
        buf_free(&scratch);
    }
    seal_free(&seals[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_sort_and_do_not_repeat), cmocka_unit_test(id_text_round_trip),
        cmocka_unit_test(id_text_that_is_none),       cmocka_unit_test(item_records),
        cmocka_unit_test(manifest_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
