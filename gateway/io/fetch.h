/*
 * io/fetch — HTTP requests to others: feeds are fetched, webhooks are called
 *
 *   One request is one GET, or one POST when there is a body, over http or https with the server's
 *   certificate and name checked. The host's addresses come with the plan (dns/fetch_name looks
 *   them up): libcurl as Debian builds it would start a thread for that. Redirects are not followed
 *   but handed over. No cookies, no proxies from the environment, no other protocols.
 *
 * Limits:    plan.max bytes of body (RC_LIMIT), plan.timeout_ms in all (RC_TIMEOUT).
 * Callbacks: `fn` runs once, from the loop, never from inside fetch_start(); the handle dies with
 *            it. fetch_cancel() ends it without. The fetcher must not be freed in it.
 * Errors:    RC_OK says only that an answer came: look at `status`. RC_IO with text for the rest.
 */
#ifndef WAYPOST_IO_FETCH_H
#define WAYPOST_IO_FETCH_H

#include "gateway/base/addr.h"
#include "gateway/base/rc.h"
#include "gateway/io/loop.h"

enum { FETCH_HOST_MAX = 256, FETCH_FIELD_MAX = 256, FETCH_ADDRS_MAX = 8 };

/* Copied by fetch_start(), but for `ca`, which must outlive the request. */
struct fetch_plan {
    const char *url;
    const struct addr *addrs; /* of its host, in the order to be tried; not for a literal */
    size_t addr_count;
    const char *etag, *modified; /* of what is there already; NULL: none. Else 304 may come */
    const char *content_type;    /* with a body */
    struct slice body;           /* empty: GET */
    struct slice ca;             /* PEM: whom to trust; empty: libcurl's choice */
    size_t max;
    int64_t timeout_ms;
};

/* Valid during the callback. */
struct fetch_result {
    enum rc rc;
    const char *error; /* when rc is not RC_OK */
    int status;        /* 200, 304, 404, … */
    struct slice body;
    const char *etag, *modified; /* "" when there was none */
    const char *redirect;        /* absolute URL; NULL: none */
};
typedef void fetch_fn(void *arg, const struct fetch_result *result);

/* The parts of a URL that concern the way to it. RC_PARSE: no http or https URL. */
struct fetch_target {
    char host[FETCH_HOST_MAX]; /* without brackets */
    uint16_t port;
    bool https, literal; /* literal: the host is an address */
};
enum rc fetch_target_of(const char *url, struct fetch_target *target_r, struct err *err);

struct fetcher;
struct fetch;

struct fetcher *fetcher_new(struct loop *loop);
void fetcher_free(struct fetcher **fetcher); /* requests under way end without `fn` */
struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_plan *plan, fetch_fn *fn,
                          void *arg);
void fetch_cancel(struct fetch **fetch);

#endif
