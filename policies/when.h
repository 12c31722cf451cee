/*
 * policies/when — a compiled `when` and its answer
 *
 *   Keys are joined by and, the patterns of a key by or, `not` negates a whole group. Unknown facts
 *   follow three-valued logic: a known false term makes the rule false whatever else is unknown.
 */
#ifndef WAYPOST_POLICIES_WHEN_H
#define WAYPOST_POLICIES_WHEN_H

#include "policies/facts.h"
#include "policies/pattern.h"

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

struct when;

/* Never NULL; bad patterns are added to `errors` and match nothing. Memory from the arena. */
struct when *when_compile(struct arena *arena, const struct conf_when *conf,
                          struct conf_errors *errors);
enum answer when_answer(const struct when *w, const struct facts *f);
/* FACT_BIT of each key the rule looks at, negated groups included. */
unsigned when_needs(const struct when *w);

#endif
