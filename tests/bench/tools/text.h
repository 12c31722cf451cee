/*
 * bench/text — what the sink does with bytes: where a text ends, its checksum; a port to listen on
 *
 *   The checksum is CRC32C by the processor's instruction (SSE 4.2). Any split of a text gives the
 * same.
 */
#ifndef WAYPOST_TESTS_BENCH_TOOLS_TEXT_H
#define WAYPOST_TESTS_BENCH_TOOLS_TEXT_H

#include <arpa/inet.h>
#include <nmmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static inline uint32_t crc32c(uint32_t crc, const char *p, size_t n)
{
    uint64_t x = crc, word;
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        x = _mm_crc32_u64(x, word);
    }
    for (; n; n--)
        x = _mm_crc32_u8((uint32_t)x, (unsigned char)*p++);
    return (uint32_t)x;
}

/* How much of p belongs to the text, up to and with the final dot. `*matched` is how much
 * of CRLF . CRLF has come, 5: all. */
static inline size_t scan_text(unsigned *matched, const char *p, size_t n)
{
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;
    while (i < n && *matched < 5) {
        if (*matched == 0) {
            const char *cr = memchr(p + i, '\r', n - i);
            if (!cr)
                return n;
            i = (size_t)(cr - p) + 1;
            *matched = 1;
        } else {
            *matched = p[i] == end[*matched] ? *matched + 1 : p[i] == '\r' ? 1 : 0;
            i++;
        }
    }
    return i;
}

/* A listening socket; without one the program ends. */
static inline int listen_on(const char *address, int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) {
        perror("sink: bind");
        exit(1);
    }
    return fd;
}

#endif
