#include "gateway/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to up to three bytes; `keep` is how many characters are not padding. */
static bool decode_group(const char *in, size_t keep, char out_r[3])
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int v = i < keep ? value_of(in[i]) : 0;
        if (v < 0)
            return false;
        bits = bits << 6 | (uint32_t)v;
    }
    for (size_t i = 0; i < 3; i++)
        out_r[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    return keep == 4 || (bits & (keep == 3 ? 0xffu : 0xffffu)) == 0;
}

static size_t padding_of(struct slice in)
{
    if (in.n == 0 || in.p[in.n - 1] != '=')
        return 0;
    return in.p[in.n - 2] == '=' ? 2 : 1;
}

enum rc base64_decode(struct slice in, struct buf *out_r)
{
    if (in.n % 4 != 0)
        return RC_PARSE;
    size_t padding = padding_of(in), start = buf_len(out_r);
    for (size_t i = 0; i < in.n; i += 4) {
        char bytes[3];
        size_t keep = i + 4 == in.n ? 4 - padding : 4;
        if (!decode_group(in.p + i, keep, bytes)) {
            out_r->end = out_r->start + start;
            return RC_PARSE;
        }
        buf_put(out_r, bytes, keep - 1);
    }
    return RC_OK;
}

void base64_encode(struct slice in, struct buf *out_r)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t n = in.n - i < 3 ? in.n - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (unsigned char)in.p[i + k] : 0);
        char text[4];
        for (size_t k = 0; k < 4; k++)
            text[k] = k <= n ? alphabet[bits >> (18 - 6 * k) & 0x3f] : '=';
        buf_put(out_r, text, 4);
    }
}
