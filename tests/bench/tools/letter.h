/*
 * bench/letter — what the generator sends: commands, a header with the message's number, a text
 *
 *   The text is the same in every message of a length, so that one that is damaged shows.
 */
#ifndef WAYPOST_TESTS_BENCH_TOOLS_LETTER_H
#define WAYPOST_TESTS_BENCH_TOOLS_LETTER_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

enum {
    LETTER_LINE = 78,
    LETTER_BLOCK = LETTER_LINE * 840,
    LETTER_HEADER = 256,
    LETTER_PIECES = 18
};

struct letter {
    char mail[512], rcpt[512], all[1200];
    int mail_n, rcpt_n, all_n;
};

static char letter_block[LETTER_BLOCK];

static inline void letter_prepare(struct letter *l, const char *sender, const char *recipient)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint32_t i = 0; i < LETTER_BLOCK; i++)
        letter_block[i] = letters[(i * 2654435761u >> 13) & 63];
    for (uint32_t i = LETTER_LINE - 2; i < LETTER_BLOCK; i += LETTER_LINE)
        memcpy(letter_block + i, "\r\n", 2);
    l->mail_n = snprintf(l->mail, sizeof l->mail, "MAIL FROM:<%.320s>\r\n", sender);
    l->rcpt_n = snprintf(l->rcpt, sizeof l->rcpt, "RCPT TO:<%.320s>\r\n", recipient);
    l->all_n = snprintf(l->all, sizeof l->all, "%s%sDATA\r\n", l->mail, l->rcpt);
}

/* The text that makes a message of about so many bytes. */
static inline uint64_t letter_text_len(long bytes)
{
    long lines = (bytes - LETTER_HEADER) / LETTER_LINE;
    return (uint64_t)(lines > 0 ? lines : 1) * LETTER_LINE;
}

/* Needs LETTER_HEADER + 8 bytes; `run` tells runs of the generator apart. */
static inline void letter_header(char *header, long seq, uint64_t run)
{
    int n = snprintf(header, LETTER_HEADER,
                     "From: <bench@client.test>\r\nTo: <u@relay.test>\r\nSubject: bench\r\n"
                     "Message-Id: <%ld.%llu@client.test>\r\nX-Bench-Seq: %ld\r\nX-Pad: ",
                     seq, (unsigned long long)run, seq);
    memset(header + n, 'p', (size_t)(LETTER_HEADER - n));
    memcpy(header + LETTER_HEADER - 4, "\r\n\r\n", 4);
}

/* The next pieces of header, text and final dot from `at` on, a megabyte at most; gives how many,
 * at most LETTER_PIECES. */
static inline int letter_pieces(char *header, uint64_t text_len, uint64_t at, struct iovec *v)
{
    uint64_t end = LETTER_HEADER + text_len;
    int n = 0;
    if (at < LETTER_HEADER) {
        v[n++] = (struct iovec){ header + at, LETTER_HEADER - at };
        at = LETTER_HEADER;
    }
    while (n < LETTER_PIECES - 2 && at < end) {
        uint64_t from = (at - LETTER_HEADER) % LETTER_BLOCK, k = LETTER_BLOCK - from;
        if (k > end - at)
            k = end - at;
        v[n++] = (struct iovec){ letter_block + from, k };
        at += k;
    }
    static char dot[] = ".\r\n";
    if (at >= end)
        v[n++] = (struct iovec){ dot + (at - end), end + 3 - at };
    return n;
}

#endif
