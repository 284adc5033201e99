/* SPDX-License-Identifier: MIT */
/* Files of a report. */
#include "report/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 8, MAX_TEXT_BYTES = 64 << 20 };

static enum mscope_status find_below(struct files_list *list, const char *folder, int depth,
                                     struct mscope_error *err);
static bool ends_in(const char *text, const char *end);
static char *join(const char *folder, const char *name);

enum mscope_status files_make_folder(const char *path, struct mscope_error *err)
{
    char *partial = strdup(path);
    if (partial == NULL) {
        return error_set_memory(err, "a path", strlen(path));
    }
    enum mscope_status status = MSCOPE_OK;
    size_t length = strlen(partial);
    for (size_t i = 1; i <= length && status == MSCOPE_OK; i++) {
        if (partial[i] != '/' && partial[i] != '\0') {
            continue;
        }
        char kept = partial[i];
        partial[i] = '\0';
        if (mkdir(partial, 0777) != 0 && errno != EEXIST) {
            status = error_set_errno(err, errno, partial, "make folder");
        }
        partial[i] = kept;
    }
    struct stat info;
    if (status == MSCOPE_OK && (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))) {
        status = error_set(err, MSCOPE_ERR_IO, path, "not a folder, expected one to write to");
    }
    free(partial);
    return status;
}

enum mscope_status files_write(const char *folder, const char *name, const char *bytes,
                               size_t n_bytes, struct mscope_error *err)
{
    struct strbuf partial = {0}, path = {0};
    strbuf_printf(&path, "%s/%s", folder, name);
    strbuf_printf(&partial, "%s/%s.partial", folder, name);
    enum mscope_status status = MSCOPE_OK;
    FILE *file = NULL;
    if (path.failed || partial.failed) {
        status = error_set_memory(err, "a path", strlen(folder) + strlen(name));
        goto done;
    }
    file = fopen(partial.data, "wb");
    if (file == NULL) {
        status = error_set_errno(err, errno, partial.data, "open for writing");
        goto done;
    }
    bool written = n_bytes == 0 || fwrite(bytes, 1, n_bytes, file) == n_bytes;
    int code = errno;
    if (fclose(file) != 0) {
        code = written ? errno : code;
        written = false;
    }
    if (!written) {
        status = error_set_errno(err, code, path.data, "write");
    } else if (rename(partial.data, path.data) != 0) {
        status = error_set_errno(err, errno, path.data, "rename to");
    }
    if (status != MSCOPE_OK) {
        unlink(partial.data);
    }
done:
    strbuf_free(&partial);
    strbuf_free(&path);
    return status;
}

enum mscope_status files_read(struct strbuf *to, const char *path, struct mscope_error *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return error_set_errno(err, errno, path, "open");
    }
    char block[16384];
    size_t n, total = 0;
    enum mscope_status status = MSCOPE_OK;
    while ((n = fread(block, 1, sizeof block, file)) > 0) {
        total += n;
        if (total > MAX_TEXT_BYTES) {
            status =
                error_set(err, MSCOPE_ERR_FORMAT, path, "more than %d bytes", (int)MAX_TEXT_BYTES);
            break;
        }
        strbuf_append(to, block, n);
    }
    if (status == MSCOPE_OK && ferror(file) != 0) {
        status = error_set_errno(err, errno, path, "read");
    }
    if (status == MSCOPE_OK && to->failed) {
        status = error_set_memory(err, path, total);
    }
    fclose(file);
    return status;
}

enum mscope_status files_find_rows(struct files_list *list, const char *path,
                                   struct mscope_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return error_set_errno(err, errno, path, "open");
    }
    return S_ISDIR(info.st_mode) ? find_below(list, path, 0, err) : files_list_add(list, path, err);
}

static enum mscope_status find_below(struct files_list *list, const char *folder, int depth,
                                     struct mscope_error *err)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, alphasort);
    if (n < 0) {
        return error_set_errno(err, errno, folder, "read folder");
    }
    enum mscope_status status = MSCOPE_OK;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        char *path = name[0] != '.' && status == MSCOPE_OK ? join(folder, name) : NULL;
        struct stat info;
        if (path != NULL && stat(path, &info) == 0) {
            if (S_ISDIR(info.st_mode) && depth < MAX_DEPTH) {
                status = find_below(list, path, depth + 1, err);
            } else if (S_ISREG(info.st_mode) && ends_in(name, ".jsonl")) {
                status = files_list_add(list, path, err);
            }
        }
        free(path);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n_text = strlen(text), n_end = strlen(end);
    return n_text >= n_end && strcmp(text + n_text - n_end, end) == 0;
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path != NULL) {
        snprintf(path, size, "%s/%s", folder, name);
    }
    return path;
}

enum mscope_status files_list_add(struct files_list *list, const char *path,
                                  struct mscope_error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        char **paths = realloc(list->paths, capacity * sizeof *paths);
        if (paths == NULL) {
            return error_set_memory(err, "a list of paths", capacity * sizeof *paths);
        }
        list->paths = paths;
        list->capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set_memory(err, "a path", strlen(path));
    }
    list->paths[list->n++] = copy;
    return MSCOPE_OK;
}

enum mscope_status files_note(struct files_list *notes, struct mscope_error *err,
                              const char *format, ...)
{
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x20 ? ' ' : *c;
    }
    return files_list_add(notes, line, err);
}

void files_list_free(struct files_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->paths[i]);
    }
    free(list->paths);
    *list = (struct files_list){0};
}
