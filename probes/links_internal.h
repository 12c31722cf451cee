/*
 * probes/links_internal — the parts of struct links
 *
 *   Private to probes/. Egresses live in slots that stay the same across a reload as long as the
 *   name does; groups keep theirs until they have left and another takes the place
 *   (links_room.c). A cell is what is known of one path and comes into being with the first
 *   sample. Who writes what:
 *     links_observe.c  estimates and evidence        links_judge.c   states, attribution
 *     links_prefer.c   preferences                   links_probe.c   budgets, probes under way
 *     links_lapse.c    what nobody confirms          links_advice.c  reads all of it
 *     links_blips.c    runs without a verdict        links_regroup.c whose addresses are
 *     links_room.c     room for groups to come
 */
#ifndef WAYPOST_PROBES_LINKS_INTERNAL_H
#define WAYPOST_PROBES_LINKS_INTERNAL_H

#include "policies/cost.h"
#include "probes/estimate.h"
#include "probes/limiter.h"
#include "probes/links.h"
#include "probes/path.h"

enum { SLOTS = ADVICE_EGRESS_MAX, PENDING_MAX = 256, WISHES_MAX = 256, NO_SLOT = -1 };
enum { TARGET_RESERVE = 2 }; /* addresses of a group that ordinary probes leave to urgent ones */
enum { LINKS_RATE_TAU_MS = 120 * 1000 }; /* over which the rate of mail is smoothed */
enum size_class { SIZE_SMALL, SIZE_LARGE, SIZE_CLASSES };

struct minute {
    struct spread *connect; /* NULL: no connection yet */
    uint32_t samples, tries, first_ok, mails, probes;
};

/* What every look over all paths needs comes first: there are thousands, and each line of memory
 * costs more than what is done with it. */
struct cell {
    int64_t sample_ms; /* newest evidence, good or bad */
    int64_t asked_ms;  /* newest probe, whether or not it told anything; 0: none since the start */
    uint8_t near;      /* PATH_NEAR... */
    uint8_t blips;     /* failures of this run at addresses that were fine before */
    bool shared;       /* another egress failed in this run, and nothing got through meanwhile */
    struct path path;
    int64_t through_ms; /* another egress had got through by a connection begun since; 0: none */
    int64_t failed_ms;  /* newest failure, whatever it says of the path */
    struct estimate est;
    struct minute minute;
};

struct target {
    struct addr address;
    uint8_t kind;       /* OBS_PROBE when learned from mail */
    int64_t mail_ms;    /* last mail to it */
    bool failing;       /* the last connection to it failed, whatever the egress */
    int64_t failing_ms; /* when the first one since it took any had failed, and by whom */
    int16_t failed_by;  /* NO_SLOT: only by paths that were down */
    bool again;         /* it has failed once more, when others had got through since */
    bool absolved;      /* since it took one, once: it is not twice */
    bool greets;        /* it has greeted a probe in time, whatever the egress */
    double greet_ms;    /* the longest that took of late; 0: it never has */
    int64_t probed_ms;  /* by whatever egress; 0: never */
    int64_t *pair_ms;   /* [SLOTS], NULL until the first probe */
    uint8_t refusals;   /* of probes in a row, whatever the egress */
    uint8_t *refused;   /* [SLOTS], the same by each egress; NULL: none yet */
    bool general;       /* OBS_PROBE: not only slots with views of their own send mail there */
    uint64_t own[(SLOTS + 63) / 64]; /* those that do; OBS_RESOLVER: those whose it is */
};

struct preference {
    int16_t slot, challenger;
    uint8_t wins;
    bool settled;        /* every path has been measured well once */
    int64_t first_ms;    /* of the first `slot` */
    int64_t since_ms;    /* of `slot` */
    int64_t evidence_ms; /* newest sample of the two at the last win */
};

struct group {
    char *carrier, *region;
    bool left;        /* in no table: its addresses are of other groups now, or nobody used it */
    bool vacant;      /* left, and nothing is known of it: its place is for the next one */
    uint32_t turn;    /* how many had its place before */
    int64_t since_ms; /* the first tick that it was there, or there again */
    int64_t used_ms;  /* last mail, to a relay as well; before any as since_ms */
    uint32_t carrier_group; /* first group of this carrier: holds carrier_rtt */
    struct cell *cell[SLOTS];
    int64_t due_ms[SLOTS]; /* next look at whether to probe */
    struct target target[LINKS_TARGETS_MAX];
    uint32_t target_n;
    double greet_ms, final_ms; /* think time */
    int64_t mail_ms;           /* last mail; 0: never */
    double rate;               /* mails per second, smoothed, as of rate_ms */
    int64_t rate_ms;
    bool destination_suspect;
    int64_t suspect_ms, fine_ms; /* when that began, and ended the last time */
    int64_t blink_ms; /* the end of a run that several egresses shared, too short for a verdict */
    struct preference prefer[SIZE_CLASSES];
    int64_t evaluate_ms;
    int64_t through_ms;       /* begun then, the newest connection that got through, by whichever */
    bool judge, hurry;        /* evidence came in; preferences must be looked at now */
    int64_t verify_ms;        /* of the last round of verification */
    float carrier_rtt[SLOTS]; /* mean of the carrier's groups; 0: unknown */
};

/* By whom an egress is out. Unless it is a worker's word, nobody known looks until it is back: the
 * workers are asked. */
enum fault_word { WORD_OF_WORKER, WORD_OF_PROBE, WORD_OUTDATED /* a worker's, long ago */ };

struct slot {
    bool used;
    char *name;
    uint64_t hash;
    double weight, cost_ms;
    bool v4, v6, proxied, blind, own_view, relay;
    int64_t since_ms;   /* the first tick that it was there */
    struct cell *leg;   /* of a relay: the way to it */
    int64_t leg_due_ms; /* of its next probe */
    int16_t conf_index;
    uint8_t fault;
    uint8_t fault_word; /* whose word that is */
    uint8_t denials;    /* of what a probe found, by workers; in a row */
    int64_t deaf_ms;    /* until then probes are not believed that find a fault */
    int64_t fault_ms;
    int64_t doubt_ms; /* nothing has got through by it since then; 0: no doubt */
    bool judge;
    double mean_rtt; /* of all groups; 0: unknown */
    struct limiter limiter;
};

struct pending {
    uint32_t group;
    int16_t slot;
    uint8_t kind;
    bool overdue; /* said so, or its connection stands */
    struct addr address;
    int64_t start_ms, timeout_ms;
};

/* A probe that shall go out before all others. */
struct wish {
    uint32_t group;
    int16_t slot, suspect; /* not needed any more when that path is no longer suspect */
    int64_t until_ms;
};

struct links {
    struct links_hooks hooks;
    struct slot slot[SLOTS];
    int16_t order[SLOTS]; /* slots in the order of the configuration */
    uint32_t egress_n;
    struct group *group[LINKS_GROUPS_MAX];
    uint16_t sorted[LINKS_GROUPS_MAX]; /* groups in the order of the advice table */
    uint32_t group_n;
    struct limiter total;
    int64_t interval_ms;
    struct pending pending[PENDING_MAX];
    uint32_t pending_n;
    struct wish wish[WISHES_MAX];
    uint32_t wish_n;
    int64_t parents_ms, faults_ms;
    int64_t awake_ms;   /* of the first tick; 0: none yet */
    int64_t resumed_ms; /* links_resume(); 0: never */
    uint64_t version;
    int64_t advice_ms;   /* of the last table */
    bool changed, dirty; /* a state or preference; only figures */
};

static inline int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* links.c */
struct slice text_slice(const char *text);
int16_t links_slot_named(const struct links *l, struct slice name); /* or NO_SLOT */
int16_t links_slot_take(struct links *l, struct slice name);        /* there is room for it */
struct cell *links_cell(struct group *g, int16_t slot);             /* made when needed */
/* What tells of the path: the cell of the group, or of a relay the way to it. NULL: nothing. */
const struct cell *links_seen(const struct links *l, const struct group *g, int16_t slot);
/* NULL: there is none of that name. */
struct group *links_group_find(const struct links *l, struct slice carrier, struct slice region);
/* As the caller knows the group with that index, and back; NO_GROUP: there is no such group any
 * more, another has its place. */
enum { NO_GROUP = -1 };
int links_group_id(const struct links *l, uint32_t index);
int links_group_index(const struct links *l, int id);
void links_group_clear(struct links *l, uint32_t index); /* but its name and place */
/* The group has this name now, which no other has. */
void links_group_rename(struct links *l, uint32_t index, struct slice carrier, struct slice region);
void links_emit(struct links *l, const struct links_event *event);
void links_emit_group(struct links *l, struct links_event event, const struct group *g);

/* links_judge.c */
void judge_success(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                   int64_t start_ms, int64_t end_ms);
void judge_failure(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                   bool failed, int64_t start_ms, int64_t end_ms);
void judge_group(struct links *l, struct group *g, uint32_t index, int64_t now_ms);

/* Something got through, or nothing has failed for long: what failed before is held against no
 * path. `slot`: who got through, or NO_SLOT. */
void judge_acquit(struct links *l, struct group *g, int16_t slot, const char *reason,
                  int64_t now_ms);

/* links_blips.c: a connection failed; it failed or is overdue; a run of such ended in a success */
void blips_note(struct links *l, struct group *g, int16_t slot, const struct addr *address,
                int64_t start_ms, int64_t end_ms);
void blips_share(const struct links *l, struct group *g, int16_t slot);
void blips_end(const struct links *l, struct group *g, int16_t slot, int64_t now_ms);
/* Is it in a run that another egress shares? One that did not end in a success has left its mark,
 * which means nothing until the next begins. */
bool blips_shared(const struct cell *c);

/* links_lapse.c: each second */
void lapse_all(struct links *l, int64_t now_ms);

/* links_room.c: each second */
void room_keep(struct links *l, int64_t now_ms);

/* links_fault.c */
void fault_set(struct links *l, int16_t slot, uint8_t fault, const char *reason, int64_t now_ms);
void fault_judge(struct links *l, int16_t slot, int64_t now_ms);

/* links_prefer.c */
void prefer_evaluate(struct links *l, struct group *g, int64_t now_ms);
/* Does mail go by it: preferred, or near that? */
bool prefer_in_use(const struct group *g, int16_t slot);

/* links_targets.c */
struct target *target_find(struct group *g, const struct addr *address); /* of any kind */
/* Mail went there by this slot. */
struct target *target_learn(const struct links *l, struct group *g, int16_t slot,
                            const struct addr *address, int64_t now_ms);
/* The one probed from here the longest time ago among those that may be now; NULL: none. */
struct target *target_pick(struct links *l, struct group *g, int16_t slot, bool urgent,
                           int64_t now_ms);
/* How many the slot may be probed at, and how many of them now. */
uint32_t target_count(const struct links *l, const struct group *g, int16_t slot);
uint64_t target_hash(const struct addr *address); /* as paths know it */
/* Has it failed again and again while others of its group take connections? Then it is the host. */
bool target_gone(const struct group *g, const struct target *t);
/* What began to fail then by this slot (NO_SLOT: any) was no fault of the hosts; unless that was
 * said before. */
void targets_absolve(struct group *g, int16_t slot, int64_t since_ms);
/* How many the slot may be probed at that are not gone. */
uint32_t target_alive(const struct links *l, const struct group *g, int16_t slot);
/* Has it an address that may always be asked? */
bool target_beacon(const struct links *l, const struct group *g, int16_t slot);
uint32_t target_spare(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms);
void target_forget(struct target *t, int16_t slot);
void target_probed(struct target *t, int16_t slot, int64_t now_ms);
/* How a probe was greeted. */
void target_answered(struct target *t, int16_t slot, bool refused);
/* A learned one is of another group; what is known of it goes along. False: there is no room. */
bool target_move(struct target *t, struct group *to, int64_t now_ms);
/* All that it has allocated. */
void target_clear(struct target *t);

/* links_probe.c */
void probe_wish(struct links *l, const struct wish *wish);
void probe_check(struct links *l, int64_t now_ms); /* overdue and lost ones */
void probe_send(struct links *l, int64_t now_ms, struct rnd *rnd);
/* It does not get overdue any more, and has time for its greeting. */
void probe_connected(struct links *l, uint32_t group, int16_t slot, const struct addr *address,
                     int64_t at_ms);
/* The start of the probe this is the result of, which is forgotten; without one `else_ms`. */
int64_t probe_finished(struct links *l, uint32_t group, int16_t slot, const struct addr *address,
                       int64_t else_ms);

enum { PROBE_AGAIN_MS = 1000 }; /* to the next look at a path that cannot be probed now */
/* How much of the budgets a probe leaves to others. */
enum urgency { ORDINARY, IN_USE, URGENT };
bool probe_own_room(const struct slot *s, enum urgency urgency, int64_t now_ms);
bool probe_total_room(const struct links *l, enum urgency urgency, int64_t now_ms);

/* links_wanted.c */
struct wanted {
    double much;
    uint32_t group;
    uint32_t egress; /* its place in the configuration */
};
int64_t probe_interval(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms);
/* Of the paths that are due and there is room for the `most` that are wanted most, the first one
 * before all others. How many. */
unsigned probe_most_wanted(const struct links *l, int64_t now_ms, struct wanted *best,
                           unsigned most);

/* links_view.c */
void view_path(const struct links *l, const struct group *g, int16_t slot, int64_t now_ms,
               struct advice_path *path_r);
/* The same of the way to a relay that something is known of. */
void view_leg(const struct links *l, int16_t slot, int64_t now_ms, struct links_minute *row);
double view_think(const struct group *g);
/* Of the typical mail, doubts of the moment left out. */
double view_cost(const struct links *l, const struct group *g, int16_t slot, enum size_class size,
                 int64_t now_ms);
/* By how much that may be off because few segments tell of the loss: one standard error. */
double view_cost_error(const struct links *l, const struct group *g, int16_t slot,
                       enum size_class size, int64_t now_ms);
void view_parents(struct links *l);

#endif
