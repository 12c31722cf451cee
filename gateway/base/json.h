/*
 * base/json — appends JSON to a buffer, for lines written on the mail path
 *
 *   A writer, not a document: the caller opens and closes objects in order. Strings are escaped as
 *   RFC 8259 asks; bytes that are not UTF-8 become U+FFFD, so a line is always valid JSON.
 *   Documents that are read or built freely use jansson.
 */
#ifndef WAYPOST_BASE_JSON_H
#define WAYPOST_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"

void json_open(struct buf *b, char bracket);  /* '{' or '['; adds the comma when one is due */
void json_close(struct buf *b, char bracket); /* '}' or ']' */
void json_key(struct buf *b, const char *key);
void json_str(struct buf *b, const char *key, struct slice value); /* key NULL: an array element */
void json_cstr(struct buf *b, const char *key, const char *value); /* NULL value: left out */
void json_int(struct buf *b, const char *key, int64_t value);
void json_num(struct buf *b, const char *key, double value);   /* 3 decimals; not finite: null */
void json_share(struct buf *b, const char *key, double value); /* 0..1; 6 decimals */
void json_bool(struct buf *b, const char *key, bool value);
void json_time(struct buf *b, const char *key, int64_t wall_ms); /* RFC 3339 in UTC */

#endif
