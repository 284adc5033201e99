/* SPDX-License-Identifier: MIT */
/*
 * A GGUF file to another one with other tensor types: metadata copied, every tensor converted as
 * the recipe and the overrides say. Rows are converted in parallel; the result does not depend on
 * the thread count. Memory is bounded (some tens of MB), whatever the size of the file.
 */
#ifndef MODEL_QUANTIZE_H
#define MODEL_QUANTIZE_H

#include "base/error.h"
#include "gguf/gguf.h"
#include "model/recipe.h"

/* Called after each tensor, and during large ones. May be NULL. */
typedef void quantize_progress_fn(void *user, const char *tensor, enum dtype from, enum dtype to,
                                  uint64_t done_bytes, uint64_t total_bytes);

struct quantize_params {
    const struct recipe *recipe;
    const struct recipe_override *overrides;
    int n_overrides;
    int n_threads;         /* 0: all physical cores is the caller's business; 0 means 1 here */
    bool allow_requantize; /* a source that is already quantised (not F32, F16, BF16) is refused
                              without */
    quantize_progress_fn *progress;
    void *user;
};

struct quantize_summary {
    uint64_t bytes_in, bytes_out; /* of the files */
    uint32_t n_tensors, n_converted;
};

/* Writes `path_out` atomically; refuses to overwrite its own input. */
enum mscope_status quantize_file(struct quantize_summary *out, const char *path_in,
                                 const char *path_out, const struct quantize_params *params,
                                 struct mscope_error *err);

#endif
