#include "gateway/base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"

char *folder_above(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n > 0 ? mem_strndup(path, n) : mem_strdup(".");
}

int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

int folder_make(const char *path, mode_t mode)
{
    if (mkdir(path, mode) != 0)
        return -1;
    char *above = folder_above(path);
    int rc = folder_sync(above);
    free(above);
    return rc != 0 && errno == EACCES ? 0 : rc;
}

char *path_in(const char *folder, const char *name)
{
    size_t size = strlen(folder) + 1 + strlen(name) + 1;
    char *path = mem_zero(size);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}
