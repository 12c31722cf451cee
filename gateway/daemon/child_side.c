#include "gateway/daemon/child_side.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/daemon/messages.h"
#include "gateway/daemon/sandbox.h"

enum rc child_side_begin(const char *role, struct err *err)
{
    int type;
    socklen_t n = sizeof type;
    if (getsockopt(CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_STREAM)
        return err_set(err, RC_DENIED, "\"%s\" is started by `waypost serve` only", role);
    fcntl(CHILD_FD, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    char name[16];
    snprintf(name, sizeof name, "wp-%s", role);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    log_set_process(role);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    privilege_hide_memory();
    return RC_OK;
}
