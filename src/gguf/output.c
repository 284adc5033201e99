/* SPDX-License-Identifier: MIT */
/* Buffered writing to a partial file that is renamed at the end. */
#include "gguf/output.h"

#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const size_t BUFFER_BYTES = (size_t)4 << 20;
static const size_t MAX_WRITE_BYTES = (size_t)1 << 30; /* per system call */

struct output {
    char *path, *partial_path;
    int fd; /* -1 when there is no partial file (any more) */
    char *buffer;
    size_t n_buffered;
};

static enum mscope_status open_partial(struct output *output, struct mscope_error *err);
static enum mscope_status flush_buffer(struct output *output, struct mscope_error *err);
static enum mscope_status write_all(struct output *output, const char *data, size_t n_bytes,
                                    struct mscope_error *err);
static enum mscope_status fail_errno(const struct output *output, int errno_value,
                                     const char *action, struct mscope_error *err);

enum mscope_status output_write(struct output *output, const void *data, size_t n_bytes,
                                struct mscope_error *err)
{
    if (n_bytes > BUFFER_BYTES - output->n_buffered) {
        enum mscope_status status = flush_buffer(output, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    if (n_bytes >= BUFFER_BYTES) {
        return write_all(output, data, n_bytes, err);
    }
    if (n_bytes > 0) {
        memcpy(output->buffer + output->n_buffered, data, n_bytes);
        output->n_buffered += n_bytes;
    }
    return MSCOPE_OK;
}

enum mscope_status output_open(struct output **out, const char *path, struct mscope_error *err)
{
    *out = NULL;
    size_t partial_bytes = strlen(path) + sizeof ".partial";
    struct output *output = calloc(1, sizeof *output);
    if (output == NULL) {
        return error_set_memory(err, "output file", sizeof *output);
    }
    output->fd = -1;
    output->path = strdup(path);
    output->partial_path = malloc(partial_bytes);
    output->buffer = malloc(BUFFER_BYTES);
    enum mscope_status status;
    if (output->path == NULL || output->partial_path == NULL || output->buffer == NULL) {
        status = error_set_memory(err, "output file", BUFFER_BYTES);
    } else {
        snprintf(output->partial_path, partial_bytes, "%s.partial", path);
        status = open_partial(output, err);
    }
    if (status != MSCOPE_OK) {
        output_close(&output);
        return status;
    }
    *out = output;
    return MSCOPE_OK;
}

void output_close(struct output **output)
{
    if (*output == NULL) {
        return;
    }
    if ((*output)->fd >= 0) {
        close((*output)->fd);
        unlink((*output)->partial_path);
    }
    free((*output)->path);
    free((*output)->partial_path);
    free((*output)->buffer);
    free(*output);
    *output = NULL;
}

/* The rename replaces whatever has the final name: it must not be a device or the like. */
static enum mscope_status open_partial(struct output *output, struct mscope_error *err)
{
    struct stat info;
    if (stat(output->path, &info) == 0 && !S_ISREG(info.st_mode)) {
        error_set(err, MSCOPE_ERR_IO, "", "exists and is %s, expected a regular file or none",
                  S_ISDIR(info.st_mode) ? "a directory" : "no regular file");
        error_set_object(err, "file %s", output->path);
        return MSCOPE_ERR_IO;
    }
    unlink(output->partial_path); /* of an earlier run; if it stays, the next line says so */
    output->fd = open(output->partial_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return output->fd < 0 ? fail_errno(output, errno, "cannot create", err) : MSCOPE_OK;
}

enum mscope_status output_check_space(const struct output *output, uint64_t n_bytes,
                                      struct mscope_error *err)
{
    struct statvfs info;
    uint64_t free_bytes;
    if (fstatvfs(output->fd, &info) != 0) {
        return MSCOPE_OK; /* a file system that cannot say: the writes will */
    }
    if (__builtin_mul_overflow((uint64_t)info.f_bavail, (uint64_t)info.f_frsize, &free_bytes)) {
        free_bytes = UINT64_MAX;
    }
    if (free_bytes >= n_bytes) {
        return MSCOPE_OK;
    }
    char needed_text[UNITS_TEXT_BYTES], free_text[UNITS_TEXT_BYTES];
    error_set(err, MSCOPE_ERR_IO, "", "not enough disk space: %s free, expected at least %s",
              units_bytes(free_text, free_bytes), units_bytes(needed_text, n_bytes));
    error_set_object(err, "file %s", output->path);
    return MSCOPE_ERR_IO;
}

enum mscope_status output_write_zeros(struct output *output, uint64_t n_bytes,
                                      struct mscope_error *err)
{
    static const char zeros[4096];
    while (n_bytes > 0) {
        size_t n = n_bytes < sizeof zeros ? (size_t)n_bytes : sizeof zeros;
        enum mscope_status status = output_write(output, zeros, n, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        n_bytes -= n;
    }
    return MSCOPE_OK;
}

enum mscope_status output_commit(struct output *output, struct mscope_error *err)
{
    enum mscope_status status = flush_buffer(output, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (fsync(output->fd) != 0 && errno != EINVAL) { /* EINVAL: this file system has no sync */
        return fail_errno(output, errno, "cannot sync", err);
    }
    if (rename(output->partial_path, output->path) != 0) {
        return fail_errno(output, errno, "cannot rename the partial file", err);
    }
    close(output->fd); /* synced: nothing is left that could fail */
    output->fd = -1;
    return MSCOPE_OK;
}

static enum mscope_status flush_buffer(struct output *output, struct mscope_error *err)
{
    size_t n_bytes = output->n_buffered;
    output->n_buffered = 0;
    return write_all(output, output->buffer, n_bytes, err);
}

static enum mscope_status write_all(struct output *output, const char *data, size_t n_bytes,
                                    struct mscope_error *err)
{
    while (n_bytes > 0) {
        ssize_t n = write(output->fd, data, n_bytes < MAX_WRITE_BYTES ? n_bytes : MAX_WRITE_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fail_errno(output, n < 0 ? errno : EIO, "cannot write", err);
        }
        data += n;
        n_bytes -= (size_t)n;
    }
    return MSCOPE_OK;
}

static enum mscope_status fail_errno(const struct output *output, int errno_value,
                                     const char *action, struct mscope_error *err)
{
    enum mscope_status status = error_set_errno(err, errno_value, "", action);
    error_set_object(err, "file %s", output->partial_path);
    return status;
}
