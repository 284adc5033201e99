/* SPDX-License-Identifier: MIT */
/*
 * Which tensor gets which type: the named mixtures of llama-quantize (Q4_K_M and its kin), with
 * their fall-backs for rows that are not a multiple of the block, as data-driven rules over tensor
 * names. A recipe is used by `quantize` and by `synth`. One struct recipe_state per file being
 * written, one thread.
 */
#ifndef MODEL_RECIPE_H
#define MODEL_RECIPE_H

#include "base/dtype.h"
#include "base/error.h"

/* What the rules need to know of the model. */
struct recipe_model {
    const char *arch;
    uint32_t n_layer, n_expert, n_head, n_head_kv;
    bool tied_output; /* token_embd is also the output */
};

struct recipe_override { /* --tensor-type PATTERN=TYPE; the first match wins */
    char pattern[128];   /* POSIX extended regular expression searched in the tensor name */
    enum dtype type;
};

struct recipe; /* a named mixture: Q8_0, Q4_0, Q4_K_M, ..., or one plain type */

/* NULL when there is no recipe of this name (letter case ignored). */
const struct recipe *recipe_find(const char *name);
const char *const *recipe_names(void); /* NULL-terminated */
const char *recipe_name(const struct recipe *recipe);
uint32_t recipe_file_type(const struct recipe *recipe); /* value of general.file_type */

struct recipe_state {
    const struct recipe *recipe;
    struct recipe_model model;
    const struct recipe_override *overrides;
    int n_overrides;
    uint64_t overrides_used;                        /* bit i: override i decided a tensor */
    int n_attn_v, i_attn_v, n_ffn_down, i_ffn_down; /* running counters of the rules */
};

enum { RECIPE_MAX_OVERRIDES = 64 };

/*
 * Before the first recipe_choose: set `state` up (the caller then adds overrides), and call
 * recipe_count once for every tensor of the file, since some rules depend on how many there are.
 */
void recipe_begin(struct recipe_state *state, const struct recipe *recipe,
                  const struct recipe_model *model);
void recipe_count(struct recipe_state *state, const char *name, uint32_t n_dims);

/*
 * Type for the tensor called next; call once per tensor in file order. `n_dims` and `ne` as in
 * GGUF; `source` is the type it has now: one-dimensional tensors, norms and routers keep it.
 */
enum mscope_status recipe_choose(enum dtype *out, struct recipe_state *state, const char *name,
                                 uint32_t n_dims, const uint64_t *ne, enum dtype source,
                                 struct mscope_error *err);
/* After the last recipe_choose: fails naming the first override that decided no tensor. */
enum mscope_status recipe_check_overrides(const struct recipe_state *state,
                                          struct mscope_error *err);

#endif
