/* SPDX-License-Identifier: MIT */
/*
 * Synthetic models of true shape: a GGUF with the architecture, dimensions, per-tensor types and
 * vocabulary size of a published model and random weights, so that a device can be characterised
 * without a download. Weights are scaled so that activations stay finite and routing is spread. The
 * shapes are data (synth_shapes.c).
 */
#ifndef MODEL_SYNTH_H
#define MODEL_SYNTH_H

#include "base/error.h"
#include "model/recipe.h"

/* Progress of a long write: bytes done of bytes in all; called at most a few times per 16 MiB. May
 * be NULL. */
typedef void synth_progress_fn(void *user, uint64_t done_bytes, uint64_t total_bytes);

struct synth_params {
    const char *shape;  /* "olmoe-1b-7b", "tiny-olmoe", ... */
    const char *recipe; /* "Q4_K_M", or a plain type name such as "F32" */
    uint64_t seed;
    int n_threads; /* for quantising; 0: all */
    synth_progress_fn *progress;
    void *user;
};

/* NULL-terminated list of shape names. */
const char *const *synth_shapes(void);

struct synth_description {
    const char *arch;
    uint32_t n_layer, n_expert, n_expert_used;
    uint64_t n_params;
    uint64_t n_bytes; /* of the tensors; header and vocabulary add some MB at most */
};
/* What synth_write would write. Errors as there. */
enum mscope_status synth_describe(struct synth_description *out, const char *shape,
                                  const char *recipe, struct mscope_error *err);

/* Writes `path` atomically. The same shape, recipe and seed give the same bytes whatever the thread
 * count. */
enum mscope_status synth_write(const char *path, const struct synth_params *params,
                               struct mscope_error *err);

#endif
