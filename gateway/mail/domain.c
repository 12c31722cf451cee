#include "gateway/mail/domain.h"

#include <idn2.h>
#include <string.h>

#include "gateway/base/utf8.h"

enum { LABEL_MAX = 63 };

static bool label_char(unsigned char c, bool allow_utf8)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || (allow_utf8 && c > 127);
}

/* A U-label's length is known only as A-label, so only ASCII ones are measured here. */
static enum rc label_check(struct slice label, bool allow_utf8)
{
    if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return RC_PARSE;
    for (size_t i = 0; i < label.n; i++)
        if (!label_char((unsigned char)label.p[i], allow_utf8))
            return RC_PARSE;
    return label.n > LABEL_MAX && utf8_is_ascii(label) ? RC_LIMIT : RC_OK;
}

enum rc domain_check(struct slice text, bool allow_utf8)
{
    if (text.n > DOMAIN_MAX)
        return RC_LIMIT;
    if (!utf8_is_valid(text))
        return RC_PARSE;
    struct slice label, rest = text;
    bool more = true;
    while (more) {
        more = slice_cut(rest, '.', &label, &rest);
        enum rc rc = label_check(label, allow_utf8);
        if (rc)
            return rc;
    }
    return RC_OK;
}

static enum rc keep_lower(struct slice text, struct domain *domain_r)
{
    if (text.n > DOMAIN_MAX)
        return RC_LIMIT;
    ascii_lower_copy(domain_r->text, text.p, text.n);
    domain_r->text[text.n] = '\0';
    domain_r->n = (uint8_t)text.n;
    return RC_OK;
}

/* RFC 5891 section 5: look-up protocol, with the mapping that users expect (case, width). */
static enum rc by_idna(struct slice text, struct domain *domain_r)
{
    uint8_t source[DOMAIN_MAX + 1];
    uint8_t *ascii = NULL;
    memcpy(source, text.p, text.n);
    source[text.n] = '\0';
    int found = idn2_lookup_u8(source, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (found == IDN2_TOO_BIG_LABEL || found == IDN2_TOO_BIG_DOMAIN)
        return RC_LIMIT;
    if (found != IDN2_OK)
        return RC_PARSE;
    struct slice name = slice_of((const char *)ascii);
    /* Mapping may bring in dots and other ASCII (a full-width dot): look again. */
    enum rc rc = domain_check(name, false);
    if (!rc)
        rc = keep_lower(name, domain_r);
    idn2_free(ascii);
    return rc;
}

enum rc domain_to_ascii(struct slice text, struct domain *domain_r)
{
    domain_r->n = 0;
    domain_r->text[0] = '\0';
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        return keep_lower(text, domain_r);
    enum rc rc = domain_check(text, true);
    if (rc)
        return rc;
    return utf8_is_ascii(text) ? keep_lower(text, domain_r) : by_idna(text, domain_r);
}

struct slice domain_slice(const struct domain *domain)
{
    return (struct slice){ domain->text, domain->n };
}
