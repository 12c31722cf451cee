#include "reputation/dnsbl_answer.h"

#include <string.h>

enum { DNS_TEXT_MAX = 253 };

enum rc dnsbl_name(const struct addr *address, struct slice zone, char name[DNSBL_NAME_MAX])
{
    static const char hex[] = "0123456789abcdef";
    struct buf b;
    buf_init(&b, DNS_TEXT_MAX);
    if (address->family == ADDR_V4) {
        for (size_t i = 4; i-- > 0;)
            buf_printf(&b, "%u.", (unsigned)address->bytes[i]);
    } else {
        for (size_t i = 16; i-- > 0;)
            buf_printf(&b, "%c.%c.", hex[address->bytes[i] & 15], hex[address->bytes[i] >> 4]);
    }
    buf_put_slice(&b, zone);
    enum rc rc = b.full ? RC_LIMIT : RC_OK;
    if (rc == RC_OK) {
        memcpy(name, buf_slice(&b).p, buf_len(&b));
        name[buf_len(&b)] = '\0';
    }
    buf_free(&b);
    return rc;
}

static uint32_t host_order(const struct addr *a)
{
    return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 | (uint32_t)a->bytes[2] << 8 |
           a->bytes[3];
}

/* Why this address says nothing about what was asked for; NULL: it does. */
static const char *error_of(const struct dnsbl_codes *codes, uint32_t answer)
{
    const struct zone_code *error = zone_code_find(codes->errors, codes->error_n, answer);
    if (answer >> 24 != 127)
        return "the answer is not in 127.0.0.0/8: the resolver or the zone is not what it was";
    if (error)
        return error->text;
    switch (answer) {
    case 0x7ffffffc: /* 127.255.255.252 */
        return "the list knows no such zone";
    case 0x7ffffffe:
        return "the list does not answer this resolver";
    case 0x7fffffff:
        return "the list is asked too often";
    default:
        break;
    }
    if (answer >> 8 == 0x7fffff)
        return "the list answers with an error";
    if (answer == 0x7f000001 && !zone_code_find(codes->codes, codes->code_n, answer))
        return "the list refuses to answer";
    return NULL;
}

static bool graver(const struct zone_code *a, const struct zone_code *b)
{
    return !b || a->points > b->points || (a->points == b->points && a->kind < b->kind);
}

static struct dnsbl_finding judge(const struct dnsbl_codes *codes, const struct dnsbl_answer *a)
{
    struct dnsbl_finding f = { a->state, a->why, NULL, 0 };
    for (size_t i = 0; a->state == LIST_LISTED && i < a->n; i++) {
        uint32_t answer = host_order(&a->addrs[i]);
        const struct zone_code *code = zone_code_find(codes->codes, codes->code_n, answer);
        const char *why = a->addrs[i].family == ADDR_V4 ? error_of(codes, answer) : "not IPv4";
        if (why)
            return (struct dnsbl_finding){ LIST_UNKNOWN, why, NULL, 0 };
        if (code && graver(code, f.code)) {
            f.code = code;
            f.answer = answer;
        }
    }
    return f;
}

struct dnsbl_finding dnsbl_judge(const struct dnsbl_codes *codes, const struct dnsbl_answer *a)
{
    struct dnsbl_finding f = judge(codes, a);
    if (f.state == LIST_LISTED && !f.code)
        f.state = LIST_CLEAR;
    return f;
}

struct dnsbl_finding dnsbl_judge_test(const struct dnsbl_codes *codes, const struct dnsbl_answer *a)
{
    return judge(codes, a);
}
