#include "gateway/base/folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"

static char *folder_above(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n > 0 ? mem_strndup(path, n) : mem_strdup(".");
}

int folder_make(const char *path, mode_t mode)
{
    if (mkdir(path, mode) != 0)
        return -1;
    char *above = folder_above(path);
    int fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 ? fsync(fd) : 0;
    if (fd >= 0)
        close(fd);
    free(above);
    return rc;
}
