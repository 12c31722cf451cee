/*
 * spool/checksum — see checksum.h
 */
#include "gateway/spool/checksum.h"

#include <dlfcn.h>
#include <string.h>

#define EXTEND "_ZN7rocksdb6crc32c6ExtendEjPKcm" /* rocksdb::crc32c::Extend */

typedef uint32_t extend_fn(uint32_t crc, const char *p, size_t n);

/* What a search of the program and its libraries finds, from the beginning or behind us. */
static extend_fn *found(void *from)
{
    union {
        void *p;
        extend_fn *fn;
    } symbol = { .p = dlsym(from, EXTEND) };
    return symbol.fn;
}

#ifdef __x86_64__
#include <nmmintrin.h>

extend_fn checksum_rocksdb __asm__(EXTEND) __attribute__((visibility("default")));

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const char *p,
                                                                 size_t n)
{
    uint64_t x = crc ^ UINT32_MAX, word;
    for (; n >= sizeof word; n -= sizeof word, p += sizeof word) {
        memcpy(&word, p, sizeof word);
        x = _mm_crc32_u64(x, word);
    }
    uint32_t rest = (uint32_t)x;
    for (; n; n--)
        rest = _mm_crc32_u8(rest, (unsigned char)*p++);
    return rest ^ UINT32_MAX;
}

uint32_t checksum_rocksdb(uint32_t crc, const char *p, size_t n)
{
    if (__builtin_cpu_supports("sse4.2"))
        return by_instruction(crc, p, n);
    return found(RTLD_NEXT)(crc, p, n);
}

bool checksum_in_use(void)
{
    return found(RTLD_DEFAULT) == checksum_rocksdb && __builtin_cpu_supports("sse4.2");
}

uint32_t checksum_extend(uint32_t crc, const char *p, size_t n)
{
    return checksum_rocksdb(crc, p, n);
}
#else
bool checksum_in_use(void)
{
    return false;
}

uint32_t checksum_extend(uint32_t crc, const char *p, size_t n)
{
    return found(RTLD_DEFAULT)(crc, p, n);
}
#endif
