/*
 * tests/fuzz/fuzz_mmdb — any bytes as a MaxMind DB
 *
 *   What passes the check is opened with the library and asked for addresses of both families.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gateway/geo/database.h"
#include "gateway/geo/mmdb_bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct database *d)
{
    for (unsigned i = 0; i < 512; i++) {
        struct geo_facts facts = { 0 };
        struct addr a = { .family = i & 1 ? ADDR_V6 : ADDR_V4 };
        a.bytes[0] = (uint8_t)(i >> 1);
        a.bytes[1] = (uint8_t)(i * 7);
        a.bytes[15] = i & 1 ? 1 : 0;
        database_ask(d, &a, &facts);
        assert(memchr(facts.organisation, '\0', sizeof facts.organisation));
        assert(memchr(facts.subdivision, '\0', sizeof facts.subdivision));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mmdb_facts facts;
    struct database_info info;
    struct database *d = NULL;
    char path[64];
    if (mmdb_bytes_check((struct slice){ (const char *)data, size }, &facts, NULL) != RC_OK)
        return 0;
    int fd = memfd_create("mmdb", MFD_CLOEXEC);
    assert(fd >= 0);
    ssize_t n = write(fd, data, size);
    assert(n == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (database_check(path, &info, NULL) == RC_OK) {
        enum rc rc = database_open(path, &d, NULL);
        assert(rc == RC_OK);
        ask(d);
        database_close(&d);
    }
    close(fd);
    return 0;
}
