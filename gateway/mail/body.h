/*
 * mail/body — the bytes of one message, shared by all its deliveries
 *
 *   Built by one owner (body_append, then body_prepend for our trace header), then immutable and
 *   shared between threads by atomic references. Head and data lie in one piece of memory; room for
 *   the head is kept in front, so prepending copies nothing but the head. Memory of all bodies is
 *   counted process-wide, for limits.memory.
 */
#ifndef WAYPOST_MAIL_BODY_H
#define WAYPOST_MAIL_BODY_H

#include "gateway/base/slice.h"

struct body;

/* One reference. The hint (0: unknown) is about the data, and believed in reason. */
struct body *body_new(size_t size_hint);
void body_append(struct body *body, struct slice data);  /* building only: refs == 1 */
void body_prepend(struct body *body, struct slice head); /* building only */
struct body *body_ref(struct body *body);                /* any thread */
void body_unref(struct body **body);                     /* any thread; NULL is fine; sets NULL */

size_t body_size(const struct body *body);        /* all bytes, head included */
struct slice body_slice(const struct body *body); /* all bytes; valid while a reference is held */
size_t body_head_size(const struct body *body);   /* how many of them were prepended */

size_t body_memory_total(void); /* bytes allocated for bodies in this process now */

#endif
