/* SPDX-License-Identifier: MIT */
/* Split models: finds the parts by their names and checks that they belong together. */
#include "gguf/internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct split_name { /* PREFIX-00001-of-00003.gguf */
    size_t prefix_bytes;
    uint32_t i_part, n_parts; /* i_part from 0 */
};

static enum mscope_status check_tensor_count(const struct gguf *gguf, struct mscope_error *err);
static enum mscope_status check_split_key(const struct gguf_part *part, const char *key,
                                          uint64_t expected, struct mscope_error *err);
static bool split_name_parse(struct split_name *out, const char *path);

/* The file at gguf->path is one of n_parts: opens all of them in order, in place of that one. */
enum mscope_status gguf_split_open(struct gguf *gguf, uint64_t n_parts, struct mscope_error *err)
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
    gguf_part_release(&gguf->parts[0]);
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
        status = gguf_part_open(gguf, i, path, err);
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
enum mscope_status gguf_split_count(const struct gguf_part *part, uint64_t *out,
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
