/*
 * conf/checks_geo — what stands in `geo` twice, so that one of the two could never be found, and
 * codes that nothing has
 */
#include "gateway/base/map.h"
#include "gateway/conf/schema.h"

static void take_code(struct conf_reader *r, struct map *seen, const struct yaml_node *code,
                      const char *owner)
{
    if (code->kind != NODE_TEXT || code->text.n == 0)
        return;
    const char *before = map_get(seen, code->text);
    if (before)
        conf_error(r->errors, code->pos,
                   "found %s a second time, expected it once (first in \"%s\")", code->text.p,
                   before);
    else
        map_put(seen, code->text, (char *)(uintptr_t)owner);
}

/* name: code or list of codes */
static void check_codes(struct conf_reader *r, const struct yaml_node *names,
                        void (*check)(struct conf_reader *r, const struct yaml_node *code,
                                      const char *owner))
{
    struct map *seen = map_new();
    for (size_t i = 0; names && names->kind == NODE_MAP && i < names->n; i++) {
        const struct yaml_entry *e = &names->entries[i];
        const struct yaml_node *list = e->value;
        for (size_t k = 0; k < (list->kind == NODE_LIST ? list->n : 1); k++) {
            const struct yaml_node *code = list->kind == NODE_LIST ? list->entries[k].value : list;
            take_code(r, seen, code, e->key.p);
            if (check)
                check(r, code, e->key.p);
        }
    }
    map_free(&seen, NULL);
}

/* ISO 3166-1, and XK (Kosovo), which databases have. */
static const char countries[] =
    "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCI"
    "CKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQ"
    "GRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLS"
    "LTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPG"
    "PHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTK"
    "TLTMTNTOTRTTTVTWTZUAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";
static const char continents[] = "AFANASEUNAOCSA";

static bool is_among(const char *codes, const char *code)
{
    for (; *codes; codes += 2)
        if (codes[0] == code[0] && codes[1] == code[1])
            return true;
    return false;
}

/* "EU", "DE", "CN-BJ"; other forms have been complained about. */
static bool is_area(const struct yaml_node *code)
{
    const char *p = code->text.p;
    return code->kind == NODE_TEXT && code->text.n >= 2 && p[0] >= 'A' && p[0] <= 'Z' &&
           p[1] >= 'A' && p[1] <= 'Z' && (code->text.n == 2 || p[2] == '-');
}

/* Not an error: countries come and go. */
static void check_area(struct conf_reader *r, const struct yaml_node *code, const char *owner)
{
    if (is_area(code) && !is_among(countries, code->text.p) &&
        !(code->text.n == 2 && is_among(continents, code->text.p)))
        conf_warning(r->errors, code->pos,
                     "%.2s is neither a country of ISO 3166 nor a continent: no address will be in "
                     "\"%s\" by it",
                     code->text.p, owner);
}

static void check_networks(struct conf_reader *r, const struct conf_geo *geo)
{
    struct map *seen = map_new();
    struct buf text;
    buf_init(&text, 2 * ADDR_TEXT_MAX);
    for (size_t i = 0; i < geo->networks.n; i++) {
        struct conf_geo_network *n = &geo->networks.at[i];
        if (n->network.base.family == ADDR_NONE)
            continue;
        buf_clear(&text);
        network_put(&text, &n->network);
        const struct conf_geo_network *before = map_get(seen, buf_slice(&text));
        if (!n->carrier.n && !n->region.n)
            conf_error(r->errors, n->pos, "found neither carrier nor region, expected one of them");
        if (before)
            conf_error(r->errors, n->pos,
                       "found the same network a second time, expected it once (first at line %u)",
                       before->pos.line);
        else
            map_put(seen, buf_slice(&text), n);
    }
    buf_free(&text);
    map_free(&seen, NULL);
}

void check_geo(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    check_codes(r, yaml_get(node, "carriers"), NULL);
    check_codes(r, yaml_get(node, "regions"), check_area);
    check_networks(r, target);
}
