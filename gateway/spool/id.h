/*
 * spool/id — names of messages
 *
 *   Made by the gateway before the commit, never by the engine: an unknown commit can be looked up,
 * a repeat does no harm, and the id carries its shard. Ids of one generator are unique and sort by
 *   time, as structs (spool_id_cmp), as stored bytes and as text. `seq` starts at random, so that a
 *   restart within the same millisecond, or a clock set back, does not make a name twice.
 */
#ifndef WAYPOST_SPOOL_ID_H
#define WAYPOST_SPOOL_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

struct spool_id {
    uint64_t ms; /* Unix time in milliseconds */
    uint32_t seq;
    uint16_t node;  /* the gateway that accepted it */
    uint16_t shard; /* the port (worker) that made it */
};

enum { SPOOL_ID_BYTES = 16, SPOOL_ID_TEXT = 26 };

struct spool_id_gen {
    struct spool_id last;
};

void spool_id_gen_init(struct spool_id_gen *gen, uint16_t node, uint16_t shard, uint32_t seq);
struct spool_id spool_id_next(struct spool_id_gen *gen, int64_t wall_ms);

int spool_id_cmp(struct spool_id a, struct spool_id b); /* <0, 0, >0 */

/* Stored form: big endian, sorts like the struct. */
void spool_id_pack(struct spool_id id, unsigned char bytes_r[SPOOL_ID_BYTES]);
struct spool_id spool_id_unpack(const unsigned char bytes[SPOOL_ID_BYTES]);

/* 26 characters of 0-9 A-Z without I L O U (Crockford's base 32), NUL-terminated. Parsing takes
 * lower case too; false for anything that spool_id_format() would not give. */
void spool_id_format(struct spool_id id, char text_r[SPOOL_ID_TEXT + 1]);
bool spool_id_parse(struct slice text, struct spool_id *id_r);

#endif
