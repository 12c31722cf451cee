/*
 * base/log — structured daemon logs on stderr
 *
 *   One JSON line per event: time, level, process, event, then the context's fields, then the
 *   call's. `event` is a stable name (lower_case, past tense for what has happened). A child
 *   context carries its parent's fields. Lines are written whole with one write(2); a log that
 *   cannot be written is dropped, never waited for. Thread-safe: a line is built by its caller.
 *
 *   Fields are pairs of key and value, both const char *, ended by NULL:
 *     log_info(ctx, "listener_opened", "address", text, NULL);
 *   Use log_int() for numbers:  log_info(ctx, "x", "count", LOG_INT(n), NULL).
 */
#ifndef WAYPOST_BASE_LOG_H
#define WAYPOST_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_ctx {
    const struct log_ctx *parent; /* must outlive this one; may be NULL */
    const char *key, *value;      /* one field, not copied; key may be NULL */
};

/* Process-wide settings; call before threads start, or with no threads logging. */
void log_set_level(enum log_level level);
void log_set_process(const char *name); /* "supervisor", "relay", "control"; not copied */
void log_set_fd(int fd);                /* default 2 */
bool log_level_of(const char *name, enum log_level *level_r);
bool log_enabled(enum log_level level);

void log_write(enum log_level level, const struct log_ctx *ctx, const char *event, ...)
    __attribute__((sentinel));

#define log_debug(ctx, ...)                                                                        \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG))                                                                \
            log_write(LOG_DEBUG, ctx, __VA_ARGS__);                                                \
    } while (0)
#define log_info(ctx, ...) log_write(LOG_INFO, ctx, __VA_ARGS__)
#define log_warning(ctx, ...) log_write(LOG_WARNING, ctx, __VA_ARGS__)
#define log_error(ctx, ...) log_write(LOG_ERROR, ctx, __VA_ARGS__)

/* A number as text in a per-call buffer that lives until the end of the enclosing block. */
struct log_num {
    char text[24];
};
const char *log_num(struct log_num *n, int64_t value);
#define LOG_INT(v) log_num(&(struct log_num){ { 0 } }, (int64_t)(v))

#endif
