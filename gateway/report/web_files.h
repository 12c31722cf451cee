/*
 * report/web_files — the files of the web page, compiled in
 *
 *   gateway/report/web/ and the charting library of Debian's package libjs-dygraphs (MIT), made
 *   into tables by embed.cmake when the program is built. Constant.
 */
#ifndef WAYPOST_REPORT_WEB_FILES_H
#define WAYPOST_REPORT_WEB_FILES_H

#include "gateway/base/slice.h"

struct web_file {
    const char *path, *type, *etag; /* type: Content-Type */
    struct slice body;
};
extern const struct web_file web_files[]; /* ends with a NULL path */

const struct web_file *web_file_find(struct slice path); /* NULL: there is none */

#endif
