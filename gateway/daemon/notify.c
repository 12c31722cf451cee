#include "gateway/daemon/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"

static int notify_fd = -1;

/* Connected at once: the right to do so may go with the user. */
void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof addr.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(addr.sun_path, path, n);
    if (path[0] == '@')
        addr.sun_path[0] = '\0'; /* an abstract address */
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (connect(notify_fd, (struct sockaddr *)&addr, len) != 0)
        log_warning(NULL, "notify_failed", "error", strerror(errno), NULL);
    unsetenv("NOTIFY_SOCKET");
}

static void notify(const char *text)
{
    if (notify_fd >= 0 && send(notify_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_warning(NULL, "notify_failed", "error", strerror(errno), NULL);
}

void notify_ready(void)
{
    notify("READY=1");
}

void notify_reloading(void)
{
    char text[64];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
    notify(text);
}

void notify_stopping(void)
{
    notify("STOPPING=1");
}
