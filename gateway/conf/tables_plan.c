/*
 * conf/tables_plan — egresses, and sections whose behaviour comes later: read, checked in full
 */
#include "gateway/conf/schema.h"

enum { SECOND = 1000, HOUR = 3600 * SECOND };
enum {
    SOCKS5_PORT = 1080,
    SOCKS5_LOGIN_MAX = 255, /* RFC 1929 */
    INTERFACE_MAX = 15      /* IFNAMSIZ - 1 */
};
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

const char *const conf_via_names[] = { NULL, "socks5", "proxy", "relay" };

const struct conf_host *conf_via_host(const struct conf_via *via)
{
    switch ((enum conf_via_kind)via->kind) {
    case CONF_VIA_SOCKS5:
        return &via->socks5;
    case CONF_VIA_PROXY:
        return &via->proxy;
    case CONF_VIA_NONE:
    case CONF_VIA_RELAY:
        break;
    }
    return &via->relay;
}

/* Keys that mean nothing to this kind of way were meant for another. */
static void check_via_keys(struct conf_reader *r, const struct yaml_node *node, unsigned kind)
{
    static const struct {
        const char *key, *with;
        unsigned kinds; /* bits */
    } rows[] = { { "tls", "relay", 1u << CONF_VIA_RELAY },
                 { "user", "socks5 or relay", 1u << CONF_VIA_SOCKS5 | 1u << CONF_VIA_RELAY } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct yaml_node *value = yaml_get(node, rows[i].key);
        if (value && !(rows[i].kinds & 1u << kind))
            conf_error(r->errors, value->pos, "found \"%s\", expected it only together with %s",
                       rows[i].key, rows[i].with);
    }
}

static void set_port(struct conf_host *host, uint64_t port)
{
    if (host->host.n && !host->port)
        host->port = (uint16_t)port;
    host->addr.port = host->port;
}

static void check_via_ports(struct conf_reader *r, const struct yaml_node *node,
                            struct conf_via *via)
{
    set_port(&via->socks5, SOCKS5_PORT);
    set_port(&via->relay, r->conf->delivery.port);
    set_port(&via->proxy, 0);
    if (via->kind == CONF_VIA_PROXY && via->proxy.host.n && !via->proxy.port)
        conf_error(r->errors, yaml_get(node, "proxy")->pos,
                   "found \"%s\" without port, expected the port that takes the header",
                   via->proxy.host.p);
}

static void check_via_login(struct conf_reader *r, const struct yaml_node *node,
                            struct conf_via *via)
{
    check_login(r, node, &via->user, &via->password_file, &via->password);
    if (via->kind == CONF_VIA_SOCKS5 &&
        (via->user.n > SOCKS5_LOGIN_MAX || via->password.n > SOCKS5_LOGIN_MAX))
        conf_error(
            r->errors, node->pos,
            "found a user or password that is too long for SOCKS5, expected at most %d bytes",
            SOCKS5_LOGIN_MAX);
    if (via->kind == CONF_VIA_RELAY && via->user.n && via->tls < CONF_TLS_REQUIRED)
        conf_warning(r->errors, node->pos,
                     "the relay's password is only sent over TLS, or to this machine: tls is %s",
                     conf_tls_out_names[via->tls]);
}

static void check_via(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    struct conf_via *via = target;
    unsigned given = 0;
    for (unsigned kind = CONF_VIA_SOCKS5; kind <= CONF_VIA_RELAY; kind++) {
        if (!yaml_get(node, conf_via_names[kind]))
            continue;
        given++;
        via->kind = kind;
    }
    if (given == 1)
        check_via_keys(r, node, via->kind);
    else
        conf_error(r->errors, node->pos,
                   "found %s of socks5, proxy and relay, expected exactly one",
                   given ? "several" : "none");
    check_via_ports(r, node, via);
    check_via_login(r, node, via);
}

#define VIA(field) offsetof(struct conf_via, field)
static const struct conf_key via_keys[] = {
    { "socks5", &type_host, VIA(socks5), .help = "a SOCKS5 server; port 1080 when none is given" },
    { "proxy", &type_host, VIA(proxy),
      .help = "a server that takes a PROXY header (v2) and connects to the address in it, such as "
              "HAProxy" },
    { "relay", &type_host, VIA(relay),
      .help =
          "an SMTP server that takes the mail instead of the destination and passes it on, such "
          "as another Waypost. Not for routes with `hosts`. Port: delivery.port" },
    { "source", &type_addr, VIA(source),
      .help = "the address that receivers see, for lists, feeds and names; proxy: it is asked for "
              "this one; without: ours. socks5 without it: the one that the proxy tells" },
    { "tls", &type_enum, VIA(tls), .value = "opportunistic", .more = conf_tls_out_names,
      .help = "relay: as delivery.tls; a route that asks for more gets more" },
    { "user", &type_string, VIA(user), .help = "socks5, relay: login there" },
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
    e->usable = true;
    if (e->via.kind != CONF_VIA_NONE && e->addresses.n > 0)
        conf_error(r->errors, node->pos, "found both address and via, expected one of them");
    if (e->interface.n > INTERFACE_MAX)
        conf_error(r->errors, node->pos,
                   "found \"%s\", expected an interface of at most %d letters", e->interface.p,
                   INTERFACE_MAX);
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
    { "interface", &type_name, EGRESS(interface), .help = "leave by this interface only" },
    { "mark", &type_uint, EGRESS(mark), 1, UINT32_MAX,
      .help =
          "firewall mark of its connections, for policy routing; the first one needs a restart" },
    { "ehlo", &type_hostname, EGRESS(ehlo), .help = "name in EHLO; without: hostname" },
    { "weight", &type_uint, EGRESS(weight), 0, 10000, "1",
      .help = "its share of the mail; 0: only when no other is usable" },
    { "via", &type_section, EGRESS(via), .more = &via_section, .flags = KEY_OPTIONAL,
      .help = "a way out that begins elsewhere" },
    { "carrier", &type_name, EGRESS(carrier), .help = "whose line it is" },
    { "region", &type_name, EGRESS(region), .help = "where it leaves" },
    { "congestion", &type_name, EGRESS(congestion),
      .help = "TCP congestion control, such as bbr; without, or when the system does not have it: "
              "the system's" },
    { "cost", &type_duration, EGRESS(cost), 0, HOUR,
      .help = "how much faster it must be to be preferred" },
    { "resolvers", &type_dns_servers, EGRESS(resolvers), .flags = KEY_NONZERO,
      .help =
          "the carrier's name servers, asked from this egress: how far away they are, and which "
          "addresses MX hosts have there (GeoDNS). One that gives addresses to names that do not "
          "exist is not believed. Not through a proxy or relay. Port 53 when none is given" },
    { "warmup", &type_section, 0, .more = &warmup_section, .flags = KEY_OPTIONAL,
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
    "A region is subdivision, country or continent codes. AF AN AS EU NA OC SA are continents; "
    "countries of the same letters are named by their subdivisions.",
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
    { "asn_database", &type_database, GEO(asn_database),
      .help = "MaxMind DB: address to AS number; read again when it changes" },
    { "city_database", &type_database, GEO(city_database),
      .help = "MaxMind DB: address to place; read again when it changes" },
    { "carriers", &type_dict, GEO(carriers), .more = &carriers_section,
      .help = "carrier name: AS numbers" },
    { "regions", &type_dict, GEO(regions), .more = &regions_section, .help = "region name: codes" },
    { "networks", &type_sections, GEO(networks), .more = &geo_network_section,
      .help = "wins over the databases" },
};
const struct conf_section section_geo = { "geo", "Carriers and regions of addresses.",
                                          sizeof(struct conf_geo), TABLE(geo_keys),
                                          .check = check_geo };

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

static void check_report(struct conf_reader *r, const struct yaml_node *node, void *target)
{
    enum { TOKEN_MIN = 16 };
    struct conf_report *report = target;
    struct slice line = first_line(&report->token_file);
    (void)node;
    report->token = line.n ? reader_text(r, line) : (struct slice){ NULL, 0 };
    if (report->token_file.data.p && line.n == 0)
        conf_error(r->errors, report->token_file.pos,
                   "found \"%s\" empty, expected a token in its first line",
                   report->token_file.path.p);
    else if (line.n && line.n < TOKEN_MIN)
        conf_warning(r->errors, report->token_file.pos,
                     "the token in \"%s\" has %zu characters: fewer than %d can be guessed",
                     report->token_file.path.p, line.n, TOKEN_MIN);
}

#define REPORT(field) offsetof(struct conf_report, field)
static const struct conf_key report_keys[] = {
    { "listen", &type_addr_port, REPORT(listen),
      .help = "address of the web page, the metrics and the API; without: none. Whoever reaches it "
              "may read" },
    { "names", &type_names, REPORT(names),
      .help = "host names it is visited under, beside hostname, localhost and addresses" },
    { "token_file", &type_file, REPORT(token_file), .flags = KEY_SECRET,
      .help = "its first line is the admin token: who sends it may change things" },
    { "history", &type_duration, REPORT(history), HOUR, 3650 * DAY, "30d",
      .help = "how long figures are kept" },
};
const struct conf_section section_report = { "report", "Web page, metrics, history.",
                                             sizeof(struct conf_report), TABLE(report_keys),
                                             .check = check_report };
