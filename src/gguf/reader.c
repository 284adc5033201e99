/* SPDX-License-Identifier: MIT */
/* Opens and closes GGUF files: maps them read-only, or reads them into memory of their own, and has
 * them parsed. */
#include "gguf/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 20, HUGE_PAGE_BYTES = 2 << 20 };

static enum mscope_status open_parts(struct gguf **out, const char *path, bool copied,
                                     struct mscope_error *err);
static enum mscope_status create(struct gguf **out, const char *path, struct mscope_error *err);
static enum mscope_status parse_part(struct gguf *gguf, uint32_t i_part, struct mscope_error *err);
static enum mscope_status map_file(struct gguf_part *part, bool copied, struct mscope_error *err);
static enum mscope_status map_descriptor(struct gguf_part *part, int fd, bool copied,
                                         struct mscope_error *err);
static enum mscope_status copy_descriptor(struct gguf_part *part, int fd, size_t n_bytes,
                                          struct mscope_error *err);
static void *map_anonymous(size_t n_bytes);

enum mscope_status gguf_open(struct gguf **out, const char *path, struct mscope_error *err)
{
    return open_parts(out, path, false, err);
}

enum mscope_status gguf_open_copied(struct gguf **out, const char *path, struct mscope_error *err)
{
    return open_parts(out, path, true, err);
}

static enum mscope_status open_parts(struct gguf **out, const char *path, bool copied,
                                     struct mscope_error *err)
{
    *out = NULL;
    struct gguf *gguf;
    uint64_t n_parts;
    enum mscope_status status = create(&gguf, path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    gguf->copied = copied;
    status = gguf_part_open(gguf, 0, path, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    status = gguf_split_count(&gguf->parts[0], &n_parts, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    if (n_parts > 1) {
        status = gguf_split_open(gguf, n_parts, err);
        if (status != MSCOPE_OK) {
            goto fail;
        }
    }
    status = gguf_index_tensors(gguf, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    *out = gguf;
    return MSCOPE_OK;
fail:
    gguf_close(&gguf);
    return status;
}

enum mscope_status gguf_open_memory(struct gguf **out, const void *data, size_t n_bytes,
                                    const char *name, struct mscope_error *err)
{
    *out = NULL;
    struct gguf *gguf;
    uint64_t n_parts;
    enum mscope_status status = create(&gguf, name, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct gguf_part *part = &gguf->parts[0];
    part->data = data;
    part->n_bytes = n_bytes;
    part->path = strdup(name);
    if (part->path == NULL) {
        status = error_set_memory(err, name, strlen(name) + 1);
        goto fail;
    }
    status = parse_part(gguf, 0, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    status = gguf_split_count(part, &n_parts, err);
    if (status == MSCOPE_OK && n_parts > 1) {
        status = error_set(err, MSCOPE_ERR_UNSUPPORTED, "key split.count",
                           "%" PRIu64 ", expected 1 part in memory", n_parts);
    }
    if (status != MSCOPE_OK) {
        goto fail;
    }
    status = gguf_index_tensors(gguf, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    *out = gguf;
    return MSCOPE_OK;
fail:
    gguf_close(&gguf);
    return status;
}

void gguf_close(struct gguf **gguf)
{
    if (*gguf == NULL) {
        return;
    }
    for (uint32_t i = 0; i < (*gguf)->n_parts; i++) {
        gguf_part_release(&(*gguf)->parts[i]);
    }
    free((*gguf)->parts);
    free((*gguf)->tensors);
    free((*gguf)->by_name);
    free((*gguf)->path);
    free(*gguf);
    *gguf = NULL;
}

static enum mscope_status create(struct gguf **out, const char *path, struct mscope_error *err)
{
    struct gguf *gguf = calloc(1, sizeof *gguf);
    if (gguf != NULL) {
        gguf->path = strdup(path);
        gguf->parts = calloc(1, sizeof *gguf->parts);
        gguf->n_parts = gguf->parts != NULL ? 1 : 0;
    }
    if (gguf == NULL || gguf->path == NULL || gguf->parts == NULL) {
        gguf_close(&gguf);
        return error_set_memory(err, "GGUF file", sizeof *gguf);
    }
    *out = gguf;
    return MSCOPE_OK;
}

enum mscope_status gguf_part_open(struct gguf *gguf, uint32_t i_part, const char *path,
                                  struct mscope_error *err)
{
    struct gguf_part *part = &gguf->parts[i_part];
    part->path = strdup(path);
    if (part->path == NULL) {
        return error_set_memory(err, "GGUF file", strlen(path) + 1);
    }
    enum mscope_status status = map_file(part, gguf->copied, err);
    return status == MSCOPE_OK ? parse_part(gguf, i_part, err) : status;
}

static enum mscope_status parse_part(struct gguf *gguf, uint32_t i_part, struct mscope_error *err)
{
    struct gguf_part *part = &gguf->parts[i_part];
    struct cursor cursor;
    cursor_init(&cursor, part->data, (size_t)part->n_bytes);
    enum mscope_status status = gguf_parse_metadata(part, &cursor, err);
    return status == MSCOPE_OK ? gguf_parse_directory(gguf, i_part, &cursor, err) : status;
}

static enum mscope_status map_file(struct gguf_part *part, bool copied, struct mscope_error *err)
{
    enum mscope_status status;
    int fd = open(part->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (fd < 0) {
        status = error_set_errno(err, errno, "", "cannot open");
    } else {
        status = map_descriptor(part, fd, copied, err);
        close(fd);
    }
    if (status != MSCOPE_OK) {
        error_set_object(err, "file %s", part->path);
    }
    return status;
}

static enum mscope_status map_descriptor(struct gguf_part *part, int fd, bool copied,
                                         struct mscope_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return error_set_errno(err, errno, "", "cannot get the size");
    }
    if (!S_ISREG(info.st_mode)) {
        return error_set(err, MSCOPE_ERR_IO, "", "%s, expected a regular file",
                         S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
    }
    if (info.st_size == 0) {
        return error_set(err, MSCOPE_ERR_FORMAT, "",
                         "empty file, expected a header of at least %d bytes", GGUF_HEADER_BYTES);
    }
    if ((uint64_t)info.st_size > SIZE_MAX / 2) {
        return error_set(err, MSCOPE_ERR_MEMORY, "",
                         "%" PRIu64 " bytes, too large for the address space",
                         (uint64_t)info.st_size);
    }
    if (copied) {
        return copy_descriptor(part, fd, (size_t)info.st_size, err);
    }
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return error_set_errno(err, errno, "", "cannot map");
    }
#if defined(MADV_HUGEPAGE)
    /* What is not in the system's cache yet comes in huge pages where the file system can. */
    madvise(data, (size_t)info.st_size, MADV_HUGEPAGE);
#endif
    part->data = data;
    part->n_bytes = (uint64_t)info.st_size;
    part->is_mapped = true;
    return MSCOPE_OK;
}

/* The bytes are read once and not kept in this process twice. */
static enum mscope_status copy_descriptor(struct gguf_part *part, int fd, size_t n_bytes,
                                          struct mscope_error *err)
{
    char *data = map_anonymous(n_bytes);
    if (data == NULL) {
        return error_set_memory(err, "", n_bytes);
    }
    size_t done = 0;
    while (done < n_bytes) {
        size_t left = n_bytes - done;
        ssize_t n = pread(fd, data + done, left < READ_BYTES ? left : READ_BYTES, (off_t)done);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            enum mscope_status status =
                n < 0 ? error_set_errno(err, errno, "", "cannot read")
                      : error_set(err, MSCOPE_ERR_IO, "", "ends after %zu bytes, expected %zu",
                                  done, n_bytes);
            munmap(data, n_bytes);
            return status;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    mprotect(data, n_bytes, PROT_READ);
    part->data = (const unsigned char *)data;
    part->n_bytes = n_bytes;
    part->is_mapped = true;
    return MSCOPE_OK;
}

/* Begins on the border of a huge page, so that all of it can be in huge pages; NULL without memory.
 */
static void *map_anonymous(size_t n_bytes)
{
    size_t n_taken = n_bytes + HUGE_PAGE_BYTES;
    char *taken = mmap(NULL, n_taken, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED) {
        return NULL;
    }
    size_t n_before = (HUGE_PAGE_BYTES - (uintptr_t)taken % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_used = (n_bytes + page_bytes - 1) / page_bytes * page_bytes;
    if (n_before > 0) {
        munmap(taken, n_before);
    }
    if (n_before + n_used < n_taken) {
        munmap(taken + n_before + n_used, n_taken - n_before - n_used);
    }
#if defined(MADV_HUGEPAGE)
    madvise(taken + n_before, n_used, MADV_HUGEPAGE); /* without: slower, not wrong */
#endif
    return taken + n_before;
}

void gguf_part_release(struct gguf_part *part)
{
    if (part->is_mapped) {
        munmap((void *)(uintptr_t)part->data, (size_t)part->n_bytes);
    }
    free(part->path);
    free(part->kvs);
    free(part->by_key);
    memset(part, 0, sizeof *part);
}

const char *gguf_path(const struct gguf *gguf)
{
    return gguf->path;
}

uint32_t gguf_n_parts(const struct gguf *gguf)
{
    return gguf->n_parts;
}

const char *gguf_part_path(const struct gguf *gguf, uint32_t i_part)
{
    return gguf->parts[i_part].path;
}

uint64_t gguf_file_bytes(const struct gguf *gguf)
{
    uint64_t n_bytes = 0;
    for (uint32_t i = 0; i < gguf->n_parts; i++) {
        n_bytes += gguf->parts[i].n_bytes;
    }
    return n_bytes;
}

uint64_t gguf_alignment(const struct gguf *gguf)
{
    return gguf->parts[0].alignment;
}

uint64_t gguf_n_kv(const struct gguf *gguf)
{
    return gguf->parts[0].n_kv;
}

const struct gguf_kv *gguf_kv_at(const struct gguf *gguf, uint64_t i)
{
    return &gguf->parts[0].kvs[i];
}

uint64_t gguf_n_tensors(const struct gguf *gguf)
{
    return gguf->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *gguf, uint64_t i)
{
    return &gguf->tensors[i];
}
