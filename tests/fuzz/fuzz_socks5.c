/*
 * tests/fuzz/fuzz_socks5 — whatever a proxy says, in pieces of any size, ends the same way; a
 *   message that is understood is written back as it was. The first byte of the input chooses the
 *   pieces and whether we have a login.
 */
#include <assert.h>
#include <stdint.h>

#include "gateway/smtp/socks5.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(struct slice in)
{
    struct socks5_message m, again;
    struct buf out;
    size_t need, need_again;
    if (socks5_get_message(in, &m, &need) != RC_OK) {
        assert(need <= SOCKS5_ANSWER_MAX);
        return;
    }
    assert(need <= in.n && need <= SOCKS5_ANSWER_MAX);
    for (size_t n = 0; n < need; n++) {
        size_t more;
        assert(socks5_get_message((struct slice){ in.p, n }, &again, &more) == RC_AGAIN);
        assert(more > n && more <= need);
    }
    buf_init(&out, SOCKS5_ANSWER_MAX);
    socks5_put_message(&out, &m);
    assert(!out.full);
    assert(socks5_get_message(buf_slice(&out), &again, &need_again) == RC_OK);
    assert(need_again == buf_len(&out) && again.code == m.code);
    assert(addr_eq(&again.address.addr, &m.address.addr) && again.address.port == m.address.port);
    assert(slice_eq(again.address.name, m.address.name));
    buf_free(&out);
}

struct ending {
    enum socks5_state state;
    size_t read, written;
    uint8_t reply;
};

static struct ending talk(struct slice in, size_t piece, bool login)
{
    struct socks5_target target = { .addr = { .family = ADDR_V4 }, .port = 25 };
    struct slice user = login ? SLICE_LIT("user") : SLICE_LIT("");
    struct socks5 s;
    struct buf out;
    size_t at = 0;
    buf_init(&out, 4096);
    socks5_start(&s, &target, user, user, &out);
    while (s.state == SOCKS5_WAITING && at < in.n) {
        size_t n = socks5_wants(&s);
        assert(n > 0);
        n = n > piece ? piece : n;
        n = n > in.n - at ? in.n - at : n;
        socks5_take(&s, in.p + at, n, &out);
        at += n;
    }
    if (s.state == SOCKS5_WAITING)
        socks5_end(&s);
    assert(s.state != SOCKS5_WAITING && socks5_wants(&s) == 0);
    assert((s.state == SOCKS5_READY) == !s.text && !out.full);
    struct ending e = { s.state, at, buf_len(&out), s.reply };
    buf_free(&out);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    struct slice in = { (const char *)data + 1, size - 1 };
    bool login = data[0] & 1;
    struct ending whole = talk(in, SIZE_MAX, login), pieces = talk(in, 1 + (data[0] >> 1), login);
    struct ending bytes = talk(in, 1, login);
    assert(whole.state == bytes.state && whole.read == bytes.read && whole.reply == bytes.reply);
    assert(whole.state == pieces.state && whole.written == bytes.written);
    check_round_trip(in);
    return 0;
}
