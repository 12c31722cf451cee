/*
 * tests/support/temp_dir — a folder for one test, and its removal
 *
 *   Not for links or folders more than 8 deep: it is for what a test made itself. A folder that
 *   cannot be made fails the test.
 */
#ifndef WAYPOST_TESTS_SUPPORT_TEMP_DIR_H
#define WAYPOST_TESTS_SUPPORT_TEMP_DIR_H

#include <stddef.h>

#define TEMP_DIR_PREFIX "/tmp/wp-unit-"

void temp_dir_make(char *path_r, size_t size); /* the prefix and six letters; size >= 32 */
void temp_dir_remove(const char *path);        /* with everything in it */

#endif
