/*
 * delivery/paths — which egress a mail leaves by: what control knows, and what is seen here
 *
 *   One struct paths per worker holds the advice table in force and puts questions to
 *   policies/choose at the moment a mail is about to leave. The answer is kept in the target for
 *   mail of the same route, correspondents and size class, for PATHS_KEEP_MS and as long as nothing
 *   that went into it changes; a choice by weight or an exploring one is made anew for each mail.
 *   Where there is one way only, a choice per mail costs no more than comparing a key.
 *
 *   The destination group of a target is that of the address its sessions connect to; until one is
 *   known the choice is by weight, and made again when it is (paths_place).
 */
#ifndef WAYPOST_DELIVERY_PATHS_H
#define WAYPOST_DELIVERY_PATHS_H

#include "gateway/geo/group.h"
#include "gateway/queue/item.h"
#include "policies/choose.h"

struct delivery;
struct target;

enum { PATHS_KEEP_MS = 100, PATHS_KEPT = 4, PATHS_WORDS = CHOICE_MAX / 64 };

/* What came of a choice. */
struct way_out {
    int egress;                 /* EGRESS_NONE: the mail has to wait */
    int second;                 /* to race with; EGRESS_NONE */
    int64_t race_ms;            /* CHOICE_RACE_NEVER */
    int64_t overdue_ms;         /* a connection that takes longer is reported */
    int spilled;                /* egress whose mail it is, though not its to carry; EGRESS_NONE */
    bool waits;                 /* for the allowance of one egress; other mail may go now */
    bool placed, measured;      /* the group was known; so were its paths */
    uint64_t able[PATHS_WORDS]; /* those that may carry it, too, when no session is to be had */
};

/* A choice that is kept, and what it was made for. Part of struct target. */
struct kept_way {
    const struct conf_route *route; /* NULL: empty */
    uint64_t pair;                  /* of correspondents */
    uint8_t size_class, lane, families;
    uint64_t generation; /* of advice and configuration */
    int64_t until_ms;
    int incumbent; /* used last for this route; outlives the rest */
    struct way_out way;
};

struct paths;

/* `geo`: the worker's groups; NULL: every address is of the same one. */
struct paths *paths_new(unsigned workers, struct geo_cache *geo);
void paths_free(struct paths **paths);
/* Takes the reference over. True: who may carry mail to whom is another matter now. */
bool paths_advise(struct paths *paths, struct advice *advice);
/* Another configuration: egresses have other indexes. */
void paths_reconfigure(struct paths *paths, const struct conf *conf);

/* `ahead`: for a session that is opened before its mail may go (policies/ahead.h), so by an egress
 * whose limits let none go now but soon have use for one more. It is not kept, and explores none.
 */
void paths_choose(struct target *t, const struct conf_route *route, const struct item *item,
                  bool ahead, struct way_out *way_r);
static inline bool paths_is_able(const struct way_out *way, int egress)
{
    return way->able[egress / 64] >> (egress % 64) & 1;
}

/* How an egress of the configuration stands with this receiver, by the last advice however old it
 * is; with a source what there is about that address of it. NULL: as well as can be, or nothing. */
const struct advice_standing *paths_standing(const struct paths *paths, int egress,
                                             struct slice provider, const struct addr *source);
/* The table in force; NULL: none yet. */
const struct advice *paths_advice(const struct paths *paths);
/* Must nothing leave by it, or from this source? */
bool paths_barred(const struct paths *paths, int egress, const struct addr *source);
/* What was decided a moment ago no longer holds. */
void paths_forget(struct target *t);
bool paths_has_standings(const struct paths *paths);
/* Could the mail leave by another egress than those that refused or failed it: now, or when there
 * is something left of its allowance again? */
bool paths_has_way(struct target *t, const struct conf_route *route, const struct item *item);
/* Did the latest choice leave this one out as a limit holds it back for a moment? */
bool paths_limited(const struct paths *paths, int egress);
/* Why the latest choice found none; leaves `text` alone when it does not know. */
void paths_why_none(const struct paths *paths, char *text, size_t n);

/* Where the target's mail goes, as sessions find out. */
void paths_note_address(struct target *t, const struct addr *address);

/* For explain: the whole choice for a mail of this size and sender; t may be NULL, address
 * ADDR_NONE. Valid until the next choice. */
struct paths_question {
    struct target *target;
    const struct conf_route *route;
    struct addr address;
    struct slice provider;          /* repute_provider_of() the destination */
    struct slice sender, recipient; /* addresses */
    uint64_t bytes;
    enum lane lane;
};
const struct choice *paths_explain(struct delivery *d, const struct paths_question *question);

#endif
