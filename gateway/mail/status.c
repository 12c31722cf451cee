#include "gateway/mail/status.h"

/* A number of one to three digits without a leading zero. */
static bool number(struct slice *s, uint16_t *value_r)
{
    unsigned v = 0;
    size_t n = 0;
    while (n < s->n && n < 4 && s->p[n] >= '0' && s->p[n] <= '9')
        v = v * 10 + (unsigned)(s->p[n++] - '0');
    if (n == 0 || n > 3 || (n > 1 && s->p[0] == '0'))
        return false;
    *value_r = (uint16_t)v;
    s->p += n;
    s->n -= n;
    return true;
}

static bool dot(struct slice *s)
{
    if (s->n == 0 || s->p[0] != '.')
        return false;
    s->p++;
    s->n--;
    return true;
}

bool enhanced_parse(struct slice s, struct enhanced *code_r, struct slice *rest_r)
{
    struct slice at = s;
    struct enhanced code = { 0, 0, 0 };
    uint16_t class_ = 0;
    bool found = number(&at, &class_) && (class_ == 2 || class_ == 4 || class_ == 5) && dot(&at) &&
                 number(&at, &code.subject) && dot(&at) && number(&at, &code.detail) &&
                 (at.n == 0 || at.p[0] == ' ' || at.p[0] == '\t');
    code.class_ = (uint8_t)class_;
    if (found && at.n) {
        at.p++;
        at.n--;
    }
    *code_r = found ? code : (struct enhanced){ 0, 0, 0 };
    if (rest_r)
        *rest_r = found ? at : s;
    return found;
}

void enhanced_put(struct buf *b, struct enhanced code)
{
    if (code.class_ == 0)
        return;
    buf_put_u64(b, code.class_);
    buf_putc(b, '.');
    buf_put_u64(b, code.subject);
    buf_putc(b, '.');
    buf_put_u64(b, code.detail);
}

static bool begins_with(struct slice text, struct enhanced code)
{
    struct enhanced said;
    return enhanced_parse(text, &said, NULL) && said.class_ == code.class_ &&
           said.subject == code.subject && said.detail == code.detail;
}

void status_put_reply(struct buf *b, unsigned smtp_code, struct enhanced code, struct slice text)
{
    if (smtp_code)
        buf_printf(b, "%u%s", smtp_code, code.class_ || text.n ? " " : "");
    if (code.class_ && !begins_with(text, code)) {
        enhanced_put(b, code);
        buf_puts(b, text.n ? " " : "");
    }
    buf_put_slice(b, text);
}

struct enhanced enhanced_or_default(struct enhanced code, unsigned smtp_code)
{
    unsigned first = smtp_code / 100;
    if (code.class_ || (first != 2 && first != 4 && first != 5))
        return code;
    return (struct enhanced){ (uint8_t)first, 0, 0 };
}
