#include "gateway/geo/fields.h"

#include <stdio.h>
#include <string.h>

enum { PATH_PARTS = 4, SUBDIVISIONS = 4 };

struct path {
    const char *part[PATH_PARTS]; /* NULL-terminated */
};

static const struct path asn_paths[] = {
    { { "autonomous_system_number" } }, /* GeoLite2, DB-IP, ip-location-db */
    { { "asn" } },                      /* IPinfo: "AS15169" */
    { { "as_number" } },
    { { "traits", "autonomous_system_number" } }, /* GeoIP2 Enterprise, DB-IP */
    { { "as", "number" } },
};
static const struct path organisation_paths[] = {
    { { "autonomous_system_organization" } },
    { { "as_name" } },
    { { "as_organization" } },
    { { "traits", "autonomous_system_organization" } },
    { { "name" } },
};
static const struct path country_paths[] = {
    { { "country", "iso_code" } },
    { { "country_code" } }, /* IPinfo Lite, ip-location-db */
    { { "country" } },      /* older IPinfo: the code; the name elsewhere, which is no code */
    { { "registered_country", "iso_code" } },
};
static const struct path continent_paths[] = {
    { { "continent", "code" } },
    { { "continent_code" } },
    { { "continent" } },
};
static const struct path region_paths[] = {
    { { "region_code" } },
    { { "subdivision", "iso_code" } },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool get(MMDB_entry_s *record, const struct path *path, MMDB_entry_data_s *data_r)
{
    return MMDB_aget_value(record, data_r, path->part) == MMDB_SUCCESS && data_r->has_data;
}

static struct slice text_of(const MMDB_entry_data_s *data)
{
    if (data->type != MMDB_DATA_TYPE_UTF8_STRING)
        return (struct slice){ NULL, 0 };
    return (struct slice){ data->utf8_string, data->data_size };
}

/* 15169, "15169", "AS15169"; 0: none of them. */
static uint32_t asn_of(const MMDB_entry_data_s *data)
{
    uint64_t number = 0;
    struct slice text = text_of(data);
    if (data->type == MMDB_DATA_TYPE_UINT32)
        return data->uint32;
    if (data->type == MMDB_DATA_TYPE_UINT16)
        return data->uint16;
    if (data->type == MMDB_DATA_TYPE_UINT64)
        return data->uint64 <= UINT32_MAX ? (uint32_t)data->uint64 : 0;
    if (slice_istarts_with(text, "AS"))
        text = slice_skip(text, 2);
    return slice_to_u64(text, UINT32_MAX, &number) ? (uint32_t)number : 0;
}

static bool is_code(struct slice s, size_t least, size_t most)
{
    bool good = s.n >= least && s.n <= most;
    for (size_t i = 0; good && i < s.n; i++)
        good = (s.p[i] >= 'A' && s.p[i] <= 'Z') || (least == 1 && s.p[i] >= '0' && s.p[i] <= '9');
    return good;
}

static void take_asn(MMDB_entry_s *record, struct geo_facts *facts)
{
    MMDB_entry_data_s data;
    for (size_t i = 0; i < COUNT(asn_paths) && !facts->asn; i++)
        if (get(record, &asn_paths[i], &data))
            facts->asn = asn_of(&data);
    for (size_t i = 0; facts->asn && i < COUNT(organisation_paths); i++) {
        struct slice text = { NULL, 0 };
        if (get(record, &organisation_paths[i], &data))
            text = text_of(&data);
        if (!text.n)
            continue;
        size_t n =
            text.n < sizeof facts->organisation - 1 ? text.n : sizeof facts->organisation - 1;
        memcpy(facts->organisation, text.p, n);
        facts->organisation[n] = '\0';
        return;
    }
}

static void take_code(MMDB_entry_s *record, const struct path *paths, size_t n, char code_r[4])
{
    MMDB_entry_data_s data;
    for (size_t i = 0; i < n && !code_r[0]; i++) {
        struct slice text = { NULL, 0 };
        if (get(record, &paths[i], &data))
            text = text_of(&data);
        if (is_code(text, 2, 2))
            snprintf(code_r, 4, "%.2s", text.p);
    }
}

/* ISO 3166-2:CN had numbers until 2017, and there are databases that have them still. */
static struct slice chinese_letters(struct slice code)
{
    static const char names[][6] = {
        "11BJ", "12TJ", "13HE", "14SX", "15NM", "21LN", "22JL", "23HL", "31SH",
        "32JS", "33ZJ", "34AH", "35FJ", "36JX", "37SD", "41HA", "42HB", "43HN",
        "44GD", "45GX", "46HI", "50CQ", "51SC", "52GZ", "53YN", "54XZ", "61SN",
        "62GS", "63QH", "64NX", "65XJ", "71TW", "91HK", "92MO",
    };
    for (size_t i = 0; code.n == 2 && i < COUNT(names); i++)
        if (memcmp(names[i], code.p, 2) == 0)
            return slice_of(names[i] + 2);
    return code;
}

/* "BJ" or "CN-BJ" of country CN. */
static bool set_subdivision(struct slice code, struct geo_facts *facts)
{
    if (code.n > 3 && code.p[2] == '-' && memcmp(code.p, facts->country, 2) == 0)
        code = slice_skip(code, 3);
    if (!is_code(code, 1, 3))
        return false;
    if (strcmp(facts->country, "CN") == 0)
        code = chinese_letters(code);
    snprintf(facts->subdivision, sizeof facts->subdivision, "%s-%.*s", facts->country,
             SLICE_FMT(code));
    return true;
}

/* The list goes from the larger to the smaller: the last that has a code. */
static void take_subdivision(MMDB_entry_s *record, struct geo_facts *facts)
{
    static const char *const index[SUBDIVISIONS] = { "0", "1", "2", "3" };
    MMDB_entry_data_s data;
    bool found = false;
    for (size_t i = 0; i < SUBDIVISIONS; i++) {
        const struct path path = { { "subdivisions", index[i], "iso_code" } };
        if (!get(record, &path, &data))
            break;
        found = set_subdivision(text_of(&data), facts) || found;
    }
    for (size_t i = 0; i < COUNT(region_paths) && !found; i++)
        if (get(record, &region_paths[i], &data))
            found = set_subdivision(text_of(&data), facts);
}

void fields_take(MMDB_entry_s *record, struct geo_facts *facts)
{
    take_asn(record, facts);
    take_code(record, continent_paths, COUNT(continent_paths), facts->continent);
    if (facts->country[0])
        return;
    take_code(record, country_paths, COUNT(country_paths), facts->country);
    if (facts->country[0])
        take_subdivision(record, facts);
}
