/*
 * policies/priority — which lane a mail goes in, and why
 *
 *   The first matching rule of `priorities` wins; else MT-PRIORITY (RFC 6710) of somebody who may
 * set it: n >= 4 urgent, 1..3 high, 0 normal, < 0 bulk; else normal. Urgent mail beyond the
 * quota of its user or client is high.
 */
#ifndef WAYPOST_POLICIES_PRIORITY_H
#define WAYPOST_POLICIES_PRIORITY_H

#include "policies/policies.h"

enum lane_source { LANE_BY_DEFAULT, LANE_BY_SENDER, LANE_BY_RULE, LANE_BY_QUOTA };
extern const char *const lane_source_names[]; /* "default" ... */

struct lane_choice {
    enum lane lane;
    enum lane_source source;
    const struct conf_priority *rule; /* LANE_BY_RULE: the rule, with its file and line */
    bool undecided; /* a rule before this answer needs facts not known yet: ask again with them */
};

struct mt_priority {
    bool given;   /* MT-PRIORITY was on the MAIL command */
    bool allowed; /* client or user may set it */
    int value;    /* -9..9 */
};

struct lane_choice policies_lane(const struct policies *p, const struct facts *f,
                                 struct mt_priority mt);
enum lane lane_of_mt_priority(int value);
/* What urgent mail becomes when the quota is used up. */
enum { LANE_OVER_QUOTA = LANE_HIGH };
/* The number for the next hop: the value itself when it stands for this lane, else the nearest one
 * that does (RFC 6710 section 4.2). */
int mt_priority_in_lane(int value, enum lane lane);
/* The value to use for this mail: as given when allowed, lowered to at most 0 when not (RFC
 * 6710 5.1). */
int mt_priority_effective(struct mt_priority mt);

#endif
