/*
 * tests/unit/test_seal — sealed records: published vectors, round trips, every kind of tampering
 */
#include "gateway/io/seal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "gateway/base/mem.h"

static struct seal *seal_of(unsigned char fill)
{
    unsigned char key[SEAL_KEY];
    memset(key, fill, sizeof(key));
    return seal_new(key);
}

/* The two vectors of c2sp.org/XAES-256-GCM: one for each value of the key's leading CMAC bit. */
static void published_vectors(void **state)
{
    (void)state;
    static const struct {
        unsigned char key;
        const char *aad;
        unsigned char out[28];
    } rows[] = {
        { 0x01, "", { 0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6, 0x07, 0x65, 0x92,
                      0x36, 0x09, 0xb3, 0x3a, 0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52,
                      0xda, 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71 } },
        { 0x03,
          "c2sp.org/XAES-256-GCM",
          { 0x98, 0x6e, 0xc1, 0x83, 0x25, 0x93, 0xdf, 0x54, 0x43, 0xa1, 0x79, 0x43, 0x7f, 0xd0,
            0x83, 0xbf, 0x3f, 0xdb, 0x41, 0xab, 0xd7, 0x40, 0xa2, 0x1f, 0x71, 0xeb, 0x76, 0x9d } },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seal *seal = seal_of(rows[i].key);
        char out[12 + SEAL_OVERHEAD];
        seal_close_nonce(seal, (const unsigned char *)"ABCDEFGHIJKLMNOPQRSTUVWX",
                         slice_of(rows[i].aad), SLICE_LIT("XAES-256-GCM"), out);
        assert_memory_equal(out + SEAL_NONCE, rows[i].out, sizeof(rows[i].out));
        seal_free(&seal);
        assert_null(seal);
    }
}

/* SHAKE-128 of what was put into it. */
static void shake(EVP_MD_CTX *ctx, void *out, size_t n)
{
    assert_int_equal(EVP_DigestFinalXOF(ctx, out, n), 1);
    EVP_MD_CTX_free(ctx);
}

static EVP_MD_CTX *shake_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(ctx, EVP_shake128(), NULL), 1);
    return ctx;
}

static struct slice take(const char **at, size_t n)
{
    struct slice s = { *at, n };
    *at += n;
    return s;
}

static struct slice take_counted(const char **at)
{
    size_t n = *(const unsigned char *)take(at, 1).p;
    return take(at, n);
}

/* The document's accumulated vector: keys, nonces, texts and additional data of all lengths come
 * from SHAKE-128 of nothing, and all ciphertexts are hashed. */
static void published_accumulated_vector(void **state)
{
    (void)state;
    enum { ROUNDS = 10000, ROUND_MAX = SEAL_KEY + SEAL_NONCE + 2 * 256 };
    static const unsigned char first[] = { 0x7f, 0x9c, 0x2b, 0xa4, 0xe8, 0x8f, 0x82, 0x7d },
                               want[32] = { 0xe6, 0xb9, 0xed, 0xf2, 0xdf, 0x6c, 0xec, 0x60,
                                            0xc8, 0xcb, 0xd8, 0x64, 0xe2, 0x21, 0x1b, 0x59,
                                            0x7f, 0xb6, 0x9a, 0x52, 0x91, 0x60, 0xcd, 0x04,
                                            0x0d, 0x56, 0xc0, 0xc2, 0x10, 0x08, 0x19, 0x39 };
    char *stream = mem_array(ROUNDS, ROUND_MAX), sealed[256 + SEAL_OVERHEAD], opened[256];
    const char *at = stream;
    unsigned char hash[sizeof(want)];
    shake(shake_new(), stream, (size_t)ROUNDS * ROUND_MAX);
    assert_memory_equal(stream, first, sizeof(first));
    EVP_MD_CTX *sum = shake_new();
    for (int i = 0; i < ROUNDS; i++) {
        struct slice key = take(&at, SEAL_KEY), nonce = take(&at, SEAL_NONCE);
        struct slice plain = take_counted(&at), aad = take_counted(&at);
        struct seal *seal = seal_new((const unsigned char *)key.p);
        seal_close_nonce(seal, (const unsigned char *)nonce.p, aad, plain, sealed);
        struct slice record = { sealed, plain.n + SEAL_OVERHEAD };
        assert_int_equal(seal_open(seal, aad, record, opened), RC_OK);
        assert_memory_equal(opened, plain.p, plain.n);
        assert_int_equal(EVP_DigestUpdate(sum, sealed + SEAL_NONCE, record.n - SEAL_NONCE), 1);
        seal_free(&seal);
    }
    shake(sum, hash, sizeof(hash));
    assert_memory_equal(hash, want, sizeof(want));
    free(stream);
}

static void round_trip_of_all_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 4096, 300001 };
    struct seal *seal = seal_of(7), *other_thread = seal_of(7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = sizes[i];
        char *plain = mem_zero(n + 1), *sealed = mem_zero(n + SEAL_OVERHEAD),
             *out = mem_zero(n + 1);
        memset(plain, 'p', n);
        seal_close(seal, SLICE_LIT("place"), (struct slice){ plain, n }, sealed);
        struct slice record = { sealed, n + SEAL_OVERHEAD };
        assert_int_equal(seal_open(other_thread, SLICE_LIT("place"), record, out), RC_OK);
        assert_memory_equal(plain, out, n);
        free(plain);
        free(sealed);
        free(out);
    }
    seal_free(&seal);
    seal_free(&other_thread);
}

static void tampering_is_noticed(void **state)
{
    (void)state;
    struct seal *seal = seal_of(7), *stranger = seal_of(8);
    char sealed[5 + SEAL_OVERHEAD], out[5];
    seal_close(seal, SLICE_LIT("a"), SLICE_LIT("hello"), sealed);
    struct slice record = { sealed, sizeof(sealed) };
    for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
        sealed[bit / 8] = (char)(sealed[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(seal_open(seal, SLICE_LIT("a"), record, out), RC_CORRUPT);
        sealed[bit / 8] = (char)(sealed[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(seal_open(seal, SLICE_LIT("b"), record, out), RC_CORRUPT);
    assert_int_equal(seal_open(stranger, SLICE_LIT("a"), record, out), RC_CORRUPT);
    for (size_t n = 0; n < sizeof(sealed); n++)
        assert_int_equal(seal_open(seal, SLICE_LIT("a"), (struct slice){ sealed, n }, out),
                         RC_CORRUPT);
    assert_int_equal(seal_open(seal, SLICE_LIT("a"), record, out), RC_OK);
    seal_free(&seal);
    seal_free(&stranger);
}

static void two_seals_of_one_text_differ(void **state)
{
    (void)state;
    struct seal *seal = seal_of(7);
    char one[5 + SEAL_OVERHEAD], two[5 + SEAL_OVERHEAD];
    seal_close(seal, SLICE_LIT(""), SLICE_LIT("hello"), one);
    seal_close(seal, SLICE_LIT(""), SLICE_LIT("hello"), two);
    assert_memory_not_equal(one, two, SEAL_NONCE);
    assert_memory_not_equal(one + SEAL_NONCE, two + SEAL_NONCE, 5);
    seal_free(&seal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(published_accumulated_vector),
        cmocka_unit_test(round_trip_of_all_sizes),
        cmocka_unit_test(tampering_is_noticed),
        cmocka_unit_test(two_seals_of_one_text_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
