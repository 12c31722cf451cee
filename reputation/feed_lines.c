/*
 * reputation/feed_lines — the formats of one entry a line: netset, DROP as text, DROP as JSON
 */
#include <jansson.h>
#include <string.h>

#include "reputation/feed_internal.h"

static const char NETWORK[] = "an address or a network with its host bits zero";

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *feed_line_netset(struct feed *f, struct slice line)
{
    size_t n = 0;
    struct network network;
    if (line.p[0] == '#' || line.p[0] == ';')
        return NULL;
    while (n < line.n && !is_blank(line.p[n]) && line.p[n] != '#' && line.p[n] != ';')
        n++;
    struct slice entry = { line.p, n }, rest = slice_trim(slice_skip(line, n));
    if (rest.n && rest.p[0] != '#' && rest.p[0] != ';')
        return "a comment or nothing behind the network";
    if (network_parse(entry, &network) != RC_OK)
        return NETWORK;
    uint32_t text = rest.n && rest.p[0] == ';' ? feed_text(f, slice_skip(rest, 1)) : 0;
    return feed_add(f, &network, false, text) ? NULL : "fewer entries";
}

/* ---- JSON ---- */

static const char *read_metadata(struct feed *f, const json_t *object)
{
    const json_t *records = json_object_get(object, "records");
    f->has_end = f->ended = true;
    if (records && (!json_is_integer(records) || json_integer_value(records) != (json_int_t)f->n))
        return "as many records as there are lines before it";
    return NULL;
}

static const char *read_object(struct feed *f, const json_t *object)
{
    const char *type = json_string_value(json_object_get(object, "type"));
    const char *cidr = json_string_value(json_object_get(object, "cidr"));
    const char *id = json_string_value(json_object_get(object, "sblid"));
    struct network network;
    if (type && strcmp(type, "metadata") == 0)
        return read_metadata(f, object);
    if (!cidr || network_parse(slice_of(cidr), &network) != RC_OK)
        return "a member \"cidr\" with a network";
    return feed_add(f, &network, false, id ? feed_text(f, slice_of(id)) : 0) ? NULL
                                                                             : "fewer entries";
}

const char *feed_line_json(struct feed *f, struct slice line)
{
    json_t *object = json_loadb(line.p, line.n, 0, NULL);
    const char *expected = json_is_object(object) ? read_object(f, object) : "a JSON object";
    json_decref(object);
    return expected;
}
