#include "gateway/io/dial_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "gateway/io/net.h"

enum dial_fault dial_fault_of(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return DIAL_REFUSED;
    case ECONNRESET:
        return DIAL_RESET;
    case ETIMEDOUT:
        return DIAL_TIMED_OUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EAFNOSUPPORT:
        return DIAL_UNREACHABLE;
    default:
        return DIAL_FAILED;
    }
}

bool dial_error_is_ours(int error)
{
    return net_is_exhausted(error) || error == EADDRNOTAVAIL; /* of a connect: no port is free */
}

bool dial_lacked_ours(const struct dial_result *r)
{
    bool lacked = false;
    for (size_t i = 0; i < r->attempt_count; i++) {
        const struct dial_attempt *a = &r->attempts[i];
        bool ours = a->fault == DIAL_FAILED && dial_error_is_ours(a->error);
        if (!ours && a->fault != DIAL_UNTRIED && a->fault != DIAL_SKIPPED)
            return false;
        lacked = lacked || ours;
    }
    return lacked;
}

static bool tie(int fd, const struct dial_source *source)
{
    if (source->interface && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, source->interface,
                                        (socklen_t)strlen(source->interface)) != 0)
        return false;
    return !source->mark ||
           setsockopt(fd, SOL_SOCKET, SO_MARK, &source->mark, sizeof source->mark) == 0;
}

/* Whatever the system refuses here is the egress's fault. */
bool dial_socket_bind(int fd, const struct addr *from, const struct dial_source *source)
{
    const int on = 1;
    if (!tie(fd, source))
        return false;
    if (from->family == ADDR_NONE)
        return true;
    /* The port is chosen at connect: one source address may then serve far more than 64k peers. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_storage ss;
    struct addr any_port = *from;
    any_port.port = 0;
    socklen_t n = net_to_sockaddr(&any_port, &ss);
    return bind(fd, (struct sockaddr *)&ss, n) == 0;
}

static bool is_egress_error(int error)
{
    return error == EADDRNOTAVAIL || error == ENODEV || error == EPERM || error == EACCES ||
           error == EAFNOSUPPORT;
}

enum dial_fault dial_socket_connect(const struct addr *to, const struct dial_source *source,
                                    int *fd_r, int *error_r)
{
    struct sockaddr_storage ss;
    socklen_t n = net_to_sockaddr(to, &ss);
    enum dial_fault fault = DIAL_CONNECTED;
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *fd_r = -1;
    if (fd < 0) {
        *error_r = errno;
        return dial_fault_of(errno);
    }
    if (source->congestion)
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, source->congestion,
                   (socklen_t)strlen(source->congestion));
    if (!dial_socket_bind(fd, to->family == ADDR_V4 ? &source->v4 : &source->v6, source)) {
        *error_r = errno;
        fault = is_egress_error(errno) ? DIAL_UNPLUMBED : DIAL_FAILED;
    } else if (connect(fd, (struct sockaddr *)&ss, n) != 0 && errno != EINPROGRESS) {
        *error_r = errno;
        fault = dial_fault_of(errno);
    }
    if (fault == DIAL_CONNECTED)
        *fd_r = fd;
    else
        close(fd);
    return fault;
}

static bool try_address(const struct addr *from, const struct dial_source *source)
{
    int fd = socket(from->family == ADDR_V6 ? AF_INET6 : AF_INET,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return !is_egress_error(errno); /* out of descriptors says nothing about the source */
    bool ours = dial_socket_bind(fd, from, source) || !is_egress_error(errno);
    close(fd);
    return ours;
}

bool dial_socket_try(const struct dial_source *source)
{
    if (source->v6.family != ADDR_NONE && !try_address(&source->v6, source))
        return false;
    bool only_v6 = source->v6.family != ADDR_NONE && source->v4.family == ADDR_NONE;
    return only_v6 || try_address(&source->v4, source);
}
