/*
 * bench/tool — what generator and sink share: their records, a clock, options by letter
 *
 *   The records are written as they lie in memory and read by tests/bench/figures.py: 32 bytes
 * each, little-endian, times of CLOCK_MONOTONIC.
 */
#ifndef WAYPOST_TESTS_BENCH_TOOLS_TOOL_H
#define WAYPOST_TESTS_BENCH_TOOLS_TOOL_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct sent_record {
    uint64_t seq, start_ns, ack_ns;
    uint32_t code, flags;
};

struct taken_record {
    uint64_t seq, time_ns, bytes;
    uint32_t crc, unused;
};

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Values by option letter: a number (1 when the option takes none), and its text. */
struct options {
    double number[128];
    const char *text[128];
};

/* Reads options that may be given once; an unknown one ends the program with 2. */
static inline void options_read(struct options *o, int argc, char **argv, const char *letters)
{
    for (int c; (c = getopt(argc, argv, letters)) != -1;) {
        if (c == '?')
            exit(2);
        o->text[c] = optarg;
        o->number[c] = optarg ? strtod(optarg, NULL) : 1;
    }
}

#endif
