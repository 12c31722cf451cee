#include "gateway/base/utf8.h"

#include <string.h>

bool utf8_is_ascii(struct slice s)
{
    uint64_t seen = 0, words[4];
    size_t i = 0;
    for (; i + sizeof words <= s.n; i += sizeof words) {
        memcpy(words, s.p + i, sizeof words);
        seen |= words[0] | words[1] | words[2] | words[3];
    }
    for (; i < s.n; i++)
        seen |= (unsigned char)s.p[i];
    return (seen & 0x8080808080808080u) == 0;
}

static bool continues(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* Length of the sequence at p (n > 0 bytes are there), 0 when it is none (RFC 3629 section 4). */
static size_t sequence(const unsigned char *p, size_t n)
{
    if (p[0] < 0x80)
        return 1;
    size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < want || !continues(p + 1, want - 1))
        return 0;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    if (p[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* above U+10FFFF */
    return p[1] >= low && p[1] <= high ? want : 0;
}

bool utf8_is_valid(struct slice s)
{
    if (utf8_is_ascii(s))
        return true;
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t left = s.n; left;) {
        size_t n = sequence(p, left);
        if (n == 0)
            return false;
        p += n;
        left -= n;
    }
    return true;
}
