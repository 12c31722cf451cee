/*
 * base/folder — making a folder that is still there after a power cut
 *
 *   A sync of a file does not promise that the names on the way to it are on the disk: whoever
 *   keeps promises in a new folder makes it with this call.
 */
#ifndef WAYPOST_BASE_FOLDER_H
#define WAYPOST_BASE_FOLDER_H

#include <sys/types.h>

/* mkdir(2); and the new name is on the disk when it returns, if the folder above may be read. */
int folder_make(const char *path, mode_t mode);

#endif
