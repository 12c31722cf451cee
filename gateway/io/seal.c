/*
 * io/seal — see seal.h
 *
 *   A call into the crypto library that fails here can only mean a broken library or our own bug:
 *   asserted, except for the tag check, which is the expected failure.
 */
#include "gateway/io/seal.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "gateway/base/mem.h"

enum { BLOCK = 16, GCM_NONCE = 12 };

struct seal {
    EVP_CIPHER_CTX *kdf; /* AES-256-ECB under the spool's key */
    EVP_CIPHER_CTX *enc, *dec;
    unsigned char k1[BLOCK]; /* the CMAC subkey of that key */
};

static void kdf_block(struct seal *seal, const unsigned char in[BLOCK], unsigned char out[BLOCK])
{
    int n = 0;
    int ok = EVP_EncryptUpdate(seal->kdf, out, &n, in, BLOCK);
    assert(ok == 1 && n == BLOCK);
}

static EVP_CIPHER_CTX *ctx_new(const EVP_CIPHER *cipher, bool encrypt)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert(ctx);
    int ok = EVP_CipherInit_ex(ctx, cipher, NULL, NULL, NULL, encrypt);
    assert(ok == 1);
    return ctx;
}

struct seal *seal_new(const unsigned char key[SEAL_KEY])
{
    struct seal *seal = mem_zero(sizeof(*seal));
    seal->kdf = EVP_CIPHER_CTX_new();
    assert(seal->kdf);
    int ok = EVP_EncryptInit_ex(seal->kdf, EVP_aes_256_ecb(), NULL, key, NULL);
    assert(ok == 1);
    EVP_CIPHER_CTX_set_padding(seal->kdf, 0);
    seal->enc = ctx_new(EVP_aes_256_gcm(), true);
    seal->dec = ctx_new(EVP_aes_256_gcm(), false);

    unsigned char l[BLOCK] = { 0 };
    kdf_block(seal, l, l);
    for (int i = 0; i < BLOCK; i++)
        seal->k1[i] = (unsigned char)(l[i] << 1 | (i + 1 < BLOCK ? l[i + 1] >> 7 : 0));
    seal->k1[BLOCK - 1] ^= (unsigned char)((l[0] >> 7) * 0x87);
    OPENSSL_cleanse(l, sizeof(l));
    return seal;
}

void seal_free(struct seal **seal)
{
    if (!*seal)
        return;
    EVP_CIPHER_CTX_free((*seal)->kdf);
    EVP_CIPHER_CTX_free((*seal)->enc);
    EVP_CIPHER_CTX_free((*seal)->dec);
    OPENSSL_cleanse((*seal)->k1, sizeof((*seal)->k1));
    free(*seal);
    *seal = NULL;
}

/* The record's key: two blocks of the counter-mode KDF of NIST SP 800-108 with CMAC as its PRF. */
static void derive_key(struct seal *seal, const unsigned char nonce[SEAL_NONCE],
                       unsigned char key_r[SEAL_KEY])
{
    for (unsigned char i = 0; i < 2; i++) {
        unsigned char m[BLOCK] = { 0, (unsigned char)(i + 1), 'X', 0 };
        memcpy(m + 4, nonce, BLOCK - 4);
        for (int j = 0; j < BLOCK; j++)
            m[j] ^= seal->k1[j];
        kdf_block(seal, m, key_r + (size_t)i * BLOCK);
    }
}

/* Runs `n` bytes through the cipher; the library counts in int. */
static void cipher_run(EVP_CIPHER_CTX *ctx, const char *in, size_t n, char *out)
{
    while (n > 0) {
        int piece = n > INT_MAX / 2 ? INT_MAX / 2 : (int)n, done = 0;
        int ok =
            EVP_CipherUpdate(ctx, (unsigned char *)out, &done, (const unsigned char *)in, piece);
        assert(ok == 1 && done == piece);
        in += piece;
        if (out)
            out += piece;
        n -= (size_t)piece;
    }
}

static void cipher_start(struct seal *seal, EVP_CIPHER_CTX *ctx,
                         const unsigned char nonce[SEAL_NONCE], struct slice aad)
{
    unsigned char key[SEAL_KEY];
    derive_key(seal, nonce, key);
    int ok = EVP_CipherInit_ex(ctx, NULL, NULL, key, nonce + SEAL_NONCE - GCM_NONCE, -1);
    assert(ok == 1);
    OPENSSL_cleanse(key, sizeof(key));
    cipher_run(ctx, aad.p, aad.n, NULL);
}

void seal_close_nonce(struct seal *seal, const unsigned char nonce[SEAL_NONCE], struct slice aad,
                      struct slice plain, char *out)
{
    cipher_start(seal, seal->enc, nonce, aad);
    memcpy(out, nonce, SEAL_NONCE);
    cipher_run(seal->enc, plain.p, plain.n, out + SEAL_NONCE);
    char *tag = out + SEAL_NONCE + plain.n;
    int n = 0;
    int ok = EVP_EncryptFinal_ex(seal->enc, (unsigned char *)tag, &n);
    assert(ok == 1 && n == 0);
    ok = EVP_CIPHER_CTX_ctrl(seal->enc, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, tag);
    assert(ok == 1);
}

void seal_close(struct seal *seal, struct slice aad, struct slice plain, char *out)
{
    unsigned char nonce[SEAL_NONCE];
    int ok = RAND_bytes(nonce, sizeof(nonce));
    assert(ok == 1);
    seal_close_nonce(seal, nonce, aad, plain, out);
}

enum rc seal_open(struct seal *seal, struct slice aad, struct slice sealed, char *out)
{
    if (sealed.n < SEAL_OVERHEAD)
        return RC_CORRUPT;
    unsigned char nonce[SEAL_NONCE], tag[SEAL_TAG];
    memcpy(nonce, sealed.p, SEAL_NONCE);
    memcpy(tag, sealed.p + sealed.n - SEAL_TAG, SEAL_TAG);
    cipher_start(seal, seal->dec, nonce, aad);
    cipher_run(seal->dec, sealed.p + SEAL_NONCE, sealed.n - SEAL_OVERHEAD, out);
    int ok = EVP_CIPHER_CTX_ctrl(seal->dec, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag);
    assert(ok == 1);
    int n = 0;
    unsigned char rest[BLOCK];
    return EVP_DecryptFinal_ex(seal->dec, rest, &n) == 1 ? RC_OK : RC_CORRUPT;
}
