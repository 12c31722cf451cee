/*
 * tests/fuzz/fuzz_spool_record — stored records: junk is told from records, and records round-trip
 *
 *   The first byte chooses the kind. An item that parses is written again: the bytes must be the
 *   same.
 */
#include <assert.h>
#include <string.h>

#include "gateway/spool/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_item(struct slice stored)
{
    struct spool_id id = { 1, 2, 3, 4 };
    struct record_key key = record_item_key(id, 0);
    struct spool_item item;
    struct record_owner owner;
    struct buf again, scratch;
    buf_init(&again, RECORD_LIMIT);
    buf_init(&scratch, RECORD_LIMIT);
    if (record_get_item(record_key_slice(&key), stored, NULL, &scratch, &item, &owner) == RC_OK) {
        record_put_item(&again, NULL, &item, owner);
        struct slice out = buf_slice(&again);
        assert(out.n == stored.n && memcmp(out.p + 2, stored.p + 2, out.n - 2) == 0);
    }
    buf_free(&again);
    buf_free(&scratch);
}

static void fuzz_body(struct slice stored, struct seal *seal)
{
    struct spool_id id = { 1, 2, 3, 4 };
    struct record_key key = record_body_key(id);
    struct body_record body;
    struct buf scratch;
    buf_init(&scratch, RECORD_LIMIT);
    if (record_get_body(record_key_slice(&key), stored, seal, &scratch, &body) == RC_OK) {
        assert(!seal); /* nobody guesses a tag */
        assert(body.chunked ? body.manifest.chunks > 0 : body.head_size <= body.bytes.n);
    }
    buf_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned char secret[SEAL_KEY] = { 1 };
    if (size == 0)
        return 0;
    struct slice stored = { (const char *)data + 1, size - 1 };
    if (data[0] % 3 == 0) {
        fuzz_item(stored);
    } else if (data[0] % 3 == 1) {
        fuzz_body(stored, NULL);
    } else {
        struct seal *seal = seal_new(secret);
        fuzz_body(stored, seal);
        seal_free(&seal);
    }
    return 0;
}
