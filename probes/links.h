/*
 * probes/links — every path (egress x destination group): what it is like, and which one to use
 *
 *   The whole decision core behind one interface, and pure: observations and the time go in; probe
 *   requests, events, rows for the history and advice tables come out. It does no I/O, reads no
 *   clock and draws from the struct rnd it is given; the daemon and tests/sim run the same code.
 *
 *   Drive it so: links_observe() whenever an observation arrives, links_tick() about every 50 ms,
 *   then links_advice(), which returns a new table when it is time to send one. Callbacks run
 *   inside links_tick() only; they must not call back into the struct links, except that the result
 *   of a probe may be reported with links_observe() at any later time. A probe without a result
 *   counts as lost LINKS_PROBE_GRACE_MS after its time-out.
 *
 *   Judging a path (routing.md 6.5): the first failure on the path in use makes it SUSPECT and
 *   triggers probes of it and of the other egresses at once; DOWN takes three failures in a row
 *   from two addresses and a success of another egress that falls between them. Without such a
 *   success the destination is suspect and nothing changes. A host that takes a probe's connection
 *   and greets nobody in time fails only if it has greeted a probe before: some let everybody wait
 *   for half a minute. Behind a blind egress that is all that can be seen: silence there counts as
 *   nothing at all from a host that has not, and a connection is overdue only after twice the time
 *   in which the host greets others. Where no address may be probed, two
 *   failures do, with mail that gets through by another egress between them and after. What a
 *   failing egress drags down is attributed to the egress (EGRESS_PATHS_DOWN). A host that fails
 *   again after others of its group got through is gone and says nothing, until it takes a
 *   connection.
 *
 *   No verdict on a path or destination stands for good: one that nothing confirms for long,
 *   because nobody can be asked any more, lapses (links_lapse.c).
 *
 *   There is room for LINKS_GROUPS_MAX groups, and some is kept free: as it grows scarce, the group
 *   without mail for the longest time gives its place (links_room.c), nothing is told of it any
 *   more, and when mail goes there again it is a new one.
 *
 * Limits:     LINKS_GROUPS_MAX groups, ADVICE_EGRESS_MAX egresses, LINKS_TARGETS_MAX addresses of a
 *             group; paths take memory when first observed or probed. Probes stay within the
 *             budgets of links_config and never exceed one per LINKS_PAIR_MS for an (egress,
 *             address), one per LINKS_ADDRESS_MS for an address; beacons know only the first two.
 *             Addresses that refuse probes are asked ever more rarely, up to once in 64 minutes.
 * Units:      monotonic milliseconds. Texts are copied.
 */
#ifndef WAYPOST_PROBES_LINKS_H
#define WAYPOST_PROBES_LINKS_H

#include "gateway/base/buf.h"
#include "gateway/base/rc.h"
#include "gateway/base/rnd.h"
#include "gateway/base/units.h"
#include "policies/advice.h"
#include "probes/observation.h"
#include "probes/spread.h"

enum {
    LINKS_GROUPS_MAX = 512, /* when all are in use what is new is ("other", "other") meanwhile */
    LINKS_TARGETS_MAX = 64, /* of a group: the ones mail went to last */
    LINKS_PAIR_MS = 60 * 1000,
    LINKS_ADDRESS_MS = 10 * 1000,
    LINKS_PROBE_GRACE_MS = 500,
    LINKS_PACK_MAX = 64 << 20,
    LINKS_ADVICE_EVERY_MS = 2000 /* when only figures moved; a new state or preference: at once */
};

/* What was measured to a relay is about no destination. */
#define LINKS_LEG_CARRIER "(relay)"
#define LINKS_LEG_REGION "(first leg)"

struct links;

struct links_egress {
    struct slice name;
    double weight;  /* 0: only when nothing else is left; never preferred */
    double cost_ms; /* of the configuration: policy_ms of every path */
    bool v4, v6;    /* families it can reach */
    bool proxied;   /* socks5, proxy or relay: TCP_INFO sees the first leg only */
    bool blind;     /* proxy: nothing tells whether the destination has taken a connection */
    bool relay;     /* its mail goes to a relay, whatever the destination: links_observe() */
    bool own_view;  /* its mail goes to addresses that its own resolvers give */
};

struct links_config {
    const struct links_egress *egress;
    uint32_t egress_n;
    int64_t interval_ms; /* probes.interval */
    struct rate per_egress, total;
};

/* Please connect from this egress, wait for the greeting, QUIT; then report an observation of this
 * kind with the same egress hash and address, failures with connect_us = the time waited. Of an
 * OBS_PROBE, OBS_CONNECTED before, as soon as it is known that a connection to the destination
 * stands.
 * Without address and group: the relay of the egress itself. */
struct links_probe {
    uint32_t egress; /* index into links_config.egress */
    uint64_t egress_hash;
    int group;
    struct addr address;
    uint8_t kind; /* OBS_PROBE, OBS_BEACON or OBS_RESOLVER */
    bool urgent;  /* verifies a suspicion */
    uint32_t timeout_ms;
    uint32_t greeting_ms; /* once the connection stands, so long for the greeting */
};

enum links_event_kind {
    LINKS_SWITCH,    /* the preferred egress of a group: from -> to */
    LINKS_PATH_DOWN, /* `from` does not reach the group */
    LINKS_PATH_UP,
    LINKS_EGRESS_FAULT, /* `from` as a whole; fault says why */
    LINKS_EGRESS_FINE,
    LINKS_DESTINATION_SUSPECT, /* fails from every egress */
    LINKS_DESTINATION_FINE,
    LINKS_EVENT_KINDS
};
extern const char *const links_event_names[LINKS_EVENT_KINDS];

/* Slices are valid during the callback. `from` or `to` empty: none. */
struct links_event {
    enum links_event_kind kind;
    int64_t at_ms;
    struct slice carrier, region; /* empty for egress events */
    struct slice from, to;
    bool large;            /* LINKS_SWITCH: the preference for large mail */
    uint8_t fault;         /* enum egress_fault_kind */
    double from_ms, to_ms; /* LINKS_SWITCH: predicted times of the typical mail */
    const char *reason;    /* for people: "3 failures from 2 addresses, hk-1 got through" */
};

/* One path in one minute. */
struct links_minute {
    struct slice egress, carrier, region;
    const struct spread *connect;          /* ms of connections set up; valid during the callback */
    double connect_p50_ms, connect_p95_ms; /* 0 when there was none */
    double rtt_ms, loss, goodput;          /* as estimated at the end of the minute */
    double cost_ms, cost_large_ms;         /* predicted for the typical small and large mail */
    uint32_t samples;                      /* observations */
    uint32_t tries, first_ok;              /* sessions tried for mail; set up at the first try */
    uint32_t mails, probes;
    uint8_t state; /* enum path_state */
    bool preferred, preferred_large, destination_suspect;
};

struct links_hooks {
    void (*probe)(void *arg, const struct links_probe *probe);
    void (*event)(void *arg, const struct links_event *event);
    void *arg;
};

struct links *links_new(const struct links_hooks *hooks); /* callbacks may be NULL */
void links_free(struct links **links);

/* At the start and after a reload; what is known of egresses that keep their name stays. Probes
 * that were asked for before are not missed. */
void links_configure(struct links *links, const struct links_config *config);
/* That probe was not sent: no result will come, and none is missed. From the hook or later. */
void links_unsent(struct links *links, const struct links_probe *probe);

/* Everything that is known, to be kept over a restart; not what is configured, nor what an egress
 * said of itself, nor the minute that has begun. Unpacked it is `links_new()` with a memory, which
 * has aged by what the wall clock says has passed; links_configure() then forgets the egresses that
 * are gone. RC_PARSE: not what links_pack() wrote; RC_LIMIT: more than LINKS_PACK_MAX. */
void links_pack(const struct links *links, int64_t now_ms, int64_t wall_ms, struct buf *out);
enum rc links_unpack(struct slice bytes, const struct links_hooks *hooks, int64_t now_ms,
                     int64_t wall_ms, struct links **links_r, struct err *err);
/* What was probed since it was packed is not known: before links_configure() this counts every
 * address, also one that mail names only later, and every budget as used just now. */
void links_resume(struct links *links, int64_t now_ms);

/* The group of that name, made when it is new; >= 0. Once it has given its place to another,
 * results of its probes are ignored: who keeps the number for more than that asks anew. */
int links_group(struct links *links, struct slice carrier, struct slice region);
uint32_t links_group_count(const struct links *links);

/* `group` of the observed address; any value for OBS_EGRESS, and for a relay: all that goes there
 * tells of the way to it, which counts alike for every group. Unknown egresses are ignored. MX
 * addresses that mail went to are remembered as targets: of every egress, but those that only mail
 * of egresses with views of their own went to are probed by these alone. */
void links_observe(struct links *links, const struct observation *observation, int group,
                   int64_t now_ms);
/* Who told that an egress is out may have told otherwise since, or be gone: the advice asks the
 * workers as it does about what a probe found. To be called when anything they told may be lost. */
void links_ask_again(struct links *links);
/* A target that is not learned: OBS_BEACON, with egress -1, or OBS_RESOLVER of that egress (of the
 * configuration); several may have the same one. */
void links_target(struct links *links, int group, uint8_t kind, const struct addr *address,
                  int egress);
/* Forgets all targets of links_target(): before naming those of a new configuration. */
void links_targets_clear(struct links *links);
/* Whose an address is may have changed: a configuration or database says otherwise. Targets learned
 * from mail go where `group_of` has them now, and when they were probed goes along. A group of
 * which all do is the same one under another name, if there is none of that yet; one with no target
 * left is in no table until links_group() is asked for it. Between links_targets_clear() and the
 * naming of targets anew. How many addresses are in another group now. */
typedef void links_group_fn(void *arg, const struct addr *address, struct slice *carrier_r,
                            struct slice *region_r);
unsigned links_regroup(struct links *links, links_group_fn *group_of, void *arg, int64_t now_ms);

void links_tick(struct links *links, int64_t now_ms, struct rnd *rnd);

/* A new table with one reference when one is due (a change; 10 s since the last), else NULL. */
struct advice *links_advice(struct links *links, int64_t now_ms);

/* The next links_advice() gives a table: something else in it has changed. */
void links_renew(struct links *links);

/* One row for each path observed since the last call, and for the way to a relay one whose "group"
 * is (LINKS_LEG_CARRIER, LINKS_LEG_REGION); to be called as a wall-clock minute ends. */
void links_minutes(struct links *links, int64_t now_ms,
                   void (*row)(void *arg, const struct links_minute *minute), void *arg);

#endif
