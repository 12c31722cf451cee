#include "gateway/admin/request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/json.h"
#include "gateway/base/mem.h"

void request_free(struct request *r)
{
    free(r->verb);
    free(r->action);
    for (size_t i = 0; i < r->field_count; i++) {
        free(r->fields[i].name);
        free(r->fields[i].value);
    }
    *r = (struct request){ 0 };
}

void request_set(struct request *r, const char *verb, const char *action)
{
    free(r->verb);
    free(r->action);
    r->verb = mem_strdup(verb);
    r->action = mem_strdup(action);
}

bool request_add(struct request *r, const char *name, const char *value)
{
    if (r->field_count == REQUEST_FIELDS_MAX)
        return false;
    r->fields[r->field_count++] = (struct request_field){ mem_strdup(name), mem_strdup(value) };
    return true;
}

const char *request_get(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->field_count; i++) {
        if (strcmp(r->fields[i].name, name) == 0)
            return r->fields[i].value;
    }
    return NULL;
}

static enum rc read_text(const json_t *value, char **text_r)
{
    if (!json_is_string(value) || *text_r)
        return RC_PARSE;
    *text_r = mem_strdup(json_string_value(value));
    return RC_OK;
}

/* A list of [name, value]: names may come again. */
static enum rc read_fields(const json_t *fields, struct request *r)
{
    if (!json_is_array(fields))
        return RC_PARSE;
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *pair = json_array_get(fields, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || !name || !value || !request_add(r, name, value))
            return RC_PARSE;
    }
    return RC_OK;
}

static enum rc read_members(json_t *root, struct request *r, struct err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return err_set(err, RC_PARSE, "the request is not a JSON object");
    json_object_foreach(root, key, value)
    {
        enum rc rc = RC_PARSE;
        if (strcmp(key, "verb") == 0)
            rc = read_text(value, &r->verb);
        else if (strcmp(key, "action") == 0)
            rc = read_text(value, &r->action);
        else if (strcmp(key, "fields") == 0)
            rc = read_fields(value, r);
        if (rc != RC_OK)
            return err_set(err, rc, "bad member \"%.40s\" in the request", key);
    }
    if (!r->verb)
        return err_set(err, RC_PARSE, "the request has no verb");
    if (!r->action)
        r->action = mem_strdup("");
    return RC_OK;
}

enum rc request_parse(struct slice line, struct request *request_r, struct err *err)
{
    *request_r = (struct request){ 0 };
    if (line.n > REQUEST_MAX)
        return err_set(err, RC_PARSE, "the request is too long");
    json_error_t error;
    json_t *root = json_loadb(line.p ? line.p : "", line.n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return err_set(err, RC_PARSE, "not JSON: %s", error.text);
    enum rc rc = read_members(root, request_r, err);
    json_decref(root);
    if (rc != RC_OK)
        request_free(request_r);
    return rc;
}

void request_put(struct buf *out, const struct request *r)
{
    json_open(out, '{');
    json_cstr(out, "verb", r->verb);
    json_cstr(out, "action", r->action);
    json_key(out, "fields");
    json_open(out, '[');
    for (size_t i = 0; i < r->field_count; i++) {
        json_open(out, '[');
        json_cstr(out, NULL, r->fields[i].name);
        json_cstr(out, NULL, r->fields[i].value);
        json_close(out, ']');
    }
    json_close(out, ']');
    json_close(out, '}');
    buf_putc(out, '\n');
}

void request_put_end(struct buf *out, int status, struct slice text)
{
    json_open(out, '{');
    json_key(out, "end");
    json_open(out, '{');
    json_int(out, "status", status);
    json_str(out, "text", text);
    json_close(out, '}');
    json_close(out, '}');
    buf_putc(out, '\n');
}
