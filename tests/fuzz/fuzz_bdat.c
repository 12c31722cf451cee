/*
 * tests/fuzz/fuzz_bdat — BDAT: arguments written and read again; chunks of a stream add up to
 *   what was declared.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/smtp/bdat.h"
#include "gateway/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_arguments(struct slice text)
{
    struct bdat_args args, again;
    const char *reply = NULL;
    struct buf out;
    buf_init(&out, 100);
    if (command_parse_bdat(text, &args, &reply) == RC_OK) {
        bdat_put_command(&out, args.size, args.last);
        struct slice line = buf_slice(&out);
        assert(command_parse_bdat((struct slice){ line.p + 5, line.n - 7 }, &again, &reply) ==
               RC_OK);
        assert(args.size == again.size && args.last == again.last);
    } else {
        assert(reply && reply[0] == '5');
    }
    buf_free(&out);
}

/* The first byte of each chunk is its size; the stream arrives in pieces of `piece`. */
static uint64_t take_chunks(struct slice in, size_t piece)
{
    struct bdat b = { 0 };
    uint64_t taken = 0;
    while (in.n) {
        (void)bdat_begin(&b, (unsigned char)in.p[0], false, 0);
        in = (struct slice){ in.p + 1, in.n - 1 };
        enum rc rc = RC_AGAIN;
        while (rc == RC_AGAIN) {
            struct slice span;
            rc = bdat_take(&b, (struct slice){ in.p, in.n < piece ? in.n : piece }, &span);
            taken += span.n;
            in = (struct slice){ in.p + span.n, in.n - span.n };
            if (in.n == 0)
                break;
        }
        assert(taken + b.left == b.total);
    }
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    check_arguments(in);
    uint64_t whole = take_chunks(in, SIZE_MAX);
    assert(take_chunks(in, 1) == whole && take_chunks(in, 13) == whole);
    return 0;
}
