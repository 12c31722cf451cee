#include "gateway/smtp/bdat.h"

enum rc bdat_begin(struct bdat *b, uint64_t size, bool last, uint64_t max)
{
    b->left = size;
    b->last = last;
    b->total = size > UINT64_MAX - b->total ? UINT64_MAX : b->total + size;
    return max && b->total > max ? RC_LIMIT : RC_OK;
}

enum rc bdat_take(struct bdat *b, struct slice in, struct slice *span_r)
{
    size_t n = in.n < b->left ? in.n : (size_t)b->left;
    *span_r = (struct slice){ in.p, n };
    b->left -= n;
    return b->left ? RC_AGAIN : RC_OK;
}

void bdat_put_command(struct buf *out, uint64_t size, bool last)
{
    buf_puts(out, "BDAT ");
    buf_put_u64(out, size);
    buf_puts(out, last ? " LAST\r\n" : "\r\n");
}
