/* SPDX-License-Identifier: MIT */
/*
 * Inside model/ only: the parts of a synthetic model. Shapes are data (synth_shapes.c), packed
 * random blocks come from a filler (synth_blocks.c), the tokenizer is trained on a word list
 * (synth_bpe.c, synth_vocab.c), and synth.c puts them together.
 */
#ifndef MODEL_SYNTH_PARTS_H
#define MODEL_SYNTH_PARTS_H

#include "base/rng.h"
#include "gguf/writer.h"
#include "model/arch.h"

enum synth_vocab {
    SYNTH_VOCAB_LLAMA3,
    SYNTH_VOCAB_QWEN2,
    SYNTH_VOCAB_OLMO,
    SYNTH_VOCAB_GEMMA,
    SYNTH_VOCAB_LLAMA2
};

struct synth_shape {
    const char *name, *arch;
    enum synth_vocab vocab;
    uint32_t n_vocab, n_ctx, n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff;
    uint32_t n_expert, n_expert_used;
    uint32_t n_ff_expert; /* n_ff again where the family has a key for it; 0: not written */
    bool tied;
    float freq_base, norm_eps;
    float rope_factor; /* of the Llama-3 scaling written as rope_freqs; 0: none */
    uint32_t rope_ctx; /* context before that scaling */
    uint32_t window;
    float expert_gain; /* makes up for the top-k weights, whose squares sum to less than one */
};

extern const struct synth_shape synth_shape_table[];
const struct synth_shape *synth_shape_find(const char *name); /* NULL when there is none */

enum { SYNTH_MAX_TENSORS = 1024 };

struct synth_tensor {
    char name[GGUF_MAX_NAME_BYTES];
    uint32_t n_dims;
    uint64_t ne[3];
    float mean, sigma;    /* normal distribution of the weights */
    bool is_rope_factors; /* computed instead */
    enum dtype type;      /* by the recipe */
};

/* Fills `tensors` (room for SYNTH_MAX_TENSORS) in file order; returns how many. */
int synth_list_tensors(struct synth_tensor *tensors, const struct synth_shape *shape,
                       const struct arch *arch);

/* ---- random blocks --------------------------------------------------------------------------- */

enum { SYNTH_PALETTE = 64, SYNTH_LEVELS = 4096 };

struct synth_filler {
    enum dtype type;
    uint8_t palette[SYNTH_PALETTE][4]; /* block scale and minimum, packed as in the block */
    uint32_t levels[SYNTH_LEVELS];     /* plain types: values at equal steps of probability */
};

/* Dequantised values get deviation `sigma` around `mean` (plain types only; else around 0).
 * `normal` are SYNTH_LEVELS quantiles of the normal distribution (synth_normal_levels). */
void synth_filler_init(struct synth_filler *filler, enum dtype type, float mean, float sigma,
                       const float *normal);
/* n_blocks of the type (elements of a plain one). Thread-safe for one filler. */
void synth_filler_run(const struct synth_filler *filler, struct rng *rng, void *dst,
                      size_t n_blocks);
void synth_normal_levels(float levels[SYNTH_LEVELS]);

/* ---- vocabulary ------------------------------------------------------------------------------ */

extern const char synth_words[]; /* separated by spaces, most frequent first */

enum { SYNTH_MAX_MERGES = 2600, SYNTH_MERGE_BYTES = 24 };

struct synth_merge { /* text of both parts; a leading space stands for the beginning of a word */
    char left[SYNTH_MERGE_BYTES], right[SYNTH_MERGE_BYTES];
};

/* Byte-pair merges in order of rank; returns how many (at most max_merges). */
int synth_bpe_train(struct synth_merge *merges, int max_merges);

/* Sets all tokenizer.ggml.* keys. */
enum mscope_status synth_vocab_write(struct gguf_writer *writer, const struct synth_shape *shape,
                                     struct mscope_error *err);

#endif
