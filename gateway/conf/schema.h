/*
 * conf/schema — configuration as tables: key, type, range, default, help, place in a struct
 *
 *   A section describes one map and the struct it fills. The reader (read.c) walks a YAML tree
 *   along the tables and collects every error; docs.c prints the same tables for people, diff.c
 *   compares two structs along them. A new key is one line in a table; a new form of value is one
 *   struct conf_type.
 *
 *   Private to gateway/conf.
 */
#ifndef WAYPOST_CONF_SCHEMA_H
#define WAYPOST_CONF_SCHEMA_H

#include "gateway/conf/conf.h"
#include "gateway/conf/nearest.h"
#include "gateway/conf/yaml_tree.h"

struct conf_key;

/* The state of one conf_load(). */
struct conf_reader {
    struct arena *arena; /* of the struct conf */
    struct arena *nodes; /* trees; gone after the load */
    struct bundle *bundle;
    struct conf_errors *errors;
    struct conf *conf;
    const struct yaml_node *root, *policies_root; /* policies_root may be NULL */
    bool in_default; /* the value comes from the table: a missing file is no error */
};

/* One form of value. `read` fills `target`, or adds an error and leaves it zero. */
struct conf_type {
    const char *name; /* in docs: "time", "list of networks" */
    void (*read)(struct conf_reader *r, const struct conf_key *key, const struct yaml_node *node,
                 void *target);
    /* Types read from one text: fills target or returns false; `expected` then says what was. */
    bool (*parse)(struct conf_reader *r, const struct conf_key *key, const struct yaml_node *node,
                  void *target);
    void (*expected)(const struct conf_key *key, struct buf *out);
    void (*put)(const struct conf_key *key, const void *value, struct buf *out); /* for diff */
    size_t size;                     /* of the target, for types that can stand in lists */
    const struct conf_type *element; /* lists: one or many of these */
};

enum {
    KEY_REQUIRED = 1,
    KEY_SECRET = 4,   /* never shown */
    KEY_NONZERO = 8,  /* an empty list is an error */
    KEY_OPTIONAL = 16 /* map: when it is absent its defaults do not come either */
};

struct conf_key {
    const char *name;
    const struct conf_type *type;
    size_t at;         /* offset of the target */
    uint64_t min, max; /* numbers, times (ms), sizes (bytes); max 0: no range */
    const char *value; /* default as a user would write it; NULL: none */
    const void *more;  /* enum: names; map, list of maps, dict: struct conf_section */
    unsigned flags;
    const char *help;
};

struct conf_section {
    const char *name; /* in docs: "listen[]" */
    const char *help;
    size_t size; /* of the struct */
    const struct conf_key *keys;
    size_t n;
    const struct conf_key *label; /* dict: how an entry's own key is read */
    bool single;                  /* dict: the entry's value is keys[0] itself, not a map */
    bool has_pos;                 /* the struct begins with a struct conf_pos */
    /* Runs after the keys, also when some had errors: what one map can get wrong as a whole. */
    void (*check)(struct conf_reader *r, const struct yaml_node *node, void *target);
};

/* The generic shape of {at, n} lists. */
struct conf_list {
    void *at;
    size_t n;
};

void section_read(struct conf_reader *r, const struct conf_section *s, const struct yaml_node *node,
                  void *target);
void key_read(struct conf_reader *r, const struct conf_key *key, const struct yaml_node *node,
              void *target);
/* "found X, expected Y" for a node. */
void read_expected(struct conf_reader *r, const struct yaml_node *node, const char *expected);
/* Names the nearest known key, or all of them. */
void unknown_key(struct conf_reader *r, const struct yaml_entry *e, const char *const *names,
                 size_t n);
bool hostname_valid(struct slice s);

/* user and password_file come together; *password_r is the first line of the file. */
void check_login(struct conf_reader *r, const struct yaml_node *node, const struct slice *user,
                 const struct conf_file *file, struct slice *password_r);
/* Text copied to the configuration's arena. */
struct slice reader_text(struct conf_reader *r, struct slice text);
struct conf_list list_get(const void *list);
void list_set(void *list, struct conf_list value);
/* Sets list->at to zeroed room for n elements. */
void *list_alloc(struct conf_reader *r, void *list, size_t n, size_t size);

/* Forms of value; the comment names the target. */
extern const struct conf_type type_bool, /* bool */
    type_uint,                           /* uint64_t */
    type_workers,                        /* uint64_t, 0 for auto */
    type_duration,                       /* int64_t ms */
    type_size,                           /* uint64_t bytes */
    type_rate,                           /* struct rate */
    type_byte_rate,                      /* struct rate, of bytes */
    type_enum,                           /* unsigned */
    type_level,                          /* enum log_level */
    type_date,                           /* int64_t ms */
    type_string,                         /* struct slice */
    type_name,                           /* struct slice, a label without blanks */
    type_hostname,                       /* struct slice, lower case as written */
    type_asn, type_area,                 /* struct slice */
    type_path,                           /* struct slice, resolved */
    type_path_or_none,                   /* struct slice, resolved or empty */
    type_existing,                       /* struct slice, resolved, a file is there */
    type_file,                           /* struct conf_file */
    type_database,                       /* struct conf_file; a file is there, its bytes stay out */
    type_addr,                           /* struct addr without port */
    type_addr_port,                      /* struct addr with port */
    type_dns_server,                     /* struct addr, port 53 when none is given */
    type_network,                        /* struct network */
    type_host,                           /* struct conf_host */
    type_pattern,                        /* struct conf_text */
    type_when,                           /* struct conf_when */
    type_section,                        /* a struct of its own section */
    type_sections,                       /* {at, n} of such structs */
    type_dict,                           /* {at, n}, each entry's key in it */
    type_hash,                           /* struct slice, crypt(5) */
    type_names, type_asns, type_areas, type_addrs, type_dns_servers, type_networks, type_hosts,
    type_patterns;

/* The tables. */
extern const struct conf_section section_root, section_policies, section_users_file;
extern const struct conf_section section_listener, section_tls, section_client, section_limits;
extern const struct conf_section section_egress, section_geo, section_probes, section_reputation,
    section_report;

/* Of the section `geo`: what stands in it twice. */
void check_geo(struct conf_reader *r, const struct yaml_node *node, void *target);

/* Contradictions between sections; defaults that depend on other keys. */
void checks_run(struct conf_reader *r);

#define TABLE(array) .keys = (array), .n = sizeof(array) / sizeof((array)[0])

#endif
