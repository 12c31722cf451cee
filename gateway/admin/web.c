#include "gateway/admin/web.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/admin/web_private.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/report/web_files.h"

enum { JSON_ERROR_MAX = 8192, ETAG_MAX = 64 };

/* ---- replies ---- */

void web_release(struct web_query **query)
{
    list_del(&(*query)->node);
    request_free(&(*query)->fields);
    free((*query)->unknown);
    free(*query);
    *query = NULL;
}

void web_reply(struct web_query **query, int status, const char *type, struct slice body)
{
    if ((*query)->call)
        http_reply(&(*query)->call, status, type, body);
    web_release(query);
}

void web_reply_json(struct web_query **query, struct buf *json)
{
    if (json->full) {
        web_reply_error(query, 503, "the answer is too large");
        return;
    }
    buf_putc(json, '\n');
    web_reply(query, 200, "application/json", buf_slice(json));
}

static void reply_error(struct http_call *call, int status, const char *why)
{
    struct buf json;
    buf_init(&json, JSON_ERROR_MAX);
    json_open(&json, '{');
    json_cstr(&json, "error", why);
    json_close(&json, '}');
    buf_putc(&json, '\n');
    http_reply(&call, status, "application/json", buf_slice(&json));
    buf_free(&json);
}

void web_reply_error(struct web_query **query, int status, const char *why)
{
    if ((*query)->call)
        reply_error((*query)->call, status, why);
    web_release(query);
}

void web_put_array(struct buf *out, struct slice lines)
{
    struct slice line;
    buf_putc(out, '[');
    for (bool first = true; lines.n; first = false) {
        slice_cut(lines, '\n', &line, &lines);
        buf_puts(out, first ? "" : ",\n");
        buf_put_slice(out, line);
    }
    buf_putc(out, ']');
}

struct live web_live_view(const struct web *w)
{
    return (struct live){ .advice = w->env.advice(w->env.arg),
                          .conf = w->env.conf(w->env.arg),
                          .now_ms = loop_now_ms(w->env.loop),
                          .standing = w->env.standing ? w->env.standing(w->env.arg) : NULL,
                          .wall_ms = loop_wall_ms(w->env.loop) };
}

/* ---- who may ask ---- */

/* Of "name:port", "[::1]:port", "name". */
static struct slice without_port(struct slice host)
{
    struct slice name, port;
    if (host.n && host.p[0] == '[') {
        const char *end = memchr(host.p, ']', host.n);
        return end ? (struct slice){ host.p + 1, (size_t)(end - host.p) - 1 } : host;
    }
    slice_cut(host, ':', &name, &port);
    return name;
}

/* A page of elsewhere reaches us under its own name: an address or a name of ours is no such. */
static bool host_is_ours(const struct web *w, struct slice host)
{
    const struct conf *conf = w->env.conf(w->env.arg);
    struct slice name = without_port(host);
    struct addr addr;
    if (!host.n || slice_ieq_str(name, "localhost") || addr_parse(name, &addr) == RC_OK)
        return true;
    if (conf && slice_ieq(name, conf->hostname))
        return true;
    for (size_t i = 0; conf && i < conf->report.names.n; i++) {
        if (slice_ieq(name, conf->report.names.at[i]))
            return true;
    }
    return false;
}

static bool is_cross_site(const struct http_head *head)
{
    struct slice site = http_head_field(head, "Sec-Fetch-Site");
    struct slice mode = http_head_field(head, "Sec-Fetch-Mode");
    bool visit = slice_eq_str(mode, "navigate") && slice_eq_str(head->method, "GET");
    return site.p && !slice_eq_str(site, "same-origin") && !slice_eq_str(site, "none") && !visit;
}

/* In a time that does not depend on how much of it is right. */
static bool same_secret(struct slice a, struct slice b)
{
    unsigned char differ = a.n != b.n;
    for (size_t i = 0; i < a.n && b.n; i++)
        differ |= (unsigned char)(a.p[i] ^ b.p[i % b.n]);
    return !differ && b.n > 0;
}

enum token { TOKEN_NONE, TOKEN_WRONG, TOKEN_RIGHT };

static enum token token_of(const struct web *w, const struct http_head *head)
{
    const struct conf *conf = w->env.conf(w->env.arg);
    struct slice field = http_head_field(head, "Authorization");
    if (!field.p)
        return TOKEN_NONE;
    if (!conf || !slice_istarts_with(field, "Bearer "))
        return TOKEN_WRONG;
    return same_secret(slice_trim(slice_skip(field, 7)), conf->report.token) ? TOKEN_RIGHT
                                                                             : TOKEN_WRONG;
}

static bool reads(const struct http_head *head)
{
    return slice_eq_str(head->method, "GET") || slice_eq_str(head->method, "HEAD");
}

/* False: refused, the call has ended. */
static bool admit(struct web *w, struct http_call *call, const struct http_head *head)
{
    enum token token = token_of(w, head);
    if (!host_is_ours(w, head->host)) {
        reply_error(call, 421, "this host name is not one of report.names");
    } else if (is_cross_site(head)) {
        reply_error(call, 403, "pages of other sites may not ask");
    } else if (token == TOKEN_WRONG) {
        http_header(call, "WWW-Authenticate", "Bearer");
        reply_error(call, 401, "the token is not that of report.token_file");
    } else if (!reads(head) && token != TOKEN_RIGHT) {
        http_header(call, "WWW-Authenticate", "Bearer");
        reply_error(call, 401, "this needs the token of report.token_file");
    } else {
        return true;
    }
    return false;
}

/* ---- the page ---- */

static void add_page_headers(struct http_call *call)
{
    http_header(call, "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    http_header(call, "X-Content-Type-Options", "nosniff");
    http_header(call, "Referrer-Policy", "no-referrer");
    http_header(call, "Cross-Origin-Resource-Policy", "same-origin");
}

static const char GET_ONLY[] = "GET, HEAD";

static void reply_wrong_method(struct http_call *call, const char *allow)
{
    http_header(call, "Allow", allow);
    reply_error(call, 405, "this method is not for this path");
}

static bool serve_file(struct http_call *call, const struct http_head *head)
{
    const struct web_file *file = web_file_find(head->path);
    if (!file)
        return false;
    if (!reads(head)) {
        reply_wrong_method(call, GET_ONLY);
        return true;
    }
    http_header(call, "Cache-Control", "no-cache"); /* asks each time, gets 304 */
    http_header(call, "ETag", file->etag);
    if (slice_eq_str(http_head_field(head, "If-None-Match"), file->etag))
        http_reply(&call, 304, NULL, slice_of(""));
    else
        http_reply_static(&call, 200, file->type, file->body);
    return true;
}

/* ---- routes ---- */

static bool method_fits(const struct web_route *route, struct slice method)
{
    if (slice_eq_str(method, "HEAD"))
        return strcmp(route->method, "GET") == 0;
    return slice_eq_str(method, route->method);
}

/* NULL: there is none, or only for the methods *allow_r. */
static const struct web_route *find_route(const struct http_head *head, const char **allow_r)
{
    *allow_r = NULL;
    for (const struct web_route *r = web_routes; r->path; r++) {
        if (!slice_eq_str(head->path, r->path))
            continue;
        if (method_fits(r, head->method))
            return r;
        *allow_r = strcmp(r->method, "GET") == 0 ? GET_ONLY : r->method;
    }
    return NULL;
}

static bool is_field(const struct web_route *route, struct slice name)
{
    for (const char *const *f = route->fields; f && *f; f++) {
        if (slice_eq_str(name, *f))
            return true;
    }
    return false;
}

static enum rc read_query(const struct web_route *route, struct slice rest,
                          struct request *fields_r, struct err *err)
{
    struct buf name, value;
    bool bad = false;
    enum rc rc = RC_OK;
    buf_init(&name, HTTP_HEAD_MAX);
    buf_init(&value, HTTP_HEAD_MAX + 1);
    request_set(fields_r, route->verb ? route->verb : "", route->action ? route->action : "");
    while (rc == RC_OK && http_query_next(&rest, &name, &value, &bad)) {
        if (!is_field(route, buf_slice(&name))) {
            rc = err_set(err, RC_PARSE, "there is no field of this name here");
            break;
        }
        buf_putc(&name, '\0');
        buf_putc(&value, '\0');
        if (!request_add(fields_r, buf_slice(&name).p, buf_slice(&value).p))
            rc = err_set(err, RC_LIMIT, "too much is asked at once");
    }
    if (bad)
        rc = err_set(err, RC_PARSE, "the query cannot be decoded");
    buf_free(&name);
    buf_free(&value);
    return rc;
}

static void on_request(void *arg, struct http_call *call, const struct http_head *head)
{
    struct web *w = arg;
    struct err err;
    const char *allow;
    add_page_headers(call);
    if (!admit(w, call, head))
        return;
    const struct web_route *route = find_route(head, &allow);
    if (!route) {
        if (allow)
            reply_wrong_method(call, allow);
        else if (!serve_file(call, head))
            reply_error(call, 404, "there is nothing here");
        return;
    }
    struct web_query *query = mem_zero(sizeof *query);
    query->web = w;
    query->call = call;
    list_init(&query->node);
    list_push_back(&w->queries, &query->node);
    http_header(call, "Cache-Control", "no-store");
    if (read_query(route, head->query, &query->fields, &err) == RC_OK)
        route->run(query);
    else
        web_reply_error(&query, 400, err.text);
}

/* ---- faults of egresses ---- */

static void fault_free(void *value)
{
    struct web_fault *fault = value;
    if (fault)
        free(fault->reason);
    free(fault);
}

void web_event(struct web *w, int64_t at_ms, const struct links_event *e)
{
    if (e->kind == LINKS_EGRESS_FAULT) {
        struct web_fault *fault = mem_zero(sizeof *fault);
        fault->reason = mem_strdup(e->reason ? e->reason : "");
        fault->fault = (struct live_fault){ at_ms, fault->reason };
        fault_free(map_put(w->faults, e->from, fault));
    } else if (e->kind == LINKS_EGRESS_FINE) {
        fault_free(map_del(w->faults, e->from));
    }
    web_live_event(w->live, at_ms, e);
}

void web_standing(struct web *w, int64_t at_ms, const struct standing_note *note)
{
    web_live_standing(w->live, at_ms, note);
}

/* ---- life ---- */

struct web *web_new(const struct web_env *env)
{
    struct web *w = mem_zero(sizeof *w);
    w->env = *env;
    w->faults = map_new();
    list_init(&w->asks);
    list_init(&w->queries);
    w->live = web_live_new(w);
    return w;
}

/* Questions still open lose their calls: their answers are for nobody. */
static void stop(struct web *w)
{
    LIST_EACH (node, &w->queries)
        CONTAINER_OF(node, struct web_query, node)->call = NULL;
    web_live_free(&w->live);
    http_server_free(&w->server);
}

void web_listen(struct web *w, int fd)
{
    stop(w);
    w->live = web_live_new(w);
    if (fd >= 0)
        w->server = http_server_new(w->env.loop, fd, on_request, w);
}

void web_free(struct web **w_p)
{
    struct web *w = *w_p;
    if (!w)
        return;
    stop(w);
    ask_cancel_all(&w->asks);
    LIST_EACH (node, &w->queries)
        list_del(node); /* the history answers them yet; each frees itself then */
    map_free(&w->faults, fault_free);
    free(w);
    *w_p = NULL;
}
