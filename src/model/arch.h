/* SPDX-License-Identifier: MIT */
/*
 * Inside model/ only: what a family is (one arch_<family>.c each: mostly data), and the reader of
 * configuration keys that they share. A new family is one row in arch.c and one file. Constant
 * tables; any thread.
 */
#ifndef MODEL_ARCH_H
#define MODEL_ARCH_H

#include "model/model.h"

enum arch_experts { ARCH_DENSE, ARCH_DENSE_OR_MOE, ARCH_MOE };

enum arch_tensors { /* a set: which tensors a family has besides those that all have */
                    ARCH_OUTPUT_OPTIONAL = 1,     /* output.weight may be absent: tied */
                    ARCH_OUTPUT_TIED = 2,         /* output.weight does not exist */
                    ARCH_ROPE_FACTORS = 4,        /* rope_freqs.weight, optional */
                    ARCH_QKV_BIAS = 8,            /* attn_{q,k,v}.bias, required */
                    ARCH_ATTN_BIAS_OPTIONAL = 16, /* attn_{q,k,v,output}.bias, each optional */
                    ARCH_QK_NORM_FULL =
                        32, /* attn_{q,k}_norm over the whole projection, required */
                    ARCH_QK_NORM_HEADS =
                        128, /* attn_{q,k}_norm of one head, the same for all, required */
                    ARCH_POST_NORMS = 64, /* post_attention_norm and post_ffw_norm, required */
};

struct config_reader;

struct arch {
    const char *name;
    enum rope_style rope_style;
    enum arch_experts experts;
    bool expert_renorm; /* when the file has no expert_weights_norm */
    unsigned tensors;
    /* What is the family's own, after the common keys; may be NULL. Failures stay in the reader. */
    void (*read_config)(struct model_config *config, struct config_reader *reader);
};

extern const struct arch arch_llama, arch_qwen2, arch_gemma2, arch_olmoe, arch_qwen3moe;

/* NULL when the family is not supported. */
const struct arch *arch_find(struct gguf_string name);
const struct arch *arch_find_name(const char *name);

/*
 * Reads "<arch>.<suffix>" keys one after the other; after the first failure every call does
 * nothing, so a sequence is checked once at its end (`status`).
 */
struct config_reader {
    const struct gguf *gguf;
    const char *arch;
    uint32_t n_layer; /* expected length of per-layer arrays; 0 until known */
    enum mscope_status status;
    struct mscope_error *err;
};

enum { ARCH_KEY_BYTES = 128 };
const char *arch_key(char key[ARCH_KEY_BYTES], const char *arch, const char *suffix);

/* Fails outside [min, max]. Optional: an absent key keeps *out. */
void config_read_u32(struct config_reader *reader, uint32_t *out, const char *suffix, bool required,
                     uint32_t min, uint32_t max);
/* The same for a key that may be an array with one value per layer; only equal values are accepted.
 */
void config_read_u32_per_layer(struct config_reader *reader, uint32_t *out, const char *suffix,
                               bool required, uint32_t min, uint32_t max);
/* Fails when not finite or outside [min, max]. */
void config_read_f32(struct config_reader *reader, float *out, const char *suffix, bool required,
                     float min, float max);
/* Puts the reader into the failed state: object "key <arch>.<suffix>". */
void config_fail(struct config_reader *reader, enum mscope_status status, const char *suffix,
                 const char *format, ...) BASE_PRINTF(4, 5);

#endif
