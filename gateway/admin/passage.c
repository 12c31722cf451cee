#include "gateway/admin/passage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/io/stream.h"

enum { ANSWER_MS = 120000, CHUNK = 64 << 10 };

struct passage {
    struct stream *stream; /* to the other server */
    struct call *call;
    bool any; /* something of the answer has come */
};

enum rc passage_connect(const char *path, int *fd_r, struct err *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    if (n >= sizeof addr.sun_path)
        return err_set(err, RC_LIMIT, "%s: path too long for a socket", path);
    memcpy(addr.sun_path, path, n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return err_set(err, error == EACCES ? RC_DENIED : RC_CLOSED, "%s: %s", path,
                       strerror(error));
    }
    *fd_r = fd;
    return RC_OK;
}

static void end(struct passage *p, const char *why)
{
    stream_close(&p->stream);
    if (why)
        call_end(&p->call, false, slice_of(why));
    else
        call_end_raw(&p->call);
    free(p);
}

static void on_room(void *arg)
{
    struct passage *p = arg;
    if (call_gone(p->call))
        end(p, NULL);
    else
        stream_resume(p->stream);
}

static void on_data(void *arg, const char *data, size_t n, size_t *used_r)
{
    struct passage *p = arg;
    *used_r = n;
    p->any = true;
    call_raw(p->call, (struct slice){ data, n });
    stream_set_deadline(p->stream, ANSWER_MS);
    if (call_gone(p->call)) {
        end(p, NULL);
    } else if (call_full(p->call)) {
        stream_pause(p->stream);
        call_on_room(p->call, on_room, p);
    }
}

static void over(struct passage *p)
{
    end(p, p->any ? NULL : "the relay ended without an answer");
}

static void on_eof(void *arg)
{
    over(arg);
}

static void on_error(void *arg, const struct err *err)
{
    (void)err;
    over(arg);
}

static void on_timeout(void *arg)
{
    end(arg, "the relay does not answer");
}

void passage_open(struct loop *loop, const char *path, struct call *call,
                  const struct request *request)
{
    static const struct stream_limits limits = { CHUNK, REQUEST_MAX * 2, CHUNK };
    static const struct stream_ops ops = {
        .on_data = on_data, .on_eof = on_eof, .on_error = on_error, .on_timeout = on_timeout
    };
    struct err err;
    int fd = -1;
    if (passage_connect(path, &fd, &err) != RC_OK) {
        call_end(&call, false, slice_of("the relay is not there at the moment"));
        return;
    }
    struct passage *p = mem_zero(sizeof *p);
    p->call = call;
    p->stream = stream_new(loop, fd, &limits);
    stream_set_ops(p->stream, &ops, p);
    stream_set_deadline(p->stream, ANSWER_MS);
    struct buf line;
    buf_init(&line, REQUEST_MAX * 2);
    request_put(&line, request);
    stream_write(p->stream, buf_slice(&line).p, buf_len(&line));
    buf_free(&line);
}
