/* SPDX-License-Identifier: MIT */
/* Opens GGUF files: maps them read-only, finds the parts of a split model and checks that they
 * belong together. */
#include "gguf/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct split_name { /* PREFIX-00001-of-00003.gguf */
    size_t prefix_bytes;
    uint32_t i_part, n_parts; /* i_part from 0 */
};

static enum mscope_status create(struct gguf **out, const char *path, struct mscope_error *err);
static enum mscope_status open_part(struct gguf *gguf, uint32_t i_part, const char *path,
                                    struct mscope_error *err);
static enum mscope_status parse_part(struct gguf *gguf, uint32_t i_part, struct mscope_error *err);
static enum mscope_status map_file(struct gguf_part *part, struct mscope_error *err);
static enum mscope_status map_descriptor(struct gguf_part *part, int fd, struct mscope_error *err);
static enum mscope_status open_all_parts(struct gguf *gguf, uint64_t n_parts,
                                         struct mscope_error *err);
static enum mscope_status check_tensor_count(const struct gguf *gguf, struct mscope_error *err);
static enum mscope_status check_split_key(const struct gguf_part *part, const char *key,
                                          uint64_t expected, struct mscope_error *err);
static enum mscope_status split_count(const struct gguf_part *part, uint64_t *out,
                                      struct mscope_error *err);
static bool split_name_parse(struct split_name *out, const char *path);
static void release_part(struct gguf_part *part);

enum mscope_status gguf_open(struct gguf **out, const char *path, struct mscope_error *err)
{
    *out = NULL;
    struct gguf *gguf;
    uint64_t n_parts;
    enum mscope_status status = create(&gguf, path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    status = open_part(gguf, 0, path, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    status = split_count(&gguf->parts[0], &n_parts, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    if (n_parts > 1) {
        status = open_all_parts(gguf, n_parts, err);
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
    status = split_count(part, &n_parts, err);
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
        release_part(&(*gguf)->parts[i]);
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

static enum mscope_status open_part(struct gguf *gguf, uint32_t i_part, const char *path,
                                    struct mscope_error *err)
{
    struct gguf_part *part = &gguf->parts[i_part];
    part->path = strdup(path);
    if (part->path == NULL) {
        return error_set_memory(err, "GGUF file", strlen(path) + 1);
    }
    enum mscope_status status = map_file(part, err);
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

static enum mscope_status map_file(struct gguf_part *part, struct mscope_error *err)
{
    enum mscope_status status;
    int fd = open(part->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    if (fd < 0) {
        status = error_set_errno(err, errno, "", "cannot open");
    } else {
        status = map_descriptor(part, fd, err);
        close(fd);
    }
    if (status != MSCOPE_OK) {
        error_set_object(err, "file %s", part->path);
    }
    return status;
}

static enum mscope_status map_descriptor(struct gguf_part *part, int fd, struct mscope_error *err)
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
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) {
        return error_set_errno(err, errno, "", "cannot map");
    }
    part->data = data;
    part->n_bytes = (uint64_t)info.st_size;
    part->is_mapped = true;
    return MSCOPE_OK;
}

/* The file at gguf->path is one of n_parts: opens all of them in order, in place of that one. */
static enum mscope_status open_all_parts(struct gguf *gguf, uint64_t n_parts,
                                         struct mscope_error *err)
{
    struct split_name name;
    if (!split_name_parse(&name, gguf->path) || name.n_parts != n_parts || name.i_part >= n_parts) {
        enum mscope_status status =
            error_set(err, MSCOPE_ERR_FORMAT, "",
                      "key split.count is %" PRIu64
                      ", expected a name that ends in -0000i-of-%05" PRIu64 ".gguf",
                      n_parts, n_parts);
        error_set_object(err, "file %s", gguf->path);
        return status;
    }
    enum mscope_status status = check_split_key(&gguf->parts[0], "split.no", name.i_part, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    size_t path_bytes = strlen(gguf->path) + 1;
    char *path = malloc(path_bytes);
    struct gguf_part *parts = calloc((size_t)n_parts, sizeof *parts);
    if (path == NULL || parts == NULL) {
        free(path);
        free(parts);
        return error_set_memory(err, "parts of the split model", n_parts * sizeof *parts);
    }
    release_part(&gguf->parts[0]);
    free(gguf->parts);
    gguf->parts = parts;
    gguf->n_parts = (uint32_t)n_parts;
    gguf->n_tensors = 0;
    for (uint32_t i = 0; i < gguf->n_parts; i++) {
        snprintf(path, path_bytes, "%.*s-%05" PRIu32 "-of-%05" PRIu32 ".gguf",
                 (int)name.prefix_bytes, gguf->path, i + 1, gguf->n_parts);
        if (access(path, F_OK) != 0) {
            status = error_set_errno(err, errno, "", "missing part of a split model");
            error_set_object(err, "file %s", path);
            goto done;
        }
        status = open_part(gguf, i, path, err);
        if (status != MSCOPE_OK) {
            goto done;
        }
        status = check_split_key(&gguf->parts[i], "split.no", i, err);
        if (status != MSCOPE_OK) {
            goto done;
        }
        status = check_split_key(&gguf->parts[i], "split.count", n_parts, err);
        if (status != MSCOPE_OK) {
            goto done;
        }
    }
    status = check_tensor_count(gguf, err);
done:
    free(path);
    return status;
}

/* The first part must say how many tensors all have; a later part that says so too must agree. */
static enum mscope_status check_tensor_count(const struct gguf *gguf, struct mscope_error *err)
{
    for (uint32_t i = 0; i < gguf->n_parts; i++) {
        if (i == 0 || gguf_part_find(&gguf->parts[i], "split.tensors.count") != NULL) {
            enum mscope_status status =
                check_split_key(&gguf->parts[i], "split.tensors.count", gguf->n_tensors, err);
            if (status != MSCOPE_OK) {
                return status;
            }
        }
    }
    return MSCOPE_OK;
}

static enum mscope_status check_split_key(const struct gguf_part *part, const char *key,
                                          uint64_t expected, struct mscope_error *err)
{
    const struct gguf_kv *kv = gguf_part_find(part, key);
    uint64_t value;
    if (kv == NULL) {
        error_set(err, MSCOPE_ERR_FORMAT, "", "key %s is absent, expected %" PRIu64, key, expected);
    } else if (!gguf_kv_unsigned(kv, &value)) {
        error_set(err, MSCOPE_ERR_FORMAT, "", "key %s is of type %s or negative, expected %" PRIu64,
                  key, gguf_type_name(kv->type), expected);
    } else if (value != expected) {
        error_set(err, MSCOPE_ERR_FORMAT, "", "key %s is %" PRIu64 ", expected %" PRIu64, key,
                  value, expected);
    } else {
        return MSCOPE_OK;
    }
    error_set_object(err, "file %s", part->path);
    return MSCOPE_ERR_FORMAT;
}

/* 1 for a file that is not split. The key decides, whatever the name looks like. */
static enum mscope_status split_count(const struct gguf_part *part, uint64_t *out,
                                      struct mscope_error *err)
{
    const struct gguf_kv *kv = gguf_part_find(part, "split.count");
    if (kv == NULL) {
        *out = 1;
        return MSCOPE_OK;
    }
    if (!gguf_kv_unsigned(kv, out) || *out > UINT16_MAX) {
        return error_set(err, MSCOPE_ERR_FORMAT, "key split.count",
                         "type %s or value out of range, expected 0 to %d",
                         gguf_type_name(kv->type), UINT16_MAX);
    }
    return MSCOPE_OK;
}

static bool split_name_parse(struct split_name *out, const char *path)
{
    static const char form[] = "-ddddd-of-ddddd.gguf";
    size_t n = strlen(path), n_form = sizeof form - 1;
    if (n < n_form) {
        return false;
    }
    const char *suffix = path + n - n_form;
    uint32_t numbers[2] = {0, 0};
    for (size_t i = 0; i < n_form; i++) {
        if (form[i] == 'd' && isdigit((unsigned char)suffix[i])) {
            uint32_t *number = &numbers[i > 6];
            *number = *number * 10 + (uint32_t)(suffix[i] - '0');
        } else if (form[i] == 'd' || form[i] != suffix[i]) {
            return false;
        }
    }
    if (numbers[0] == 0) {
        return false;
    }
    *out = (struct split_name){n - n_form, numbers[0] - 1, numbers[1]};
    return true;
}

static void release_part(struct gguf_part *part)
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
