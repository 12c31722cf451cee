#include "gateway/mail/address.h"

#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/utf8.h"

static bool atext(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c > 127 ||
           (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Length of the quoted string at the front of `s`, quotes included; 0: there is none. */
static size_t quoted_length(struct slice s)
{
    bool escaped = false;
    for (size_t i = 1; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 127 || (escaped && c > 127)) /* quoted-pairSMTP is ASCII */
            return 0;
        if (c == '"' && !escaped)
            return i + 1;
        escaped = c == '\\' && !escaped;
    }
    return 0;
}

/* Length of the dot-string at the front of `s`; 0: there is none. */
static size_t dot_string_length(struct slice s)
{
    size_t i = 0;
    while (i < s.n && (atext((unsigned char)s.p[i]) || s.p[i] == '.')) {
        if (s.p[i] == '.' && (i == 0 || s.p[i - 1] == '.'))
            return 0;
        i++;
    }
    return i && s.p[i - 1] == '.' ? 0 : i;
}

static size_t local_length(struct slice s)
{
    return s.n && s.p[0] == '"' ? quoted_length(s) : dot_string_length(s);
}

/* RFC 5321 section 4.1.3; the general form has no registered tag, so it is not taken. */
static bool literal_is_valid(struct slice inner)
{
    struct addr addr;
    bool v6 = slice_istarts_with(inner, "IPv6:");
    struct slice text = v6 ? slice_skip(inner, 5) : inner;
    if (text.n == 0 || text.p[0] == '[' || addr_parse(text, &addr) != RC_OK || addr.port)
        return false;
    return v6 == (memchr(text.p, ':', text.n) != NULL);
}

static enum rc literal_parse(struct slice s, struct slice *domain_r)
{
    const char *close = memchr(s.p, ']', s.n);
    if (!close)
        return RC_PARSE;
    size_t n = (size_t)(close - s.p) + 1;
    if (!literal_is_valid((struct slice){ s.p + 1, n - 2 }))
        return RC_PARSE;
    *domain_r = (struct slice){ s.p, n };
    return RC_OK;
}

/* The domain at the front of `s`: up to the first byte that cannot be part of one. */
static enum rc domain_parse(struct slice s, struct slice *domain_r)
{
    if (s.n && s.p[0] == '[')
        return literal_parse(s, domain_r);
    size_t n = 0;
    while (n < s.n && s.p[n] != '>' && s.p[n] != ',' && s.p[n] != ':' && s.p[n] != ' ')
        n++;
    *domain_r = (struct slice){ s.p, n };
    return domain_check(*domain_r, true);
}

/* Whoever accepts a domain in UTF-8 must be able to look it up, and to name it to others in
 * ASCII. */
static enum rc has_a_labels(struct slice domain)
{
    struct domain ascii;
    return domain_to_ascii(domain, &ascii);
}

/* The mailbox at the front of `s`; address_r->text tells how far it goes. */
static enum rc mailbox_parse(struct slice s, struct address *a)
{
    *a = (struct address){ .text = { s.p, 0 } };
    a->local = (struct slice){ s.p, local_length(s) };
    if (a->local.n == 0)
        return RC_PARSE;
    struct slice rest = slice_skip(s, a->local.n);
    if (rest.n && rest.p[0] == '@') {
        enum rc parsed = domain_parse(slice_skip(rest, 1), &a->domain);
        if (parsed)
            return parsed;
        a->literal = a->domain.p[0] == '[';
        a->text.n = a->local.n + 1 + a->domain.n;
    } else if (slice_ieq_str(a->local, "postmaster")) {
        a->text.n = a->local.n;
    } else {
        return RC_PARSE;
    }
    a->local_utf8 = !utf8_is_ascii(a->local);
    a->domain_utf8 = !utf8_is_ascii(a->domain);
    if (a->local_utf8 && !utf8_is_valid(a->local))
        return RC_PARSE;
    enum rc rc = a->domain_utf8 ? has_a_labels(a->domain) : RC_OK;
    if (rc)
        return rc;
    return a->local.n > ADDRESS_LOCAL_MAX || a->text.n > ADDRESS_MAX ? RC_LIMIT : RC_OK;
}

enum rc address_parse(struct slice text, struct address *address_r)
{
    enum rc rc = mailbox_parse(text, address_r);
    return rc == RC_OK && address_r->text.n != text.n ? RC_PARSE : rc;
}

/* RFC 5321 section 4.1.1.3 and appendix C: `@a,@b:` is read and thrown away. */
static enum rc skip_source_route(struct slice *s)
{
    while (s->n && s->p[0] == '@') {
        struct slice hop;
        enum rc rc = domain_parse(slice_skip(*s, 1), &hop);
        if (rc)
            return rc;
        *s = slice_skip(*s, 1 + hop.n);
        if (s->n < 2 || (s->p[0] != ':' && (s->p[0] != ',' || s->p[1] != '@')))
            return RC_PARSE;
        *s = slice_skip(*s, 1);
        if (s->p[-1] == ':')
            return s->p[0] == '@' ? RC_PARSE : RC_OK;
    }
    return RC_OK;
}

enum rc address_parse_path(struct slice text, struct address *address_r, struct slice *rest_r)
{
    *address_r = (struct address){ .text = { NULL, 0 } };
    if (text.n < 2 || text.p[0] != '<')
        return RC_PARSE;
    struct slice s = slice_skip(text, 1);
    if (s.p[0] != '>') {
        enum rc rc = skip_source_route(&s);
        if (!rc)
            rc = mailbox_parse(s, address_r);
        if (rc)
            return rc;
        s = slice_skip(s, address_r->text.n);
    }
    if (s.n == 0 || s.p[0] != '>')
        return RC_PARSE;
    *rest_r = slice_skip(s, 1);
    return RC_OK;
}

bool address_is_null(const struct address *address)
{
    return address->text.n == 0;
}

bool address_needs_utf8(const struct address *address)
{
    return address->local_utf8;
}

enum rc address_put_ascii(struct buf *out, const struct address *a)
{
    struct domain domain;
    if (a->local_utf8)
        return RC_DENIED;
    if (!a->domain_utf8) {
        buf_put_slice(out, a->text);
        return RC_OK;
    }
    enum rc rc = domain_to_ascii(a->domain, &domain);
    if (rc)
        return rc;
    buf_put_slice(out, a->local);
    buf_putc(out, '@');
    buf_put_slice(out, domain_slice(&domain));
    return RC_OK;
}

/* The local part with its quotes and backslashes undone, as far as they say nothing. */
static void put_local_key(struct buf *out, struct slice local)
{
    if (local.n == 0 || local.p[0] != '"') {
        buf_put_slice(out, local);
        return;
    }
    char plain[ADDRESS_LOCAL_MAX];
    size_t n = 0;
    for (size_t i = 1; i + 1 < local.n && n < sizeof plain; i++) {
        if (local.p[i] == '\\')
            i++;
        plain[n++] = local.p[i];
    }
    struct slice text = { plain, n };
    if (n && dot_string_length(text) == n) {
        buf_put_slice(out, text);
        return;
    }
    buf_putc(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (plain[i] == '"' || plain[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, plain[i]);
    }
    buf_putc(out, '"');
}

struct slice address_domain(struct slice text)
{
    const char *at = text.n ? memrchr(text.p, '@', text.n) : NULL;
    return at ? slice_skip(text, (size_t)(at - text.p) + 1) : slice_of("");
}

void address_put_key(struct buf *out, const struct address *a)
{
    struct domain domain;
    put_local_key(out, a->local);
    if (a->domain.n == 0)
        return;
    buf_putc(out, '@');
    if (domain_to_ascii(a->domain, &domain) == RC_OK)
        buf_put_slice(out, domain_slice(&domain));
    else
        buf_put_slice(out, a->domain);
}
