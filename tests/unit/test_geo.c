/*
 * unit/test_geo — proves geo/group: names of addresses, whoever published the database
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/geo/database.h"
#include "gateway/geo/group.h"

#define FOLDER "tests/support/mmdb/"
#define LIST(array)                                                                                \
    {                                                                                              \
        (array), sizeof(array) / sizeof((array)[0])                                                \
    }

static struct slice telecom[] = { SLICE_INIT("AS4134"), SLICE_INIT("AS4809") };
static struct slice unicom[] = { SLICE_INIT("AS4837") };
static struct conf_carrier carriers[] = { { SLICE_INIT("china-telecom"), LIST(telecom) },
                                          { SLICE_INIT("china-unicom"), LIST(unicom) } };
static struct slice north_east[] = { SLICE_INIT("CN-JL") };
static struct slice china[] = { SLICE_INIT("CN") };
static struct slice europe[] = { SLICE_INIT("EU") };
static struct slice americas[] = { SLICE_INIT("NA"), SLICE_INIT("SA") };
static struct slice washington[] = { SLICE_INIT("US-WA") };
static struct conf_region regions[] = { { SLICE_INIT("north-east"), LIST(north_east) },
                                        { SLICE_INIT("china"), LIST(china) },
                                        { SLICE_INIT("europe"), LIST(europe) },
                                        { SLICE_INIT("americas"), LIST(americas) },
                                        { SLICE_INIT("seattle"), LIST(washington) } };

static struct addr address(const char *text)
{
    struct addr a = { 0 };
    assert_int_equal(addr_parse(slice_of(text), &a), RC_OK);
    return a;
}

static struct conf_geo names(void)
{
    return (struct conf_geo){ .carriers = LIST(carriers), .regions = LIST(regions) };
}

/* A cache over these files and names. */
static struct geo_cache *cache_of(const struct conf_geo *conf, const char *asn, const char *city)
{
    struct geo_files files = { asn, city };
    struct geo *geo = NULL;
    struct err err;
    assert_int_equal(geo_new(conf, &files, &geo, &err), RC_OK);
    struct geo_cache *cache = geo_cache_new(GEO_GROUPS_MAX);
    geo_cache_use(cache, geo);
    geo_unref(&geo);
    return cache;
}

struct row {
    const char *address, *carrier, *region;
};

static void check_rows(struct geo_cache *cache, const struct row *rows, size_t n)
{
    for (int again = 0; again < 2; again++) /* the second time from memory */
        for (size_t i = 0; i < n; i++) {
            struct addr a = address(rows[i].address);
            const struct geo_group *group = geo_group(cache, &a);
            if (strcmp(group->carrier.p, rows[i].carrier) != 0 ||
                strcmp(group->region.p, rows[i].region) != 0)
                fail_msg("%s: found %s/%s, expected %s/%s", rows[i].address, group->carrier.p,
                         group->region.p, rows[i].carrier, rows[i].region);
        }
}

#define CHECK_ROWS(cache, rows) check_rows(cache, rows, sizeof(rows) / sizeof((rows)[0]))

static void maxmind_files(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "49.64.0.1", "china-telecom", "other" },
        { "27.192.0.1", "china-unicom", "other" },
        { "73.1.1.1", "AS7922", "other" },
        { "175.16.199.1", "other", "north-east" }, /* subdivision 22, in letters JL */
        { "81.2.69.160", "other", "europe" },
        { "216.160.83.56", "AS209", "seattle" }, /* subdivision before continent */
        { "67.43.156.1", "AS35908", "BT" },      /* no region: the country */
        { "2001:250::1", "other", "china" },
        { "240e::1", "china-telecom", "other" },
        { "::ffff:49.64.0.1", "china-telecom", "other" },
        { "2002:3140:1::1", "china-telecom", "other" },     /* 6to4 of 49.64.0.1 */
        { "64:ff9b::49.64.0.1", "china-telecom", "other" }, /* NAT64 */
        { "127.0.0.1", "other", "other" },
        { "::1", "other", "other" },
        { "::49.64.0.1", "other", "other" }, /* where trees keep IPv4 */
        { "255.255.255.255", "other", "other" },
        { "fe80::1", "other", "other" },
    };
    struct conf_geo conf = names();
    struct geo_cache *cache =
        cache_of(&conf, FOLDER "GeoLite2-ASN-Test.mmdb", FOLDER "GeoLite2-City-Test.mmdb");
    CHECK_ROWS(cache, rows);
    geo_cache_free(&cache);
    static const struct row country_only[] = { { "2001:250::1", "other", "china" },
                                               { "216.160.83.56", "other", "americas" } };
    cache = cache_of(&conf, NULL, FOLDER "GeoLite2-Country-Test.mmdb");
    CHECK_ROWS(cache, country_only);
    geo_cache_free(&cache);
}

static void other_publishers(void **state)
{
    (void)state;
    static const struct {
        const char *asn, *city;
        struct row rows[4];
    } files[] = {
        { "dbip-asn.mmdb",
          "dbip-city.mmdb",
          { { "127.1.2.3", "china-telecom", "china" }, { "2001:db8:1::1", "AS65536", "other" } } },
        { "ipinfo-lite.mmdb", /* one file for both */
          NULL,
          { { "127.1.2.3", "china-telecom", "china" }, { "127.2.0.1", "other", "NA" } } },
        { NULL, "ipinfo-lite.mmdb", { { "127.1.2.3", "china-telecom", "china" } } },
        { "ipinfo-older.mmdb", /* an IPv4 tree */
          "ipinfo-older.mmdb",
          { { "127.1.2.3", "china-telecom", "china" },
            { "127.3.0.1", "other", "europe" },
            { "2001:db8::1", "other", "other" } } },
        { NULL, "flat-country.mmdb", { { "127.1.2.3", "other", "china" } } },
        { "wide-asn.mmdb",
          NULL,
          { { "127.1.0.1", "china-telecom", "other" },
            { "127.2.0.1", "china-unicom", "other" },
            { "127.3.0.1", "other", "other" },
            { "127.4.0.1", "other", "other" } } },
        { "nothing.mmdb", "nothing.mmdb", { { "127.1.0.1", "other", "other" } } },
    };
    struct conf_geo conf = names();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char asn[64], city[64];
        size_t n = 0;
        snprintf(asn, sizeof asn, FOLDER "%s", files[i].asn ? files[i].asn : "");
        snprintf(city, sizeof city, FOLDER "%s", files[i].city ? files[i].city : "");
        struct geo_cache *cache =
            cache_of(&conf, files[i].asn ? asn : NULL, files[i].city ? city : NULL);
        while (n < 4 && files[i].rows[n].address)
            n++;
        check_rows(cache, files[i].rows, n);
        geo_cache_free(&cache);
    }
}

static void facts_for_people(void **state)
{
    (void)state;
    struct conf_geo conf = names();
    struct geo_cache *cache =
        cache_of(&conf, FOLDER "GeoLite2-ASN-Test.mmdb", FOLDER "GeoLite2-City-Test.mmdb");
    struct geo_facts facts;
    struct addr a = address("175.16.199.1"), b = address("2.125.160.216"), c = address("1.0.0.1");
    geo_facts(geo_cache_state(cache), &a, &facts);
    assert_string_equal(facts.country, "CN");
    assert_string_equal(facts.continent, "AS");
    assert_string_equal(facts.subdivision, "CN-JL");
    geo_facts(geo_cache_state(cache), &b, &facts);
    assert_string_equal(facts.subdivision, "GB-WBK"); /* the last of England, West Berkshire */
    geo_facts(geo_cache_state(cache), &c, &facts);
    assert_int_equal(facts.asn, 15169);
    assert_string_equal(facts.organisation, "Google Inc.");
    geo_cache_free(&cache);
}

static struct network network(const char *text)
{
    struct network n;
    assert_int_equal(network_parse(slice_of(text), &n), RC_OK);
    return n;
}

static void networks_win(void **state)
{
    (void)state;
    struct conf_geo_network own[] = {
        { .network = network("49.64.0.0/16"), .region = SLICE_LIT("lab") },
        { .network = network("127.0.0.0/8"), .carrier = SLICE_LIT("loop") },
        { .network = network("127.1.0.0/16"), .region = SLICE_LIT("one") },
        { .network = network("127.1.2.0/24"), .carrier = SLICE_LIT("two") },
        { .network = network("127.1.2.3"), .carrier = SLICE_LIT("host"), .region = SLICE_LIT("x") },
        { .network = network("0.0.0.0/0"), .region = SLICE_LIT("world") },
        { .network = network("2001:db8::/33"), .carrier = SLICE_LIT("six") },
        { .network = network("2001:db8:8000::/33"), .carrier = SLICE_LIT("seven") },
    };
    static const struct row rows[] = {
        { "49.64.0.1", "china-telecom", "lab" }, { "49.65.0.1", "china-telecom", "world" },
        { "127.9.0.1", "loop", "world" },        { "127.1.0.1", "loop", "one" },
        { "127.1.2.1", "two", "one" },           { "127.1.2.3", "host", "x" },
        { "2001:db8::1", "six", "other" },       { "2001:db8:ffff::1", "seven", "other" },
        { "2001:db9::1", "other", "other" },     { "203.0.113.1", "other", "world" },
    };
    struct conf_geo conf = names();
    conf.networks.at = own;
    conf.networks.n = sizeof own / sizeof own[0];
    struct geo_cache *cache =
        cache_of(&conf, FOLDER "GeoLite2-ASN-Test.mmdb", FOLDER "GeoLite2-City-Test.mmdb");
    CHECK_ROWS(cache, rows);
    geo_cache_free(&cache);
}

static void groups_outlive_reloads(void **state)
{
    (void)state;
    struct conf_geo conf = names(), empty = { 0 };
    struct geo_cache *cache = cache_of(&conf, FOLDER "GeoLite2-ASN-Test.mmdb", NULL);
    struct addr a = address("49.64.0.1"), b = address("27.192.0.1");
    const struct geo_group *was = geo_group(cache, &a);
    struct geo_files none = { NULL, NULL };
    struct geo *geo;
    assert_int_equal(geo_new(&empty, &none, &geo, NULL), RC_OK);
    geo_cache_use(cache, geo);
    geo_unref(&geo);
    assert_string_equal(geo_group(cache, &a)->carrier.p, "other");
    assert_int_equal(geo_group(cache, &a)->index, 0);
    assert_string_equal(was->carrier.p, "china-telecom"); /* still readable, still the same */
    assert_ptr_equal(geo_group_named(cache, slice_of("china-telecom"), slice_of("")), was);
    geo_cache_use(cache, NULL);
    assert_string_equal(geo_group(cache, &b)->carrier.p, "other");
    assert_int_equal(geo_groups_count(cache), 2);
    geo_cache_free(&cache);
}

static void groups_are_bounded(void **state)
{
    (void)state;
    struct geo_cache *cache = geo_cache_new(3);
    const struct geo_group *other = geo_group(cache, &(struct addr){ 0 });
    char name[200];
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "carrier%u", i);
        const struct geo_group *group = geo_group_named(cache, slice_of(name), slice_of("r"));
        assert_int_equal(group->index, i < 2 ? i + 1 : 0);
    }
    assert_int_equal(geo_groups_count(cache), 3);
    memset(name, 'x', sizeof name);
    struct slice longer = { name, sizeof name };
    assert_ptr_equal(geo_group_named(cache, longer, longer), other);
    geo_cache_free(&cache);
}

static void files_that_are_not_there(void **state)
{
    (void)state;
    struct conf_geo conf = names();
    struct geo_files missing = { FOLDER "missing.mmdb", NULL }, text = { NULL, FOLDER "README.md" };
    struct geo *geo = NULL;
    struct err err;
    assert_int_equal(geo_new(&conf, &missing, &geo, &err), RC_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing.mmdb"));
    assert_int_equal(geo_new(&conf, &text, &geo, &err), RC_CORRUPT);
    assert_null(geo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maxmind_files),
        cmocka_unit_test(other_publishers),
        cmocka_unit_test(facts_for_people),
        cmocka_unit_test(networks_win),
        cmocka_unit_test(groups_outlive_reloads),
        cmocka_unit_test(groups_are_bounded),
        cmocka_unit_test(files_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
