#include "gateway/io/net.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

socklen_t net_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss_r)
{
    assert(a->family != ADDR_NONE);
    memset(ss_r, 0, sizeof *ss_r);
    if (a->family == ADDR_V4) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
        memcpy(&in.sin_addr, a->bytes, 4);
        memcpy(ss_r, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(a->port) };
    memcpy(&in6.sin6_addr, a->bytes, 16);
    memcpy(ss_r, &in6, sizeof in6);
    return sizeof in6;
}

void net_from_sockaddr(const struct sockaddr *sa, struct addr *addr_r)
{
    *addr_r = (struct addr){ 0 };
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        addr_r->family = ADDR_V4;
        addr_r->port = ntohs(in.sin_port);
        memcpy(addr_r->bytes, &in.sin_addr, 4);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        addr_r->family = mapped ? ADDR_V4 : ADDR_V6;
        addr_r->port = ntohs(in6.sin6_port);
        memcpy(addr_r->bytes, in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
    }
}

void net_peer_of(int fd, struct addr *addr_r)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof ss;
    if (getpeername(fd, (struct sockaddr *)&ss, &n) != 0)
        ss.ss_family = AF_UNSPEC;
    net_from_sockaddr((struct sockaddr *)&ss, addr_r);
}

void net_local_of(int fd, struct addr *addr_r)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t n = sizeof ss;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
        ss.ss_family = AF_UNSPEC;
    net_from_sockaddr((struct sockaddr *)&ss, addr_r);
}

void net_set_nodelay(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool net_is_exhausted(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
