/*
 * daemon/main — the program: the command line, or one of the processes of the daemon
 */
#include <string.h>

#include "gateway/admin/cli.h"
#include "gateway/base/rnd.h"
#include "gateway/base/slice.h"
#include "gateway/daemon/control.h"
#include "gateway/daemon/relay.h"
#include "gateway/daemon/supervisor.h"

/* Table keys come from the network: nobody outside may know which of them collide. */
static void seed_tables(void)
{
    struct rnd rnd;
    rnd_seed_system(&rnd);
    slice_hash_seed(rnd_u64(&rnd));
}

int main(int argc, char **argv)
{
    seed_tables();
    if (argc == 2 && strcmp(argv[1], "relay") == 0)
        return relay_run();
    if (argc == 2 && strcmp(argv[1], "control") == 0)
        return control_run();
    return cli_main(argc, argv, supervisor_run);
}
