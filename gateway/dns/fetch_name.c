#include "gateway/dns/fetch_name.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

enum { REDIRECTS_MAX = 3 };

struct fetch_name {
    struct loop *loop;
    struct fetcher *fetcher;
    struct resolver *resolver;
    struct fetch_plan plan;
    char *url; /* where it has led to */
    struct fetch_target target;
    unsigned redirects;
    struct dns_query *query;
    struct fetch *fetch;
    struct loop_task failed; /* tells `fn` what went wrong before anything was asked */
    struct err err;
    fetch_fn *fn;
    void *arg;
};

static void release(struct fetch_name *f)
{
    loop_task_cancel(&f->failed);
    if (f->query)
        dns_cancel(&f->query);
    fetch_cancel(&f->fetch);
    free(f->url);
    free(f);
}

static void end(struct fetch_name *f, const struct fetch_result *result)
{
    fetch_fn *fn = f->fn;
    void *arg = f->arg;
    fn(arg, result);
    release(f);
}

static void on_failed(struct loop_task *task)
{
    struct fetch_name *f = CONTAINER_OF(task, struct fetch_name, failed);
    struct fetch_result result = {
        .rc = f->err.code, .error = f->err.text, .etag = "", .modified = ""
    };
    end(f, &result);
}

static void look_up(struct fetch_name *f);

/* False: the result is the one to tell. */
static bool follow(struct fetch_name *f, const struct fetch_result *result)
{
    bool moved = result->rc == RC_OK && result->status >= 300 && result->status < 400;
    if (!moved || !result->redirect || f->plan.body.n || f->redirects == REDIRECTS_MAX)
        return false;
    if (f->target.https && !slice_istarts_with(slice_of(result->redirect), "https:"))
        return false;
    char *next = mem_strdup(result->redirect);
    free(f->url);
    f->url = next;
    f->redirects++;
    look_up(f);
    return true;
}

static void on_fetched(void *arg, const struct fetch_result *result)
{
    struct fetch_name *f = arg;
    f->fetch = NULL;
    if (!follow(f, result))
        end(f, result);
}

static void fetch(struct fetch_name *f, const struct addr *addrs, size_t n)
{
    struct fetch_plan plan = f->plan;
    plan.url = f->url;
    plan.addrs = addrs;
    plan.addr_count = n;
    f->fetch = fetch_start(f->fetcher, &plan, on_fetched, f);
}

static void on_host(void *arg, struct host_set *set)
{
    struct fetch_name *f = arg;
    f->query = NULL;
    if (set->status == DNS_OK) {
        fetch(f, set->addrs, set->count);
        return;
    }
    err_set(&f->err, set->status == DNS_TEMPORARY ? RC_AGAIN : RC_NOT_FOUND, "%.100s: %s",
            f->target.host, set->text);
    loop_task_schedule(f->loop, &f->failed);
}

static void look_up(struct fetch_name *f)
{
    if (fetch_target_of(f->url, &f->target, &f->err) != RC_OK) {
        f->err.code = RC_PARSE;
        loop_task_schedule(f->loop, &f->failed);
    } else if (f->target.literal) {
        fetch(f, NULL, 0);
    } else {
        f->query = resolver_host(f->resolver, slice_of(f->target.host), on_host, f);
    }
}

struct fetch_name *fetch_name_start(struct loop *loop, struct fetcher *fetcher,
                                    struct resolver *resolver, const struct fetch_plan *plan,
                                    fetch_fn *fn, void *arg)
{
    struct fetch_name *f = mem_zero(sizeof *f);
    f->loop = loop;
    f->fetcher = fetcher;
    f->resolver = resolver;
    f->plan = *plan;
    f->url = mem_strdup(plan->url);
    f->fn = fn;
    f->arg = arg;
    loop_task_init(&f->failed, on_failed);
    look_up(f);
    return f;
}

void fetch_name_cancel(struct fetch_name **f)
{
    if (*f)
        release(*f);
    *f = NULL;
}
