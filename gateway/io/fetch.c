#include "gateway/io/fetch.h"

#include <assert.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/io/timer.h"

enum { LINK_MAX = FETCH_HOST_MAX + 16 + FETCH_ADDRS_MAX * ADDR_TEXT_MAX };

struct fetcher {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;
    struct list running;
};

struct fetch {
    struct list node;
    struct fetcher *fetcher;
    CURL *easy;
    struct curl_slist *headers, *resolve;
    struct buf body;
    char *sent; /* the body of a POST */
    char etag[FETCH_FIELD_MAX], modified[FETCH_FIELD_MAX];
    char error[CURL_ERROR_SIZE];
    fetch_fn *fn;
    void *arg;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(rc == CURLE_OK);
    (void)rc;
}

/* ---- URLs ---- */

static enum rc fill_target(const char *scheme, const char *host, const char *port,
                           struct fetch_target *t, struct err *err)
{
    uint64_t number = 0;
    struct addr a;
    if (!scheme || !host || !port)
        return err_set(err, RC_PARSE, "it names no host");
    if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
        return err_set(err, RC_PARSE, "\"%.20s\" is neither https nor http", scheme);
    if (strlen(host) >= sizeof t->host || !slice_to_u64(slice_of(port), 65535, &number))
        return err_set(err, RC_PARSE, "its host is too long");
    size_t bracket = host[0] == '[';
    snprintf(t->host, sizeof t->host, "%.*s", (int)(strlen(host) - 2 * bracket), host + bracket);
    t->port = (uint16_t)number;
    t->https = strcmp(scheme, "https") == 0;
    t->literal = addr_parse(slice_of(t->host), &a) == RC_OK;
    return RC_OK;
}

static enum rc read_target(CURLU *url, struct fetch_target *t, struct err *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(url, CURLUPART_HOST, &host, 0);
    curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    enum rc rc = fill_target(scheme, host, port, t, err);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return rc;
}

enum rc fetch_target_of(const char *text, struct fetch_target *target_r, struct err *err)
{
    *target_r = (struct fetch_target){ .port = 0 };
    CURLU *url = curl_url();
    enum rc rc = RC_OK;
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
        rc = err_set(err, RC_PARSE, "it is no URL");
    if (rc == RC_OK)
        rc = read_target(url, target_r, err);
    curl_url_cleanup(url);
    return rc;
}

/* ---- the end of a request ---- */

static void fetch_free(struct fetch *f)
{
    list_del(&f->node);
    curl_multi_remove_handle(f->fetcher->multi, f->easy);
    curl_easy_cleanup(f->easy);
    curl_slist_free_all(f->headers);
    curl_slist_free_all(f->resolve);
    buf_free(&f->body);
    free(f->sent);
    free(f);
}

static enum rc rc_of(CURLcode code, const struct fetch *f)
{
    if (f->body.full)
        return RC_LIMIT;
    if (code == CURLE_OK)
        return RC_OK;
    return code == CURLE_OPERATION_TIMEDOUT ? RC_TIMEOUT : RC_IO;
}

static void finish(struct fetch *f, CURLcode code)
{
    struct fetch_result result = { .rc = rc_of(code, f), .error = "" };
    long status = 0;
    char *redirect = NULL;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &redirect);
    if (result.rc == RC_LIMIT)
        result.error = "the answer is too large";
    else if (result.rc != RC_OK)
        result.error = f->error[0] ? f->error : curl_easy_strerror(code);
    result.status = (int)status;
    result.body = buf_slice(&f->body);
    result.etag = f->etag;
    result.modified = f->modified;
    result.redirect = redirect;
    fetch_fn *fn = f->fn;
    void *arg = f->arg;
    f->fn = NULL; /* fetch_cancel() from the callback would be for another one */
    fn(arg, &result);
    fetch_free(f);
}

static void take_finished(struct fetcher *r)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(r->multi, &left));) {
        char *f = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
        finish((struct fetch *)(void *)f, code);
    }
}

/* ---- libcurl on the loop ---- */

static void on_ready(void *arg, int fd, unsigned what)
{
    struct fetcher *r = arg;
    int running, events = (what & LOOP_READ ? CURL_CSELECT_IN : 0) |
                          (what & LOOP_WRITE ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(r->multi, fd, events, &running);
    take_finished(r);
}

static void on_timer(struct timer *timer)
{
    struct fetcher *r = CONTAINER_OF(timer, struct fetcher, timer);
    int running;
    curl_multi_socket_action(r->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_finished(r);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch_p)
{
    struct fetcher *r = arg;
    struct loop_watch *watch = watch_p;
    unsigned wanted =
        (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        loop_watch_free(&watch);
        curl_multi_assign(r->multi, fd, NULL);
    } else if (watch) {
        loop_watch_set(watch, wanted);
    } else {
        curl_multi_assign(r->multi, fd, loop_watch_new(r->loop, fd, wanted, on_ready, r));
    }
    return 0;
}

static int on_timeout_wanted(CURLM *multi, long ms, void *arg)
{
    struct fetcher *r = arg;
    (void)multi;
    if (ms < 0)
        timer_stop(r->loop, &r->timer);
    else
        timer_set(r->loop, &r->timer, ms);
    return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    buf_put(&f->body, p, size * n);
    return f->body.full ? 0 : size * n;
}

static void keep_field(struct slice line, const char *name, char out[FETCH_FIELD_MAX])
{
    struct slice key, value;
    if (!slice_cut(line, ':', &key, &value) || !slice_ieq_str(slice_trim(key), name))
        return;
    while (value.n && (value.p[value.n - 1] == '\n' || value.p[value.n - 1] == '\r'))
        value.n--;
    value = slice_trim(value);
    if (value.n < FETCH_FIELD_MAX)
        snprintf(out, FETCH_FIELD_MAX, "%.*s", SLICE_FMT(value));
}

/* NOLINTNEXTLINE(readability-non-const-parameter): libcurl's type */
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    struct slice line = { p, size * n };
    keep_field(line, "etag", f->etag);
    keep_field(line, "last-modified", f->modified);
    return size * n;
}

/* ---- a request ---- */

static void add_header(struct fetch *f, const char *name, const char *value)
{
    char line[FETCH_FIELD_MAX + 64];
    if (!value || !value[0] || strpbrk(value, "\r\n"))
        return;
    snprintf(line, sizeof line, "%s: %s", name, value);
    f->headers = curl_slist_append(f->headers, line);
}

/* "host:port:address,address": what libcurl would look up. */
static void give_addresses(struct fetch *f, const struct fetch_plan *plan,
                           const struct fetch_target *target)
{
    char text[ADDR_TEXT_MAX];
    struct buf b;
    buf_init(&b, LINK_MAX);
    buf_printf(&b, "%s:%u:", target->host, (unsigned)target->port);
    for (size_t i = 0; i < plan->addr_count && i < FETCH_ADDRS_MAX; i++) {
        const struct addr *a = &plan->addrs[i];
        bool v6 = a->family == ADDR_V6;
        buf_printf(&b, "%s%s%s%s", i ? "," : "", v6 ? "[" : "", addr_host_text(a, text),
                   v6 ? "]" : "");
    }
    buf_putc(&b, '\0');
    f->resolve = curl_slist_append(NULL, buf_slice(&b).p);
    curl_easy_setopt(f->easy, CURLOPT_RESOLVE, f->resolve);
    buf_free(&b);
}

static void set_body(struct fetch *f, const struct fetch_plan *plan)
{
    if (!plan->body.n)
        return;
    f->sent = mem_copy(plan->body.p, plan->body.n);
    add_header(f, "Content-Type", plan->content_type);
    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)plan->body.n);
    curl_easy_setopt(f->easy, CURLOPT_POSTFIELDS, f->sent);
}

static void set_trust(struct fetch *f, struct slice ca)
{
    struct curl_blob blob = { .len = ca.n, .flags = CURL_BLOB_COPY };
    if (!ca.n)
        return;
    memcpy(&blob.data, &ca.p, sizeof blob.data); /* libcurl copies it */
    curl_easy_setopt(f->easy, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(f->easy, CURLOPT_CAPATH, NULL);
}

static void set_options(struct fetch *f, const struct fetch_plan *plan)
{
    CURL *e = f->easy;
    curl_easy_setopt(e, CURLOPT_URL, plan->url);
    curl_easy_setopt(e, CURLOPT_PRIVATE, f);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->error);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https,http");
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "waypost/" WAYPOST_VERSION);
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)plan->timeout_ms);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, f);
}

struct fetch *fetch_start(struct fetcher *r, const struct fetch_plan *plan, fetch_fn *fn, void *arg)
{
    struct fetch_target target;
    struct fetch *f = mem_zero(sizeof *f);
    f->fetcher = r;
    f->fn = fn;
    f->arg = arg;
    f->easy = curl_easy_init();
    assert(f->easy);
    buf_init(&f->body, plan->max);
    set_options(f, plan);
    if (plan->addr_count && fetch_target_of(plan->url, &target, NULL) == RC_OK)
        give_addresses(f, plan, &target);
    add_header(f, "If-None-Match", plan->etag);
    add_header(f, "If-Modified-Since", plan->modified);
    set_body(f, plan);
    set_trust(f, plan->ca);
    curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
    list_push_back(&r->running, &f->node);
    curl_multi_add_handle(r->multi, f->easy);
    return f;
}

void fetch_cancel(struct fetch **fetch)
{
    if (*fetch && (*fetch)->fn)
        fetch_free(*fetch);
    *fetch = NULL;
}

/* ---- life ---- */

struct fetcher *fetcher_new(struct loop *loop)
{
    struct fetcher *r = mem_zero(sizeof *r);
    pthread_once(&library_once, library_init);
    r->loop = loop;
    r->multi = curl_multi_init();
    assert(r->multi);
    list_init(&r->running);
    timer_init(&r->timer, on_timer);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
    return r;
}

void fetcher_free(struct fetcher **fetcher)
{
    struct fetcher *r = *fetcher;
    if (!r)
        return;
    LIST_EACH (node, &r->running)
        fetch_free(CONTAINER_OF(node, struct fetch, node));
    curl_multi_cleanup(r->multi);
    timer_stop(r->loop, &r->timer);
    free(r);
    *fetcher = NULL;
}
