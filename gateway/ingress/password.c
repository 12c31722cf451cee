#include "gateway/ingress/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

const char PASSWORD_NOBODY[] =
    "$y$j9T$HFUq6K3n5dZR5KLYxo8Fd/$zsorj/HVsBXy.JffFIAAjln5yKLImb9pPl9VP/aCA74";

/* The time depends on the lengths only, not on where the texts differ. */
static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a);
    if (n != strlen(b))
        return false;
    unsigned diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= (unsigned char)a[i] ^ (unsigned char)b[i];
    return diff == 0;
}

bool password_check(const char *hash, const char *password)
{
    struct crypt_data *work = mem_zero(sizeof *work);
    const char *made = crypt_rn(password, hash, work, (int)sizeof *work);
    /* A setting that crypt(3) cannot read gives NULL; "*" and friends never come out of it. */
    bool same = made && same_text(made, hash);
    explicit_bzero(work, sizeof *work);
    free(work);
    return same;
}

enum rc password_hash(const char *password, char hash_r[PASSWORD_HASH_MAX], struct err *err)
{
    if (strlen(password) >= PASSWORD_MAX)
        return err_set(err, RC_LIMIT, "longer than %d bytes", PASSWORD_MAX - 1);
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof setting))
        return err_set(err, RC_IO, "no salt: %s", strerror(errno));
    struct crypt_data *work = mem_zero(sizeof *work);
    const char *made = crypt_rn(password, setting, work, (int)sizeof *work);
    enum rc rc = RC_OK;
    if (made && strlen(made) < PASSWORD_HASH_MAX)
        memcpy(hash_r, made, strlen(made) + 1);
    else
        rc = err_set(err, RC_IO, "the password cannot be hashed");
    explicit_bzero(work, sizeof *work);
    free(work);
    return rc;
}
