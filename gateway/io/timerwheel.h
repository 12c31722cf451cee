/*
 * io/timerwheel — very many deadlines, cheaply (hierarchical timing wheel)
 *
 *   Pure: time comes in, due nodes come out; no clock, no callbacks. Adding, moving and removing
 *   a node is O(1) and allocates nothing: the node is embedded (24 bytes). A wheel has one tick;
 *   the loop uses 10 ms, the queue of a million waiting messages 1 s.
 *
 * Guarantees: a node is never due early and at most one tick late (given timely wheel_pop calls);
 *             nodes of one tick come out in the order they were added. A due time that has
 *             already passed is filed under the next tick, so a pop loop ends even when it adds
 *             nodes again.
 */
#ifndef WAYPOST_IO_TIMERWHEEL_H
#define WAYPOST_IO_TIMERWHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/list.h"

struct wheel;

struct wheel_node {
    struct list link;
    int64_t due_ms;
};

struct wheel *wheel_new(int64_t tick_ms, int64_t now_ms);
void wheel_free(struct wheel **wheel); /* nodes still in it are let go, not touched again */

void wheel_node_init(struct wheel_node *node);
bool wheel_armed(const struct wheel_node *node);
void wheel_add(struct wheel *wheel, struct wheel_node *node, int64_t due_ms); /* or moves it */
void wheel_del(struct wheel *wheel, struct wheel_node *node); /* harmless when not armed */

/* The next node due at `now_ms` (which never goes back), taken off; NULL when there is none left.
 */
struct wheel_node *wheel_pop(struct wheel *wheel, int64_t now_ms);
/* When to look again: nothing is due before. INT64_MAX when empty. */
int64_t wheel_next_ms(const struct wheel *wheel);
size_t wheel_count(const struct wheel *wheel);
bool wheel_validate(const struct wheel *wheel); /* every invariant; for tests, O(n) */

#endif
