#include "gateway/geo/database.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/geo/fields.h"
#include "gateway/geo/mmdb_bytes.h"

enum { SAMPLE_RECORDS = 256, SAMPLE_NODES = 65536 };

struct database {
    MMDB_s mmdb;
};

/* ---- opening ---- */

static enum rc failed(int status, struct err *err)
{
    if (status == MMDB_FILE_OPEN_ERROR)
        return err_set(err, errno == ENOENT ? RC_NOT_FOUND : RC_IO, "cannot be opened: %s",
                       strerror(errno));
    if (status == MMDB_IO_ERROR || status == MMDB_OUT_OF_MEMORY_ERROR)
        return err_set(err, RC_IO, "cannot be read: %s", MMDB_strerror(status));
    return err_set(err, RC_CORRUPT, "%s", MMDB_strerror(status));
}

enum rc database_open(const char *path, struct database **database_r, struct err *err)
{
    struct database *d = mem_zero(sizeof *d);
    int status = MMDB_open(path, MMDB_MODE_MMAP, &d->mmdb);
    if (status != MMDB_SUCCESS) {
        free(d);
        return failed(status, err);
    }
    *database_r = d;
    return RC_OK;
}

void database_close(struct database **database)
{
    if (!*database)
        return;
    MMDB_close(&(*database)->mmdb);
    free(*database);
    *database = NULL;
}

uint64_t database_epoch(const struct database *database)
{
    return database->mmdb.metadata.build_epoch;
}

/* ---- asking ---- */

union sockets {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union sockets v4_of(const uint8_t bytes[4])
{
    union sockets s = { .v4 = { .sin_family = AF_INET } };
    memcpy(&s.v4.sin_addr, bytes, 4);
    return s;
}

/* 6to4 (2002::/16) and NAT64 (64:ff9b::/96) stand for the IPv4 address inside. In ::/96 the trees
 * keep IPv4: ::1 would be taken for 0.0.0.1. */
static bool socket_of(const struct addr *a, union sockets *s_r)
{
    static const uint8_t nat64[12] = { 0x00, 0x64, 0xff, 0x9b }, low[12] = { 0 };
    if (a->family == ADDR_V4) {
        *s_r = v4_of(a->bytes);
    } else if (a->family != ADDR_V6 || memcmp(a->bytes, low, sizeof low) == 0) {
        return false;
    } else if (a->bytes[0] == 0x20 && a->bytes[1] == 0x02) {
        *s_r = v4_of(a->bytes + 2);
    } else if (memcmp(a->bytes, nat64, sizeof nat64) == 0) {
        *s_r = v4_of(a->bytes + 12);
    } else {
        *s_r = (union sockets){ .v6 = { .sin6_family = AF_INET6 } };
        memcpy(&s_r->v6.sin6_addr, a->bytes, 16);
    }
    return true;
}

void database_ask(const struct database *database, const struct addr *address,
                  struct geo_facts *facts)
{
    union sockets s;
    int status;
    if (!socket_of(address, &s))
        return;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&database->mmdb, &s.any, &status);
    if (status == MMDB_SUCCESS && found.found_entry)
        fields_take(&found.entry, facts);
}

/* ---- checking ---- */

static enum rc check_bytes(int fd, struct mmdb_facts *facts_r, struct database_info *info_r,
                           struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return err_set(err, RC_IO, "it is no plain file");
    if (st.st_size == 0)
        return err_set(err, RC_CORRUPT, "it is empty");
    size_t size = (size_t)st.st_size;
    char *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return err_set(err, RC_IO, "cannot be read: %s", strerror(errno));
    enum rc rc = mmdb_bytes_check((struct slice){ bytes, size }, facts_r, err);
    if (rc == RC_OK) {
        struct slice type = facts_r->type;
        size_t n = type.n < sizeof info_r->type - 1 ? type.n : sizeof info_r->type - 1;
        if (n)
            memcpy(info_r->type, type.p, n);
        info_r->build_epoch = facts_r->build_epoch;
    }
    munmap(bytes, size);
    return rc;
}

static void sample_record(uint8_t type, MMDB_entry_s *entry, struct database_info *info,
                          unsigned *records)
{
    struct geo_facts facts = { 0 };
    if (type != MMDB_RECORD_TYPE_DATA)
        return;
    fields_take(entry, &facts);
    info->has_asn = info->has_asn || facts.asn;
    info->has_place = info->has_place || facts.country[0] || facts.continent[0];
    (*records)++;
}

/* Which fields it has: the first records in the order of the tree. */
static enum rc sample(const MMDB_s *mmdb, struct database_info *info, struct err *err)
{
    unsigned records = 0;
    uint32_t nodes = mmdb->metadata.node_count;
    for (uint32_t i = 0; i < nodes && i < SAMPLE_NODES && records < SAMPLE_RECORDS; i++) {
        MMDB_search_node_s node;
        int status = MMDB_read_node(mmdb, i, &node);
        if (status != MMDB_SUCCESS)
            return failed(status, err);
        sample_record(node.left_record_type, &node.left_record_entry, info, &records);
        sample_record(node.right_record_type, &node.right_record_entry, info, &records);
    }
    return RC_OK;
}

enum rc database_check(const char *path, struct database_info *info_r, struct err *err)
{
    struct mmdb_facts facts;
    struct database *d = NULL;
    *info_r = (struct database_info){ 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed(MMDB_FILE_OPEN_ERROR, err);
    enum rc rc = check_bytes(fd, &facts, info_r, err);
    close(fd);
    if (rc == RC_OK)
        rc = database_open(path, &d, err);
    if (rc == RC_OK && d)
        rc = sample(&d->mmdb, info_r, err);
    database_close(&d);
    return rc;
}
