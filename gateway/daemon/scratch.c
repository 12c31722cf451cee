#include "gateway/daemon/scratch.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

bool scratch_make(const char *spool_dir, char path_r[SCRATCH_PATH])
{
    struct stat st;
    if (stat(spool_dir, &st) != 0)
        return false;
    snprintf(path_r, SCRATCH_PATH, "/dev/shm/waypost-%jx-%jx", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    (void)mkdir(path_r, 0700);
    return lstat(path_r, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & 077) == 0;
}
