/* SPDX-License-Identifier: MIT */
/*
 * A file in the making: bytes are gathered in a large buffer and written to "PATH.partial", which
 * becomes PATH when committed. After a failure the only call allowed is output_close, which removes
 * the partial file. Knows nothing of GGUF. One thread.
 */
#ifndef GGUF_OUTPUT_H
#define GGUF_OUTPUT_H

#include "base/error.h"

struct output;

enum mscope_status output_open(struct output **out, const char *path, struct mscope_error *err);
/* Removes the partial file unless it was committed. */
void output_close(struct output **output);

/* Fails when the file system has less than n_bytes free. */
enum mscope_status output_check_space(const struct output *output, uint64_t n_bytes,
                                      struct mscope_error *err);
enum mscope_status output_write(struct output *output, const void *data, size_t n_bytes,
                                struct mscope_error *err);
enum mscope_status output_write_zeros(struct output *output, uint64_t n_bytes,
                                      struct mscope_error *err);
/* Flushes, syncs, renames. */
enum mscope_status output_commit(struct output *output, struct mscope_error *err);

#endif
