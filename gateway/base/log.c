#include "gateway/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/json.h"

#define LINE_MAX_BYTES 16384

static atomic_int min_level = LOG_INFO;
static const char *process_name = "waypost";
static int out_fd = 2;

static const char *const level_names[] = { "debug", "info", "warning", "error" };

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

void log_set_process(const char *name)
{
    process_name = name;
}

void log_set_fd(int fd)
{
    out_fd = fd;
}

bool log_level_of(const char *name, enum log_level *level_r)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level_r = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

static void put_context(struct buf *b, const struct log_ctx *ctx)
{
    if (!ctx)
        return;
    put_context(b, ctx->parent);
    if (ctx->key)
        json_cstr(b, ctx->key, ctx->value);
}

void log_write(enum log_level level, const struct log_ctx *ctx, const char *event, ...)
{
    if (!log_enabled(level))
        return;
    struct buf time, line;
    buf_init(&time, 64);
    buf_init(&line, LINE_MAX_BYTES);
    clock_put_rfc3339(&time, clock_wall_ms());
    json_open(&line, '{');
    json_str(&line, "time", buf_slice(&time));
    json_cstr(&line, "level", level_names[level]);
    json_cstr(&line, "process", process_name);
    json_cstr(&line, "event", event);
    put_context(&line, ctx);
    va_list ap;
    va_start(ap, event);
    for (const char *key; (key = va_arg(ap, const char *));)
        json_cstr(&line, key, va_arg(ap, const char *));
    va_end(ap);
    json_close(&line, '}');
    buf_putc(&line, '\n');
    struct slice s = buf_slice(&line);
    if (!line.full && write(out_fd, s.p, s.n) < 0) {
        /* nowhere left to say so */
    }
    buf_free(&line);
    buf_free(&time);
}

const char *log_num(struct log_num *n, int64_t value)
{
    snprintf(n->text, sizeof n->text, "%lld", (long long)value);
    return n->text;
}
