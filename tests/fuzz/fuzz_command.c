/*
 * tests/fuzz/fuzz_command — Command lines: however the bytes arrive, the same lines come out,
 *   and every command is parsed.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/smtp/command.h"
#include "gateway/smtp/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINE_MAX_BYTES = 64 };

static void parse_arguments(const struct command *c)
{
    const char *reply = NULL;
    struct bdat_args bdat;
    struct auth_args auth;
    struct slice name;
    assert(command_parse_bdat(c->args, &bdat, &reply) == RC_OK || reply);
    reply = NULL;
    assert(command_parse_auth(c->args, &auth, &reply) == RC_OK || reply);
    reply = NULL;
    assert(command_parse_helo(c->args, &name, &reply) == RC_OK || reply);
}

/* Bytes arrive up to `first`, then in pieces of `piece`. */
static void split(struct slice in, size_t first, size_t piece, struct buf *out)
{
    struct line_reader reader = { false };
    size_t have = first, taken = 0;
    for (;;) {
        struct slice line;
        struct command c;
        size_t used;
        enum rc rc = line_next(&reader, (struct slice){ in.p + taken, have - taken },
                               LINE_MAX_BYTES, &line, &used);
        taken += used;
        assert(taken <= have);
        if (rc == RC_AGAIN) {
            if (have == in.n)
                break;
            have = in.n - have < piece ? in.n : have + piece;
            continue;
        }
        buf_putc(out, rc == RC_OK ? 'O' : rc == RC_PARSE ? 'P' : 'L');
        buf_put_slice(out, line);
        command_parse(line, &c);
        parse_arguments(&c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = { (const char *)data, size };
    struct buf whole, parts;
    if (size > 4096)
        return 0;
    buf_init(&whole, 1 << 16);
    buf_init(&parts, 1 << 16);
    split(in, in.n, 1, &whole);
    split(in, 0, 1, &parts);
    assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
    buf_clear(&parts);
    split(in, size ? data[0] % size : 0, 7, &parts);
    assert(slice_eq(buf_slice(&whole), buf_slice(&parts)));
    buf_free(&whole);
    buf_free(&parts);
    return 0;
}
