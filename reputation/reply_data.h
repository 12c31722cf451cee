/*
 * reputation/reply_data — the shipped rules as text, compiled in
 *
 *   reputation/data/ made into bytes by embed.cmake when the program is built. Constant.
 */
#ifndef WAYPOST_REPUTATION_REPLY_DATA_H
#define WAYPOST_REPUTATION_REPLY_DATA_H

#include "gateway/base/slice.h"

extern const struct slice reply_data_providers, reply_data_replies, reply_data_senses,
    reply_data_weights;

#endif
