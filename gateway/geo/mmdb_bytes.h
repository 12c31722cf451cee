/*
 * geo/mmdb_bytes — is every byte of a MaxMind DB that a lookup could reach what it must be? (pure)
 *
 *   The library trusts its input in places. So the whole search tree, every record it leads to and
 *   the metadata are walked once before a file is used: pointers in bounds, no pointer to a
 *   pointer, sizes that fit their types, keys that are texts, no deep nesting. A file that passes
 *   stays safe as long as nobody writes to it.
 *
 *   Linear in the size of the file, but for overlapping records, which only a forger makes: those
 *   are bounded by a number of steps. Memory: one bit for each byte of the file.
 *
 * Errors: RC_CORRUPT with what is wrong and where.
 * See:    the MaxMind DB file format specification 2.0.
 */
#ifndef WAYPOST_GEO_MMDB_BYTES_H
#define WAYPOST_GEO_MMDB_BYTES_H

#include "gateway/base/rc.h"
#include "gateway/base/slice.h"

struct mmdb_facts {
    uint32_t node_count;
    uint32_t record_size; /* bits: 24, 28 or 32 */
    uint32_t ip_version;  /* 4 or 6 */
    uint64_t build_epoch;
    struct slice type; /* points into the bytes */
};

enum rc mmdb_bytes_check(struct slice bytes, struct mmdb_facts *facts_r, struct err *err);

#endif
