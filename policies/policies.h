/*
 * policies/policies — a configuration with its rules compiled: the one value the mail path holds
 *
 *   policies_load() is conf_load() plus compiling every rule, with all errors of both. The value is
 *   immutable, shared between threads and holds a reference to its struct conf. A reload makes a
 * new one; sessions keep the one they began with.
 */
#ifndef WAYPOST_POLICIES_POLICIES_H
#define WAYPOST_POLICIES_POLICIES_H

#include "gateway/conf/conf.h"
#include "policies/when.h"

struct policies;

/* RC_OK and *policies_r with one reference; or RC_PARSE and entries in `errors`. */
enum rc policies_load(struct bundle *bundle, const char *path, struct policies **policies_r,
                      struct conf_errors *errors);

struct policies *policies_ref(struct policies *p);          /* atomic; returns p */
void policies_unref(struct policies **p);                   /* sets NULL; the last one frees */
const struct conf *policies_conf(const struct policies *p); /* lives as long as p */

#endif
