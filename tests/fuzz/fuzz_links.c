/*
 * tests/fuzz/fuzz_links — the line between relay and control: frames in pieces of any size, and
 *   what is in them. What was read is written again as the same bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "gateway/daemon/link_frame.h"
#include "policies/advice.h"

static void check_letter(struct slice content)
{
    struct link_letter letter;
    struct buf again;
    if (link_read_letter(content, &letter) != RC_OK)
        return;
    buf_init(&again, 1 << 20);
    link_put_letter(&again, &letter);
    assert(slice_eq(slice_skip(buf_slice(&again), LINK_HEAD), content));
    buf_free(&again);
}

static void check_fate(struct slice content)
{
    uint64_t ticket;
    enum letter_fate fate;
    struct buf again;
    if (link_read_fate(content, &ticket, &fate) != RC_OK)
        return;
    buf_init(&again, 64);
    link_put_fate(&again, ticket, fate);
    assert(slice_eq(slice_skip(buf_slice(&again), LINK_HEAD), content));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_observation(void *arg, const struct observation *o)
{
    struct buf *out = arg;
    assert(o->kind < OBS_KINDS && o->result < OBS_RESULTS && o->at_us >= 0);
    buf_put(out, o, sizeof *o);
}

static void check_observations(struct slice content)
{
    struct buf seen;
    uint64_t lost;
    buf_init(&seen, 1 << 22);
    if (link_read_observations(content, &lost, check_observation, &seen) == RC_OK) {
        assert(buf_len(&seen) == content.n - 8);
        assert(!seen.mem || memcmp(seen.mem, content.p + 8, content.n - 8) == 0);
    }
    buf_free(&seen);
}

static void check_advice(struct slice content)
{
    struct advice *advice;
    struct err err;
    struct buf again;
    if (advice_unpack(content, &advice, &err) != RC_OK)
        return;
    buf_init(&again, LINK_FRAME_MAX);
    advice_pack(advice, &again);
    advice_unref(&advice);
    assert(advice_unpack(buf_slice(&again), &advice, &err) == RC_OK);
    advice_unref(&advice);
    buf_free(&again);
}

static void check_note(struct slice content)
{
    struct link_note note;
    struct buf again;
    if (link_read_note(content, &note) != RC_OK)
        return;
    buf_init(&again, 1 << 20);
    link_put_note(&again, &note);
    assert(again.full || slice_eq(slice_skip(slice_skip(buf_slice(&again), LINK_HEAD), 1),
                                  slice_skip(content, 1)));
    buf_free(&again);
}

static void put_again(void *arg, const struct reply_report *report)
{
    report_put(arg, report);
}

static void check_reports(struct slice content)
{
    struct buf again;
    buf_init(&again, 1 << 20);
    if (link_read_reports(content, put_again, &again) == RC_OK)
        assert(again.full || slice_eq(buf_slice(&again), content));
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct link_reader reader;
    struct link_frame frame;
    size_t step = size ? 1 + data[0] % 64 : 1;
    enum rc rc = RC_OK;
    link_reader_init(&reader);
    for (size_t at = 1; at < size && rc != RC_PARSE && rc != RC_LIMIT; at += step) {
        size_t n = size - at < step ? size - at : step;
        rc = link_reader_feed(&reader, (struct slice){ (const char *)data + at, n });
        while (rc == RC_OK && (rc = link_reader_next(&reader, &frame)) == RC_OK) {
            assert(frame.content.n <= LINK_FRAME_MAX);
            if (frame.type == LINK_OBSERVATIONS)
                check_observations(frame.content);
            else if (frame.type == LINK_LETTER)
                check_letter(frame.content);
            else if (frame.type == LINK_LETTER_FATE)
                check_fate(frame.content);
            else if (frame.type == LINK_ADVICE)
                check_advice(frame.content);
            else if (frame.type == LINK_REPORTS)
                check_reports(frame.content);
            else
                check_note(frame.content);
        }
    }
    link_reader_free(&reader);
    return 0;
}
