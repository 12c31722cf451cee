/*
 * fuzz_ingress — a whole SMTP session from the client's bytes
 *
 *   The first byte chooses the listener (bit 0: with PROXY header). The rest is sent twice, in a
 *   session each, in one piece and in pieces of three bytes: both sessions must give the same
 *   reply codes and store the same messages. Every reply line is well formed, each stored message
 *   was answered with 250 and each such 250 stored one, and what was stored has no bare CR or LF
 *   and no NUL unless it came as BINARYMIME.
 */
#include <stdint.h>

#include "tests/unit/ingress_fixture.h"

static const char conf_text[] =
    INGRESS_CONF("{ network: 10.0.0.0/8 }, { network: 0.0.0.0/0, recipients: ['*@l.test'] }",
                 "message_size: 16KiB, recipients: 20, hops: 3");
static const char rules_text[] =
    "priorities: [ { when: { header: { X-Hot: '*' } }, priority: high } ]\n" PLAIN_RULES;

struct outcome {
    struct buf codes; /* three digits and what follows them, of each line */
    unsigned stored, accepted;
    uint64_t bytes;
};

static void look_at_replies(struct outcome *o, struct slice rest)
{
    while (rest.n) {
        struct slice line;
        MUST(slice_cut(rest, '\n', &line, &rest));
        MUST(line.n >= 5 && line.p[line.n - 1] == '\r' && line.n <= 512);
        MUST(line.p[0] >= '2' && line.p[0] <= '5' && (line.p[3] == ' ' || line.p[3] == '-'));
        MUST(!memchr(line.p, '\0', line.n));
        buf_put(&o->codes, line.p, 4);
        o->accepted += slice_starts_with(line, "250 2.0.0 Accepted");
    }
}

static void look_at_messages(struct outcome *o, unsigned before)
{
    o->stored = rig.n - before;
    for (unsigned i = 0; i < o->stored && i < RIG_MESSAGES; i++) {
        const struct rig_message *m = &rig.messages[(before + i) % RIG_MESSAGES];
        struct content_scan scan;
        content_scan_init(&scan);
        content_scan_feed(&scan, buf_slice(&m->body));
        content_scan_end(&scan);
        MUST(m->envelope.body == BODY_BINARYMIME ||
             !(scan.facts.has_bare_eol || scan.facts.has_nul));
        o->bytes += buf_len(&m->body);
    }
}

static void run(const uint8_t *data, size_t size, size_t step, struct outcome *o)
{
    unsigned before = rig.n;
    unsigned proxied = data[0] & 1u;
    struct rig_client c = rig_connect(proxied ? "10.9.0.1" : "10.0.0.1", proxied);
    buf_init(&o->codes, 1 << 20);
    rig_send(&c, (struct slice){ (const char *)data + 1, size - 1 }, step);
    look_at_replies(o, buf_slice(&c.got));
    look_at_messages(o, before);
    MUST(o->stored == o->accepted);
    rig_close(&c);
    arena_reset(rig.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = { 0 }, pieces = { 0 };
    if (size < 1 || size > 8192)
        return 0;
    if (!rig.loop) {
        log_set_level(LOG_ERROR);
        rig_start(rig_policies(conf_text, rules_text, NULL, NULL, NULL));
    }
    run(data, size, 0, &whole);
    run(data, size, 3, &pieces);
    MUST(whole.stored == pieces.stored && whole.bytes == pieces.bytes);
    MUST(slice_eq(buf_slice(&whole.codes), buf_slice(&pieces.codes)));
    buf_free(&whole.codes);
    buf_free(&pieces.codes);
    MUST(ingress_hub_connections(rig.hub) == 0);
    return 0;
}
