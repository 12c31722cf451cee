/*
 * spool/engine — what an engine of the spool provides
 *
 *   One function per call of spool.h, with the same contract; spool.c checks arguments and passes
 *   on. An engine embeds these structs at the front of its own.
 */
#ifndef WAYPOST_SPOOL_ENGINE_H
#define WAYPOST_SPOOL_ENGINE_H

#include "gateway/spool/spool.h"

struct spool_engine;

struct spool {
    const struct spool_engine *engine;
    uint16_t node;
};

struct spool_port {
    struct spool *spool;
    struct loop *loop;
    struct spool_id_gen ids;
};

struct spool_writer {
    struct spool_port *port;
};

struct spool_reader {
    struct spool_port *port;
};

struct spool_engine {
    const char *name;
    enum rc (*open)(const struct spool_conf *conf, struct spool **spool_r, struct err *err);
    void (*close)(struct spool *spool);
    struct spool_port *(*port_new)(struct spool *spool, struct loop *loop);
    void (*port_free)(struct spool_port *port);
    enum spool_gate (*gate)(const struct spool *spool);
    void (*get_fill)(const struct spool *spool, struct spool_fill *fill_r);
    enum rc (*key_check)(struct spool *spool, const unsigned char *key, struct err *err);
    void (*get_stats)(const struct spool *spool, struct spool_stats *stats_r);

    void (*commit)(struct spool_port *port, struct spool_id id, struct body *body,
                   const struct spool_item *items, unsigned n, spool_commit_fn *cb, void *arg);
    struct spool_writer *(*writer_begin)(struct spool_port *port, struct spool_id id,
                                         spool_drain_fn *drain, void *arg);
    bool (*writer_append)(struct spool_writer *w, const void *data, size_t n);
    void (*writer_prepend)(struct spool_writer *w, const void *data, size_t n);
    uint64_t (*writer_size)(const struct spool_writer *w);
    void (*writer_commit)(struct spool_writer *w, const struct spool_item *items, unsigned n,
                          spool_commit_fn *cb, void *arg);
    void (*writer_abort)(struct spool_writer *w);

    void (*apply)(struct spool_port *port, const struct spool_op *ops, unsigned n,
                  spool_commit_fn *cb, void *arg);
    bool (*may_send)(const struct spool_port *port, const struct spool_item *item, int64_t ms);

    void (*load)(struct spool_port *port, struct spool_id id, uint64_t max_size, spool_body_fn *cb,
                 void *arg);
    struct spool_reader *(*reader_open)(struct spool_port *port, struct spool_id id);
    void (*reader_next)(struct spool_reader *r, spool_read_fn *cb, void *arg);
    void (*reader_close)(struct spool_reader *r);
    void (*scan)(struct spool_port *port, unsigned page_items, spool_page_fn *cb, void *arg);
};

extern const struct spool_engine spool_local; /* local.c: RocksDB */

#endif
