#include "gateway/base/rc.h"

#include <stdio.h>

const char *rc_name(enum rc rc)
{
    switch (rc) {
    case RC_OK:
        return "ok";
    case RC_AGAIN:
        return "again";
    case RC_PARSE:
        return "parse";
    case RC_LIMIT:
        return "limit";
    case RC_IO:
        return "io";
    case RC_NOT_FOUND:
        return "not_found";
    case RC_DENIED:
        return "denied";
    case RC_CORRUPT:
        return "corrupt";
    case RC_CLOSED:
        return "closed";
    case RC_TIMEOUT:
        return "timeout";
    }
    return "unknown";
}

enum rc err_set(struct err *e, enum rc code, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        e->code = code;
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return code;
}
