/*
 * conf/zones_data — reputation/data/zones.txt, compiled in
 *
 *   Made by gateway/conf/embed_zones.cmake when the program is built. Constant; no NUL at its end.
 */
#ifndef WAYPOST_CONF_ZONES_DATA_H
#define WAYPOST_CONF_ZONES_DATA_H

#include <stddef.h>

extern const char zones_data[];
extern const size_t zones_data_size;

#endif
