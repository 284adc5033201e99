/* SPDX-License-Identifier: MIT */
/* A temporary folder for one test program, removed with its files at the end; whole files in and
 * out. */
#ifndef TESTS_GGUF_FOLDER_H
#define TESTS_GGUF_FOLDER_H

#include "unit.h"

#include <dirent.h>
#include <string.h>

static char folder_path[256];

static inline int folder_make(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder_path, sizeof folder_path, "%s/mscope-gguf-XXXXXX",
             base != NULL ? base : "/tmp");
    return mkdtemp(folder_path) != NULL ? 0 : -1;
}

/* Path of a file in the folder, in one of four buffers used in turn. */
static inline const char *folder_file(const char *name)
{
    static char paths[4][600];
    static int i_next;
    char *path = paths[i_next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder_path, name);
    return path;
}

static inline int folder_n_files(void)
{
    int n = 0;
    DIR *dir = opendir(folder_path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        n += entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

static inline void folder_clear(void)
{
    DIR *dir = opendir(folder_path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.' && unlink(folder_file(entry->d_name)) != 0) {
            rmdir(folder_file(entry->d_name));
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static inline int folder_remove(void **state)
{
    (void)state;
    folder_clear();
    return rmdir(folder_path);
}

static inline void folder_write(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* The whole file; the caller frees. */
static inline unsigned char *folder_read(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, file), *n);
    fclose(file);
    return bytes;
}

#endif
