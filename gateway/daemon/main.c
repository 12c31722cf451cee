/*
 * daemon/main — the program: the command line, or one of the processes of the daemon
 */
#include <string.h>

#include "gateway/admin/cli.h"
#include "gateway/daemon/control.h"
#include "gateway/daemon/relay.h"
#include "gateway/daemon/supervisor.h"

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "relay") == 0)
        return relay_run();
    if (argc == 2 && strcmp(argv[1], "control") == 0)
        return control_run();
    return cli_main(argc, argv, supervisor_run);
}
