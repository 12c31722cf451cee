/*
 * tests/fuzz/fuzz_notes — notes of another process: nothing is read outside, and they round-trip
 *
 *   An even first byte: the header's positions and the beginning of a ring. An odd one: a record;
 *   writes that parse are written again, and the bytes must be the same.
 */
#include <assert.h>
#include <string.h>

#include "gateway/spool/local.h"
#include "gateway/spool/notes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_record(void *arg, struct slice record)
{
    struct cursor c = cur_of(record.p, record.n);
    struct buf again;
    (void)arg;
    buf_init(&again, RECORD_LIMIT);
    for (size_t at = 0; cur_left(&c) > 0; at = record.n - cur_left(&c)) {
        struct slice value;
        struct write w = note_take_write(&c, &value);
        if (c.bad)
            break;
        buf_clear(&again);
        note_put_write(&again, &w, value);
        assert(buf_len(&again) == record.n - cur_left(&c) - at);
        assert(memcmp(buf_slice(&again).p, record.p + at, buf_len(&again)) == 0);
    }
    buf_free(&again);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
    enum { PUT_AT = 64, STRUCK_AT = 128, POSITION = 8 };
    static char file[NOTES_FILE];
    size_t ring = size - 2 * POSITION < NOTES_RING ? size - 2 * POSITION : NOTES_RING;
    memcpy(file, "wpnotes1", 8);
    memcpy(file + PUT_AT, data, POSITION);
    memcpy(file + STRUCK_AT, data + POSITION, POSITION);
    memcpy(file + NOTES_HEADER, data + 2 * POSITION, ring);
    (void)notes_walk((struct slice){ file, sizeof file }, fuzz_record, NULL);
    memset(file + NOTES_HEADER, 0, ring);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2)
        fuzz_record(NULL, (struct slice){ (const char *)data + 1, size - 1 });
    else if (size > 16)
        fuzz_file(data + 1, size - 1);
    return 0;
}
