#include "gateway/smtp/ehlo.h"

#include "gateway/base/clock.h"

/* Extensions that are a bare keyword; those with a value are written and read one by one. */
static const struct {
    struct slice name;
    enum smtp_ext ext;
} keywords[] = {
    { SLICE_INIT("PIPELINING"), EXT_PIPELINING },
    { SLICE_INIT("8BITMIME"), EXT_8BITMIME },
    { SLICE_INIT("SMTPUTF8"), EXT_SMTPUTF8 },
    { SLICE_INIT("ENHANCEDSTATUSCODES"), EXT_ENHANCED },
    { SLICE_INIT("CHUNKING"), EXT_CHUNKING },
    { SLICE_INIT("BINARYMIME"), EXT_BINARYMIME },
    { SLICE_INIT("DSN"), EXT_DSN },
    { SLICE_INIT("MT-PRIORITY"), EXT_MT_PRIORITY },
    { SLICE_INIT("STARTTLS"), EXT_STARTTLS },
};

enum { KEYWORDS_N = sizeof keywords / sizeof keywords[0] };

static unsigned auth_of(struct slice mechanisms)
{
    unsigned auth = 0;
    struct slice word;
    bool more = mechanisms.n > 0;
    while (more) {
        more = slice_cut(mechanisms, ' ', &word, &mechanisms);
        if (slice_ieq_str(word, "PLAIN"))
            auth |= AUTH_PLAIN;
        else if (slice_ieq_str(word, "LOGIN"))
            auth |= AUTH_LOGIN;
    }
    return auth;
}

/* RFC 9422: "MAILMAX=100 RCPTMAX=50"; what is not understood is passed over. */
static void parse_limits(struct slice list, struct ehlo_caps *caps)
{
    struct slice word, name, number;
    bool more = list.n > 0;
    while (more) {
        uint64_t value;
        more = slice_cut(list, ' ', &word, &list);
        slice_cut(word, '=', &name, &number);
        if (!slice_to_u64(number, UINT32_MAX, &value))
            continue;
        if (slice_ieq_str(name, "MAILMAX"))
            caps->mail_max = (uint32_t)value;
        else if (slice_ieq_str(name, "RCPTMAX"))
            caps->rcpt_max = (uint32_t)value;
        else if (slice_ieq_str(name, "RCPTDOMAINMAX"))
            caps->rcptdomain_max = (uint32_t)value;
    }
}

/* "240", "240,more", ",more" or nothing. */
static void parse_deliverby(struct slice value, struct ehlo_caps *caps)
{
    struct slice least, more;
    uint64_t seconds;
    slice_cut(value, ',', &least, &more);
    caps->ext |= EXT_DELIVERBY;
    caps->by_min = slice_to_u64(slice_trim(least), UINT32_MAX, &seconds) ? (uint32_t)seconds : 0;
}

static void parse_line(struct slice line, struct ehlo_caps *caps)
{
    struct slice name, value;
    slice_cut(line, ' ', &name, &value);
    value = slice_trim(value);
    if (slice_istarts_with(name, "AUTH=")) { /* before RFC 2554 */
        caps->auth |= auth_of(slice_skip(name, 5)) | auth_of(value);
        caps->ext |= EXT_AUTH;
    } else if (slice_ieq_str(name, "AUTH")) {
        caps->auth |= auth_of(value);
        caps->ext |= EXT_AUTH;
    } else if (slice_ieq_str(name, "SIZE")) {
        caps->ext |= EXT_SIZE;
        if (!slice_to_u64(value, UINT64_MAX, &caps->size_max))
            caps->size_max = 0;
    } else if (slice_ieq_str(name, "LIMITS")) {
        caps->ext |= EXT_LIMITS;
        parse_limits(value, caps);
    } else if (slice_ieq_str(name, "DELIVERBY")) {
        parse_deliverby(value, caps);
    }
    for (size_t i = 0; i < KEYWORDS_N; i++)
        if (slice_ieq(name, keywords[i].name))
            caps->ext |= keywords[i].ext;
}

void ehlo_parse(struct slice text, struct ehlo_caps *caps_r)
{
    struct slice line;
    *caps_r = (struct ehlo_caps){ .ext = 0 };
    bool more = slice_cut(text, '\n', &line, &text); /* the greeting */
    while (more) {
        more = slice_cut(text, '\n', &line, &text);
        parse_line(slice_trim(line), caps_r);
    }
    if (!(caps_r->ext & EXT_CHUNKING))
        caps_r->ext &= ~(unsigned)EXT_BINARYMIME;
}

static void put_number(struct buf *out, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    buf_puts(out, name);
    buf_put_u64(out, value);
}

/* The line without its "250-" and line end; nothing when this extension is not offered. */
static void put_value_line(struct buf *out, enum smtp_ext ext, const struct ehlo_caps *caps)
{
    if (ext == EXT_SIZE) {
        buf_puts(out, "SIZE");
        put_number(out, " ", caps->size_max);
    } else if (ext == EXT_AUTH) {
        buf_puts(out, "AUTH");
        buf_puts(out, caps->auth & AUTH_PLAIN ? " PLAIN" : "");
        buf_puts(out, caps->auth & AUTH_LOGIN ? " LOGIN" : "");
    } else if (ext == EXT_DELIVERBY) {
        buf_puts(out, "DELIVERBY");
        put_number(out, " ", caps->by_min);
    } else if (ext == EXT_FUTURERELEASE) {
        buf_puts(out, "FUTURERELEASE ");
        buf_put_u64(out, caps->hold_max_s);
        buf_putc(out, ' ');
        clock_put_rfc3339(out, caps->hold_until_ms);
    } else {
        buf_puts(out, "LIMITS");
        put_number(out, " MAILMAX=", caps->mail_max);
        put_number(out, " RCPTMAX=", caps->rcpt_max);
        put_number(out, " RCPTDOMAINMAX=", caps->rcptdomain_max);
    }
}

void ehlo_put(struct buf *out, struct slice hostname, const struct ehlo_caps *caps)
{
    static const enum smtp_ext valued[] = { EXT_SIZE, EXT_DELIVERBY, EXT_FUTURERELEASE, EXT_AUTH,
                                            EXT_LIMITS };
    size_t last = buf_len(out); /* where the last line starts */
    buf_puts(out, "250-");
    buf_put_slice(out, hostname);
    for (size_t i = 0; i < KEYWORDS_N; i++) {
        if (!(caps->ext & keywords[i].ext))
            continue;
        buf_puts(out, "\r\n250-");
        last = buf_len(out) - 4;
        buf_put_slice(out, keywords[i].name);
    }
    for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++) {
        if (!(caps->ext & valued[i]))
            continue;
        buf_puts(out, "\r\n250-");
        last = buf_len(out) - 4;
        put_value_line(out, valued[i], caps);
    }
    buf_puts(out, "\r\n");
    if (!out->full)
        out->mem[out->start + last + 3] = ' ';
}
