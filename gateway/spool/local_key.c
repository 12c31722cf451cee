/*
 * spool/local_key — which key fits: the check record
 *
 *   A known text under the key "check", sealed when the spool is. An empty spool takes any key, or
 *   none; one that holds mail only the key the mail was sealed with.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/spool/local.h"

#define CHECK_KEY SLICE_LIT("check")
#define CHECK_TEXT SLICE_LIT("waypost spool 1")

static bool store_is_empty(struct local *local)
{
    static const enum family families[] = { FAMILY_ITEM, FAMILY_BODY };
    bool empty = true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct err err;
        rocksdb_iterator_t *it = db_iter(&local->main, families[i]);
        rocksdb_iter_seek_to_first(it);
        empty &= !rocksdb_iter_valid(it) && db_iter_error(it, &err) == RC_OK;
        rocksdb_iter_destroy(it);
    }
    return empty;
}

static enum rc write_check(struct local *local, struct seal *seal, struct err *err)
{
    char record[64];
    struct slice text = CHECK_TEXT;
    if (!seal)
        return db_put(&local->main, FAMILY_SYS, CHECK_KEY, text, err);
    seal_close(seal, CHECK_KEY, text, record);
    return db_put(&local->main, FAMILY_SYS, CHECK_KEY,
                  (struct slice){ record, text.n + SEAL_OVERHEAD }, err);
}

static enum rc refuse(const struct local *local, bool key, bool sealed, struct err *err)
{
    if (!key)
        return err_set(err, RC_DENIED, "the spool %s is sealed, and no key is configured",
                       local->dir);
    if (!sealed)
        return err_set(err, RC_DENIED,
                       "the spool %s holds mail that is not sealed: let it run empty without the "
                       "key first",
                       local->dir);
    return err_set(err, RC_DENIED, "the key does not fit the spool %s", local->dir);
}

enum rc key_open(struct local *local, struct seal *seal, struct err *err)
{
    char *value = NULL, plain[64];
    size_t len = 0;
    enum rc rc = db_get(&local->main, FAMILY_SYS, CHECK_KEY, &value, &len, err);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    struct slice record = { value, len };
    bool unsealed = rc == RC_OK && slice_eq(record, CHECK_TEXT);
    bool fits = rc == RC_OK && !seal && unsealed;
    if (rc == RC_OK && seal && len == CHECK_TEXT.n + SEAL_OVERHEAD)
        fits = seal_open(seal, CHECK_KEY, record, plain) == RC_OK;
    rocksdb_free(value);
    if (fits)
        return RC_OK;
    if (store_is_empty(local))
        return write_check(local, seal, err);
    return refuse(local, seal != NULL, !unsealed, err);
}

enum rc local_key_check(struct spool *spool, const unsigned char *key, struct err *err)
{
    struct local *local = (struct local *)spool;
    if (key && local->key ? memcmp(key, local->key, SEAL_KEY) == 0 : !key && !local->key)
        return RC_OK;
    db_lock(&local->main);
    bool empty = local->main.db && store_is_empty(local);
    db_unlock(&local->main);
    return empty ? RC_OK : refuse(local, key != NULL, local->key != NULL, err);
}
