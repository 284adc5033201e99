/* SPDX-License-Identifier: MIT */
/* SHA-256 of files. Stateless; any thread. */
#ifndef MEASURE_HASH_H
#define MEASURE_HASH_H

#include "base/error.h"

#include <stdint.h>

enum { HASH_TEXT_BYTES = 65 };

/* 64 lowercase hex digits. */
enum mscope_status hash_file(char hex[HASH_TEXT_BYTES], const char *path, struct mscope_error *err);
enum mscope_status hash_bytes(char hex[HASH_TEXT_BYTES], const void *bytes, size_t n_bytes,
                              struct mscope_error *err);
/*
 * The same, remembered in PATH.sha256 ("HASH  SIZE MTIME_NS") and taken from there while size and
 * modification time agree. A memory that cannot be written is no error.
 */
enum mscope_status hash_file_cached(char hex[HASH_TEXT_BYTES], const char *path,
                                    struct mscope_error *err);

/*
 * A model of one file, or of all parts PREFIX-0000i-of-0000n.gguf when `path` is one of them and
 * all are there: then the hash is that of the parts' hashes in hex, in order and without anything
 * between. `n_bytes` is the size of all. Remembers each part as hash_file_cached does.
 */
enum mscope_status hash_model_cached(char hex[HASH_TEXT_BYTES], uint64_t *n_bytes, const char *path,
                                     struct mscope_error *err);

#endif
