/*
 * spool/checksum — CRC32C by the processor's own instruction
 *
 *   RocksDB puts a CRC32C on every record of its log. Debian builds it for any x86-64, so it
 *   computes that by table: with 4 KB messages a twelfth of all the relay's CPU time. This module
 *   computes the same function with SSE 4.2 and offers it under RocksDB's own name for it
 *   (rocksdb::crc32c::Extend), which the dynamic linker prefers over the library's.
 *
 *   Nothing depends on it: on another processor, or with a RocksDB that does not call through the
 *   linker, RocksDB's own code runs, and what is on disk is the same.
 */
#ifndef WAYPOST_SPOOL_CHECKSUM_H
#define WAYPOST_SPOOL_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does RocksDB use this module? Also what makes the linker keep it. */
bool checksum_in_use(void);

/* As RocksDB gets it: the CRC32C (RFC 3720 section 12.1) of what gave `crc` with n bytes behind it;
 * 0 to begin. */
uint32_t checksum_extend(uint32_t crc, const char *p, size_t n);

#endif
