/*
 * spool/local_aside — records that cannot be read are set aside, never dropped silently
 *
 *   A record that is there but makes no sense (failed seal, unknown version, cut short) moves to
 *   the corrupt family, under its family and key, as it is: nothing deletes it there. What RocksDB
 *   itself cannot read stays where it is. Both are counted and reported, or logged when nobody asks
 *   for reports.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/spool/local.h"

struct aside {
    struct req req; /* must stay first; no port: nobody waits for it */
    struct local *local;
    enum family family;
    size_t key_len;
    char key[RECORD_KEY_MAX];
};

void aside_report(struct local *local, enum family family, struct spool_id id, const char *why)
{
    char text[SPOOL_ID_TEXT + 1];
    spool_id_format(id, text);
    atomic_fetch_add(&local->corrupt, 1);
    if (local->events.corrupt)
        local->events.corrupt(local->events.arg, family_names[family], id, why);
    else
        log_error(NULL, "spool_record_corrupt", "family", family_names[family], "message", text,
                  "error", why, NULL);
}

/* On the committer: into the running batch. */
static void aside_run(struct req *req, struct seal *seal)
{
    (void)seal;
    struct aside *aside = (struct aside *)req;
    struct local *local = aside->local;
    struct slice key = { aside->key, aside->key_len };
    struct err err;
    char *value = NULL;
    size_t len = 0;
    if (!local->sick.sick &&
        db_get(&local->main, aside->family, key, &value, &len, &err) == RC_OK) {
        char moved[1 + RECORD_KEY_MAX] = { (char)aside->family };
        memcpy(moved + 1, key.p, key.n);
        rocksdb_writebatch_put_cf(local->batch, local->main.cf[FAMILY_CORRUPT], moved, key.n + 1,
                                  value, len);
        if (aside->family == FAMILY_BODY)
            rocksdb_writebatch_singledelete_cf(local->batch, local->main.cf[FAMILY_BODY], key.p,
                                               key.n);
        else
            rocksdb_writebatch_delete_cf(local->batch, local->main.cf[aside->family], key.p, key.n);
    }
    rocksdb_free(value);
    free(aside);
}

void aside_move(struct local *local, enum family family, struct slice key, const char *why)
{
    struct spool_id id = { 0 };
    if (key.n >= SPOOL_ID_BYTES)
        id = spool_id_unpack((const unsigned char *)key.p);
    aside_report(local, family, id, why);
    if (key.n > RECORD_KEY_MAX)
        return;
    struct aside *aside = mem_zero(sizeof(*aside));
    aside->req.run = aside_run;
    aside->local = local;
    aside->family = family;
    aside->key_len = key.n;
    memcpy(aside->key, key.p, key.n);
    mailbox_post(local->committer.box, &aside->req.mail);
}
