/*
 * report/web_find — looks a file of the page up; the table is made by embed.cmake
 */
#include <stddef.h>

#include "gateway/report/web_files.h"

const struct web_file *web_file_find(struct slice path)
{
    for (const struct web_file *f = web_files; f->path; f++) {
        if (slice_eq_str(path, f->path))
            return f;
    }
    return NULL;
}
