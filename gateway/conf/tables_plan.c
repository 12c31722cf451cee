/*
 * conf/tables_plan — egresses, and sections whose behaviour comes later: read, checked in full
 */
#include "gateway/conf/schema.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND };
#define DAY (24ull * HOUR)

/* The first line of a file, without blanks around it. */
static struct slice first_line(const struct conf_file *file)
{
    struct slice line, rest;
    slice_cut(file->data, '\n', &line, &rest);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return slice_trim(line);
}

void check_login(struct conf_reader *r, const struct yaml_node *node, const struct slice *user,
                 const struct conf_file *file, struct slice *password_r)
{
    if ((user->n > 0) != (file->path.n > 0))
        conf_error(r->errors, node->pos, "found no \"%s\", expected both user and password_file",
                   user->n > 0 ? "password_file" : "user");
    struct slice line = first_line(file);
    *password_r = line.n ? reader_text(r, line) : (struct slice){ NULL, 0 };
    if (file->data.p && line.n == 0)
        conf_error(r->errors, file->pos,
                   "found \"%s\" empty, expected a password in its first line", file->path.p);
}

static void check_via(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    static const char *const kinds[] = { "socks5", "proxy", "relay" };
    struct conf_via *via = target;
    unsigned given = 0;
    for (unsigned i = 0; i < 3; i++) {
        if (!yaml_get(node, kinds[i]))
            continue;
        given++;
        via->kind = CONF_VIA_SOCKS5 + i;
    }
    via->source_given = via->source.family != ADDR_NONE;
    if (given != 1)
        conf_error(r->errors, node->pos,
                   "found %s of socks5, proxy and relay, expected exactly one",
                   given ? "several" : "none");
    check_login(r, node, &via->user, &via->password_file, &via->password);
}

#define VIA(field) offsetof(struct conf_via, field)
static const struct conf_key via_keys[] = {
    { "socks5", &type_host, VIA(socks5), .help = "a SOCKS5 server" },
    { "proxy", &type_host, VIA(proxy), .help = "a server that takes a PROXY header (v2)" },
    { "relay", &type_host, VIA(relay), .help = "an SMTP server that passes the mail on" },
    { "source", &type_addr, VIA(source), .help = "proxy: the source address to ask for" },
    { "tls", &type_enum, VIA(tls), .value = "opportunistic", .more = conf_tls_out_names,
      .help = "relay: as delivery.tls" },
    { "user", &type_string, VIA(user), .help = "login there" },
    { "password_file", &type_file, VIA(password_file), .flags = KEY_SECRET,
      .help = "its password is the first line" },
};
static const struct conf_section via_section = { "egress[].via", "A way out that begins elsewhere.",
                                                 sizeof(struct conf_via), TABLE(via_keys),
                                                 .check = check_via };
static const struct conf_key warmup_keys[] = {
    { "start", &type_date, offsetof(struct conf_egress, warmup_start), .flags = KEY_REQUIRED,
      .help = "the day of its first mail" },
};
static const struct conf_section warmup_section = { "egress[].warmup",
                                                    "A new address gets little mail at first.",
                                                    sizeof(struct conf_egress),
                                                    TABLE(warmup_keys) };

static void check_egress(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_egress *e = target;
    if (e->ehlo.n == 0)
        e->ehlo = r->conf->hostname;
    e->usable = e->via.kind == CONF_VIA_NONE;
    if (!e->usable)
        conf_warning(r->errors, node->pos,
                     "egress \"%s\" gets no mail: `via` is not in effect in "
                     "this version",
                     e->name.n ? e->name.p : "");
    if (!e->usable && e->addresses.n > 0)
        conf_error(r->errors, node->pos, "found both address and via, expected one of them");
    for (size_t i = 0; i < e->addresses.n; i++)
        for (size_t k = 0; k < i; k++)
            if (addr_same_host(&e->addresses.at[i], &e->addresses.at[k]))
                conf_error(r->errors, node->pos, "found the same address twice in egress \"%s\"",
                           e->name.n ? e->name.p : "");
}

#define EGRESS(field) offsetof(struct conf_egress, field)
static const struct conf_key egress_keys[] = {
    { "name", &type_name, EGRESS(name), .flags = KEY_REQUIRED,
      .help = "for routes, logs, reports" },
    { "address", &type_addrs, EGRESS(addresses), .flags = KEY_NONZERO,
      .help = "source addresses; those of one family take turns; without: the system's choice" },
    { "ehlo", &type_hostname, EGRESS(ehlo), .help = "name in EHLO; without: hostname" },
    { "weight", &type_uint, EGRESS(weight), 0, 10000, "1",
      .help = "its share of the mail; 0: only when no other is usable" },
    { "via", &type_section, EGRESS(via), .more = &via_section, .flags = KEY_LATER | KEY_OPTIONAL,
      .help = "a way out that begins elsewhere" },
    { "carrier", &type_name, EGRESS(carrier), .flags = KEY_LATER, .help = "whose line it is" },
    { "region", &type_name, EGRESS(region), .flags = KEY_LATER, .help = "where it leaves" },
    { "congestion", &type_name, EGRESS(congestion), .flags = KEY_LATER,
      .help = "TCP congestion control, such as bbr" },
    { "cost", &type_duration, EGRESS(cost), 0, HOUR, .flags = KEY_LATER,
      .help = "how much faster it must be to be preferred" },
    { "warmup", &type_section, 0, .more = &warmup_section, .flags = KEY_LATER | KEY_OPTIONAL,
      .help = "a new address gets little mail at first" },
};
const struct conf_section section_egress = { "egress[]",
                                             "Ways out: source addresses with a share of the mail.",
                                             sizeof(struct conf_egress),
                                             TABLE(egress_keys),
                                             .has_pos = true,
                                             .check = check_egress };

static const struct conf_key carrier_keys[] = {
    { "AS numbers", &type_asns, offsetof(struct conf_carrier, asns), .flags = KEY_NONZERO },
};
static const struct conf_key carrier_label = { "name", &type_name,
                                               offsetof(struct conf_carrier, name),
                                               .help = "its name" };
static const struct conf_section carriers_section = { "geo.carriers",
                                                      "A carrier is several AS numbers.",
                                                      sizeof(struct conf_carrier),
                                                      TABLE(carrier_keys),
                                                      .label = &carrier_label,
                                                      .single = true };
static const struct conf_key region_keys[] = {
    { "codes", &type_areas, offsetof(struct conf_region, codes), .flags = KEY_NONZERO },
};
static const struct conf_key region_label = { "name", &type_name,
                                              offsetof(struct conf_region, name),
                                              .help = "its name" };
static const struct conf_section regions_section = {
    "geo.regions",
    "A region is subdivision, country or continent codes.",
    sizeof(struct conf_region),
    TABLE(region_keys),
    .label = &region_label,
    .single = true
};
#define GEO_NETWORK(field) offsetof(struct conf_geo_network, field)
static const struct conf_key geo_network_keys[] = {
    { "network", &type_network, GEO_NETWORK(network), .flags = KEY_REQUIRED,
      .help = "the addresses" },
    { "carrier", &type_name, GEO_NETWORK(carrier), .help = "their carrier" },
    { "region", &type_name, GEO_NETWORK(region), .help = "their region" },
};
static const struct conf_section geo_network_section = { "geo.networks[]",
                                                         "Wins over the databases.",
                                                         sizeof(struct conf_geo_network),
                                                         TABLE(geo_network_keys), .has_pos = true };
#define GEO(field) offsetof(struct conf_geo, field)
static const struct conf_key geo_keys[] = {
    { "asn_database", &type_existing, GEO(asn_database),
      .help = "MaxMind DB: address to AS number" },
    { "city_database", &type_existing, GEO(city_database), .help = "MaxMind DB: address to place" },
    { "carriers", &type_dict, GEO(carriers), .more = &carriers_section,
      .help = "carrier name: AS numbers" },
    { "regions", &type_dict, GEO(regions), .more = &regions_section, .help = "region name: codes" },
    { "networks", &type_sections, GEO(networks), .more = &geo_network_section,
      .help = "wins over the databases" },
};
const struct conf_section section_geo = { "geo", "Carriers and regions of addresses.",
                                          sizeof(struct conf_geo), TABLE(geo_keys) };

#define BEACON(field) offsetof(struct conf_beacon, field)
static const struct conf_key beacon_keys[] = {
    { "address", &type_addr_port, BEACON(address), .flags = KEY_REQUIRED,
      .help = "an address of ours that answers" },
    { "carrier", &type_name, BEACON(carrier), .help = "its carrier" },
    { "region", &type_name, BEACON(region), .help = "its region" },
};
static const struct conf_section beacon_section = { "probes.beacons[]", "Targets of our own.",
                                                    sizeof(struct conf_beacon), TABLE(beacon_keys),
                                                    .has_pos = true };
#define PROBES(field) offsetof(struct conf_probes, field)
static const struct conf_key probes_keys[] = {
    { "interval", &type_duration, PROBES(interval), SECOND, HOUR, "15s",
      .help = "between two probes of one path in use" },
    { "per_egress", &type_rate, PROBES(per_egress), .value = "2/s", .help = "most probes" },
    { "total", &type_rate, PROBES(total), .value = "10/s", .help = "most probes of all egresses" },
    { "beacons", &type_sections, PROBES(beacons), .more = &beacon_section,
      .help = "targets of our own" },
};
const struct conf_section section_probes = { "probes", "Measuring of paths.",
                                             sizeof(struct conf_probes), TABLE(probes_keys) };

#define REPORT(field) offsetof(struct conf_report, field)
static const struct conf_key report_keys[] = {
    { "listen", &type_addr_port, REPORT(listen), .help = "address of the web page and metrics" },
    { "token_file", &type_existing, REPORT(token_path), .help = "the admin token" },
    { "history", &type_duration, REPORT(history), HOUR, 3650 * DAY, "30d",
      .help = "how long figures are kept" },
};
const struct conf_section section_report = { "report", "Web page, metrics, history.",
                                             sizeof(struct conf_report), TABLE(report_keys) };
