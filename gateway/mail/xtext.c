#include "gateway/mail/xtext.h"

#include "gateway/base/utf8.h"

static int hex_value(char c, bool lower_too)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return lower_too && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool xchar(char c)
{
    return c > ' ' && c <= '~' && c != '+' && c != '=';
}

/* One character at s->p[0], decoded; moves on. Forgives lower-case hex digits. -1: not xtext. */
static int next_char(struct slice *s)
{
    size_t n = 1;
    int value = (unsigned char)s->p[0];
    if (s->p[0] == '+') {
        int high = s->n > 2 ? hex_value(s->p[1], true) : -1;
        int low = s->n > 2 ? hex_value(s->p[2], true) : -1;
        if (high < 0 || low < 0)
            return -1;
        value = high << 4 | low;
        n = 3;
    } else if (!xchar(s->p[0])) {
        return -1;
    }
    s->p += n;
    s->n -= n;
    return value;
}

bool xtext_is_valid(struct slice s)
{
    if (s.n == 0)
        return false;
    while (s.n)
        if (next_char(&s) < 0)
            return false;
    return true;
}

enum rc xtext_decode(struct slice s, struct buf *out)
{
    while (s.n) {
        int c = next_char(&s);
        if (c < 0)
            return RC_PARSE;
        buf_putc(out, (char)c);
    }
    return RC_OK;
}

static bool type_is_valid(struct slice type)
{
    if (type.n == 0)
        return false;
    for (size_t i = 0; i < type.n; i++) {
        char c = type.p[i];
        if (c <= ' ' || c > '~' || c == ';' || c == '(' || c == ')' || c == '<' || c == '>' ||
            c == '@' || c == ',' || c == ':' || c == '\\' || c == '"' || c == '/' || c == '=')
            return false;
    }
    return true;
}

/* A UTF-8 form is what is left of xtext's rules: raw UTF-8, printable. */
static bool utf8_form_is_valid(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return s.n > 0 && utf8_is_valid(s);
}

bool orcpt_is_valid(struct slice s)
{
    struct slice type, value;
    if (!slice_cut(s, ';', &type, &value) || !type_is_valid(type))
        return false;
    return slice_ieq_str(type, "utf-8") ? utf8_form_is_valid(value) : xtext_is_valid(value);
}

static void put_code_point(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(out, (char)c);
        return;
    }
    char bytes[4];
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3f));
    bytes[0] = (char)((n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | c);
    buf_put(out, bytes, n);
}

/* "\x{1F600}" at s->p[0], RFC 6533 section 3; moves on. 0: it is not one. */
static uint32_t embedded_code_point(struct slice *s)
{
    uint32_t c = 0;
    size_t i = 3;
    if (s->n < 5 || s->p[0] != '\\' || (s->p[1] != 'x' && s->p[1] != 'X') || s->p[2] != '{')
        return 0;
    for (; i < s->n && i < 9 && hex_value(s->p[i], true) >= 0; i++)
        c = c << 4 | (uint32_t)hex_value(s->p[i], true);
    if (i == 3 || i >= s->n || s->p[i] != '}' || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    s->p += i + 1;
    s->n -= i + 1;
    return c;
}

static void put_fit(struct buf *out, uint32_t c)
{
    if (c < ' ' || c == 127)
        buf_putc(out, '?');
    else
        put_code_point(out, c);
}

static void put_utf8_form(struct buf *out, struct slice s)
{
    while (s.n) {
        uint32_t c = embedded_code_point(&s);
        if (c) {
            put_fit(out, c);
            continue;
        }
        buf_putc(out, s.p[0] >= 0 && s.p[0] < ' ' ? '?' : s.p[0]);
        s.p++;
        s.n--;
    }
}

void orcpt_put_decoded(struct slice orcpt, struct buf *out)
{
    struct slice type, value;
    if (!slice_cut(orcpt, ';', &type, &value))
        return;
    buf_put_slice(out, type);
    buf_putc(out, ';');
    if (slice_ieq_str(type, "utf-8")) {
        put_utf8_form(out, value);
        return;
    }
    while (value.n) {
        int c = next_char(&value);
        if (c < 0)
            return;
        buf_putc(out, (char)(c < ' ' || c > '~' ? '?' : c));
    }
}

/* One code point of valid UTF-8 at s->p[0]; moves on. */
static uint32_t take_code_point(struct slice *s)
{
    unsigned char lead = (unsigned char)s->p[0];
    size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    uint32_t c = n == 1 ? lead : lead & (0x7fu >> n);
    if (n > s->n)
        n = s->n;
    for (size_t i = 1; i < n; i++)
        c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
    s->p += n;
    s->n -= n;
    return c;
}

void orcpt_put_ascii(struct slice orcpt, struct buf *out)
{
    while (orcpt.n) {
        uint32_t c = take_code_point(&orcpt);
        if (c < 128)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "\\x{%X}", (unsigned)c);
    }
}
