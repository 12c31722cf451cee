/*
 * base/folder — folders that are still there after a power cut, and the paths in them
 *
 *   A sync of a file does not promise that the names on the way to it are on the disk: whoever
 *   keeps promises in a new folder makes it with this call.
 */
#ifndef WAYPOST_BASE_FOLDER_H
#define WAYPOST_BASE_FOLDER_H

#include <sys/types.h>

/* mkdir(2); and the new name is on the disk when it returns, if the folder above may be read. */
int folder_make(const char *path, mode_t mode);
/* fsync(2) of the folder itself: names made, changed and removed in it are on the disk. */
int folder_sync(const char *path);

/* "folder/name", the caller's to free. */
char *path_in(const char *folder, const char *name) __attribute__((returns_nonnull));
/* The folder that `path` lies in, the caller's to free; "." when it names none. */
char *folder_above(const char *path) __attribute__((returns_nonnull));

#endif
