#include "gateway/dns/answer.h"

#include <string.h>

#include "gateway/base/cursor.h"

enum { HEADER = 12, WIRE_NAME_MAX = 255, LABEL_MAX = 63, CHAIN_MAX = 16 };

struct packet {
    const uint8_t *bytes;
    size_t n;
    struct arena *arena;
};

/* Appends one label as text; false when it does not fit (it always does within WIRE_NAME_MAX). */
static size_t put_label(char *text, size_t at, const uint8_t *label, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int c = ascii_lower(label[i]);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (plain) {
            text[at++] = (char)c;
            continue;
        }
        text[at++] = '\\';
        text[at++] = (char)('0' + c / 100);
        text[at++] = (char)('0' + c / 10 % 10);
        text[at++] = (char)('0' + c % 10);
    }
    return at;
}

/* Reads the name at cur, following pointers that lead strictly backwards; cur->bad on error. */
static const char *read_name(const struct packet *pk, struct cursor *cur)
{
    char text[DNS_NAME_TEXT_MAX];
    size_t at = 0, wire = 1;
    struct cursor here = *cur;
    size_t lowest = (size_t)(cur->p - pk->bytes);
    bool jumped = false;
    for (;;) {
        uint8_t n = cur_u8(&here);
        if ((n & 0xc0) == 0xc0) {
            size_t target = (size_t)(n & 0x3f) << 8 | cur_u8(&here);
            if (!jumped)
                *cur = here;
            jumped = true;
            if (here.bad || target >= lowest || target < HEADER)
                goto bad;
            lowest = target;
            here = cur_of(pk->bytes + target, pk->n - target);
            continue;
        }
        wire += n + 1u;
        struct slice label = cur_bytes(&here, n);
        if (here.bad || n > LABEL_MAX || wire > WIRE_NAME_MAX + 1)
            goto bad;
        if (n == 0)
            break;
        if (at)
            text[at++] = '.';
        at = put_label(text, at, (const uint8_t *)label.p, n);
    }
    if (!jumped)
        *cur = here;
    return arena_strndup(pk->arena, text, at);
bad:
    cur->bad = true;
    return "";
}

static void read_addr(struct cursor *data, enum addr_family family, struct addr *addr_r)
{
    size_t n = family == ADDR_V4 ? 4 : 16;
    struct slice bytes = cur_bytes(data, n);
    if (data->bad)
        return;
    addr_r->family = (uint8_t)family;
    memcpy(addr_r->bytes, bytes.p, n);
}

static void read_text(const struct packet *pk, struct cursor *data, struct dns_record *r)
{
    char *text = arena_alloc(pk->arena, cur_left(data) + 1);
    size_t n = 0;
    while (cur_left(data) && !data->bad) {
        struct slice part = cur_bytes(data, cur_u8(data));
        if (part.n)
            memcpy(text + n, part.p, part.n);
        n += part.n;
    }
    r->text = (struct slice){ text, n };
}

static void skip_soa_numbers(struct cursor *data)
{
    for (int i = 0; i < 4; i++) /* serial, refresh, retry, expire */
        cur_u32be(data);
}

/* The data of one record; `data` spans exactly RDLENGTH bytes of the packet. */
static void read_data(const struct packet *pk, struct cursor *data, struct dns_record *r)
{
    switch (r->type) {
    case DNS_A:
        read_addr(data, ADDR_V4, &r->addr);
        break;
    case DNS_AAAA:
        read_addr(data, ADDR_V6, &r->addr);
        break;
    case DNS_MX:
        r->preference = cur_u16be(data);
        r->name = read_name(pk, data);
        break;
    case DNS_CNAME:
    case DNS_PTR:
        r->name = read_name(pk, data);
        break;
    case DNS_TXT:
        read_text(pk, data, r);
        break;
    case DNS_SOA:
        read_name(pk, data);
        read_name(pk, data);
        skip_soa_numbers(data);
        r->minimum = cur_u32be(data);
        break;
    default:
        return;
    }
    if (cur_left(data))
        data->bad = true;
}

static void read_record(const struct packet *pk, struct cursor *cur, struct dns_record *r)
{
    *r = (struct dns_record){ 0 };
    r->owner = read_name(pk, cur);
    r->type = cur_u16be(cur);
    uint16_t class = cur_u16be(cur);
    r->ttl = cur_u32be(cur);
    if (r->ttl > INT32_MAX)
        r->ttl = 0;
    uint16_t n = cur_u16be(cur);
    struct cursor data = *cur;
    struct slice bytes = cur_bytes(cur, n);
    if (cur->bad)
        return;
    data.end = (const uint8_t *)bytes.p + bytes.n;
    if (class != 1 && r->type != DNS_OPT)
        r->type = 0; /* another class says nothing about the internet */
    read_data(pk, &data, r);
    cur->bad = data.bad;
}

static void note_soa(struct dns_answer *a, const struct dns_record *r)
{
    if (r->type != DNS_SOA || a->has_negative_ttl)
        return;
    a->has_negative_ttl = true;
    a->negative_ttl = r->ttl < r->minimum ? r->ttl : r->minimum;
}

static enum rc read_sections(const struct packet *pk, struct cursor *cur, struct dns_answer *a,
                             size_t answers, size_t authorities)
{
    struct dns_record r;
    if (answers > DNS_RECORDS_MAX || authorities > DNS_RECORDS_MAX)
        return RC_LIMIT;
    a->records = arena_alloc(pk->arena, (answers + 1) * sizeof *a->records);
    for (; a->count < answers && !cur->bad; a->count++)
        read_record(pk, cur, &a->records[a->count]);
    for (size_t i = 0; i < authorities && !cur->bad; i++) {
        read_record(pk, cur, &r);
        if (!cur->bad)
            note_soa(a, &r);
    }
    return cur->bad ? RC_PARSE : RC_OK;
}

enum rc answer_parse(const void *packet, size_t n, struct arena *arena, struct dns_answer *a)
{
    struct packet pk = { packet, n, arena };
    struct cursor cur = cur_of(packet, n);
    *a = (struct dns_answer){ .question = "" };
    a->id = cur_u16be(&cur);
    uint16_t flags = cur_u16be(&cur);
    uint16_t questions = cur_u16be(&cur), answers = cur_u16be(&cur);
    uint16_t authorities = cur_u16be(&cur);
    cur_u16be(&cur); /* the additional section is not used */
    a->rcode = flags & 0x0f;
    a->truncated = flags & 0x0200;
    a->authentic = flags & 0x0020;
    if (cur.bad || !(flags & 0x8000) || questions > 1)
        return RC_PARSE;
    if (questions) {
        a->has_question = true;
        a->question = read_name(&pk, &cur);
        a->question_type = cur_u16be(&cur);
        cur_u16be(&cur);
    }
    return cur.bad ? RC_PARSE : read_sections(&pk, &cur, a, answers, authorities);
}

static const struct dns_record *cname_of(const struct dns_answer *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (a->records[i].type == DNS_CNAME && strcmp(a->records[i].owner, name) == 0)
            return &a->records[i];
    return NULL;
}

struct dns_found answer_find(const struct dns_answer *a, const char *name, uint16_t type)
{
    struct dns_found found = { .name = name };
    uint32_t ttl = UINT32_MAX;
    const struct dns_record *cname;
    for (int steps = 0; type != DNS_CNAME && (cname = cname_of(a, found.name)); steps++) {
        found.followed = true;
        found.name = cname->name;
        ttl = cname->ttl < ttl ? cname->ttl : ttl;
        if (steps == CHAIN_MAX) {
            found.looped = true;
            return found;
        }
    }
    for (const struct dns_record *r = NULL; (r = answer_next(a, &found, type, r));) {
        found.count++;
        ttl = r->ttl < ttl ? r->ttl : ttl;
    }
    found.ttl = found.count ? ttl : 0;
    return found;
}

const struct dns_record *answer_next(const struct dns_answer *a, const struct dns_found *found,
                                     uint16_t type, const struct dns_record *after)
{
    size_t i = after ? (size_t)(after - a->records) + 1 : 0;
    for (; i < a->count; i++)
        if (a->records[i].type == type && strcmp(a->records[i].owner, found->name) == 0)
            return &a->records[i];
    return NULL;
}

bool dns_is_host_name(const char *name)
{
    size_t label = 0, n = 0;
    bool digits = true;
    for (; name[n]; n++) {
        char c = name[n];
        if (c == '.') {
            if (label == 0 || label > LABEL_MAX)
                return false;
            label = 0;
            digits = true;
            continue;
        }
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
        digits = digits && digit;
        label++;
    }
    return label > 0 && label <= LABEL_MAX && !digits && n <= 253;
}
