/* SPDX-License-Identifier: MIT */
/*
 * Writing a synthetic model: keys, vocabulary, then the tensors of the family with random weights.
 * Random numbers depend on the seed, the tensor and the piece of the tensor only, so threads do not
 * matter. While the pool fills one buffer, one of its threads writes the other.
 */
#include "model/synth.h"

#include "base/pool.h"
#include "base/strbuf.h"
#include "model/synth_parts.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 * 1024, BATCH_PIECES = 32 };

struct synth {
    const struct synth_shape *shape;
    const struct arch *arch;
    const struct synth_params *params;
    struct synth_tensor *tensors; /* (SYNTH_MAX_TENSORS) */
    int n_tensors;
    float normal[SYNTH_LEVELS];
    struct gguf_writer *writer;
    struct pool *pool;
    uint8_t *buffers[2];
    uint64_t done_bytes, total_bytes;
};

/* One step: chunk 0 writes what the last step filled, the others fill the next pieces. */
struct step {
    struct synth *synth;
    const struct synth_filler *filler;
    uint64_t stream, seed;
    uint64_t first_block, n_blocks; /* to fill in this step, counted in the tensor */
    uint64_t piece_blocks, block_bytes;
    uint8_t *fill;
    const uint8_t *write;
    size_t write_bytes;
    enum mscope_status status; /* of the write */
    struct mscope_error *err;
};

static enum mscope_status open_parts(struct synth *s, const char *path, struct mscope_error *err);
static void close_parts(struct synth *s);
static enum mscope_status choose_types(struct synth *s, const struct recipe *recipe,
                                       struct mscope_error *err);
static void write_keys(struct synth *s, const struct recipe *recipe);
static enum mscope_status write_tensor(struct synth *s, int i_tensor, struct mscope_error *err);
static enum mscope_status write_rope_factors(struct synth *s, struct mscope_error *err);
static void run_chunk(void *ctx, int i_chunk, int i_thread);

enum mscope_status synth_write(const char *path, const struct synth_params *params,
                               struct mscope_error *err)
{
    const struct recipe *recipe = recipe_find(params->recipe);
    struct synth synth = {.shape = synth_shape_find(params->shape), .params = params};
    enum mscope_status status = MSCOPE_OK;
    if (synth.shape == NULL) {
        struct strbuf list = {0};
        for (const char *const *name = synth_shapes(); *name != NULL; name++) {
            strbuf_printf(&list, "%s%s", list.n_bytes == 0 ? "" : ", ", *name);
        }
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "shape", "unknown, expected one of %s",
                           list.failed ? "docs/MODELS.md" : list.data);
        error_set_object(err, "shape %s", params->shape);
        strbuf_free(&list);
        return status;
    }
    if (recipe == NULL) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "type",
                           "unknown, expected a recipe such as Q4_K_M");
        error_set_object(err, "type %s", params->recipe);
        return status;
    }
    status = open_parts(&synth, path, err);
    if (status == MSCOPE_OK) {
        synth.n_tensors = synth_list_tensors(synth.tensors, synth.shape, synth.arch);
        status = choose_types(&synth, recipe, err);
    }
    if (status == MSCOPE_OK) {
        write_keys(&synth, recipe);
        status = synth_vocab_write(synth.writer, synth.shape, err);
    }
    if (status == MSCOPE_OK) {
        status = gguf_writer_begin_data(synth.writer, err);
        synth.total_bytes = status == MSCOPE_OK ? gguf_writer_total_bytes(synth.writer) : 0;
    }
    for (int i = 0; i < synth.n_tensors && status == MSCOPE_OK; i++) {
        status = write_tensor(&synth, i, err);
    }
    if (status == MSCOPE_OK) {
        status = gguf_writer_finish(synth.writer, err);
    }
    if (status == MSCOPE_OK && params->progress != NULL) {
        params->progress(params->user, synth.total_bytes, synth.total_bytes);
    }
    close_parts(&synth);
    return status;
}

static enum mscope_status open_parts(struct synth *s, const char *path, struct mscope_error *err)
{
    s->arch = arch_find_name(s->shape->arch);
    assert(s->arch != NULL);
    synth_normal_levels(s->normal);
    s->tensors = calloc(SYNTH_MAX_TENSORS, sizeof *s->tensors);
    for (int i = 0; i < 2; i++) {
        s->buffers[i] = malloc((size_t)PIECE_BYTES * BATCH_PIECES);
    }
    if (s->tensors == NULL || s->buffers[0] == NULL || s->buffers[1] == NULL) {
        return error_set_memory(err, "buffers of a synthetic model",
                                2u * PIECE_BYTES * BATCH_PIECES);
    }
    long n_threads =
        s->params->n_threads > 0 ? s->params->n_threads : sysconf(_SC_NPROCESSORS_ONLN);
    enum mscope_status status = pool_open(&s->pool, n_threads < 1 ? 1 : (int)n_threads, err);
    return status == MSCOPE_OK ? gguf_writer_open(&s->writer, path, err) : status;
}

static void close_parts(struct synth *s)
{
    gguf_writer_close(&s->writer);
    pool_close(&s->pool);
    free(s->buffers[0]);
    free(s->buffers[1]);
    free(s->tensors);
}

static enum mscope_status choose_types(struct synth *s, const struct recipe *recipe,
                                       struct mscope_error *err)
{
    const struct synth_shape *h = s->shape;
    const struct recipe_model model = {.arch = h->arch,
                                       .n_layer = h->n_layer,
                                       .n_expert = h->n_expert,
                                       .n_head = h->n_head,
                                       .n_head_kv = h->n_head_kv,
                                       .tied_output = h->tied};
    struct recipe_state state;
    recipe_begin(&state, recipe, &model);
    for (int i = 0; i < s->n_tensors; i++) {
        recipe_count(&state, s->tensors[i].name, s->tensors[i].n_dims);
    }
    for (int i = 0; i < s->n_tensors; i++) {
        struct synth_tensor *t = &s->tensors[i];
        enum mscope_status status =
            recipe_choose(&t->type, &state, t->name, t->n_dims, t->ne, DTYPE_F32, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        gguf_writer_add_tensor(s->writer, t->name, t->n_dims, t->ne, t->type);
    }
    return MSCOPE_OK;
}

static void write_keys(struct synth *s, const struct recipe *recipe)
{
    const struct synth_shape *h = s->shape;
    struct gguf_writer *w = s->writer;
    char key[ARCH_KEY_BYTES], text[128];
    int n = snprintf(text, sizeof text, "synthetic %s (random weights)", h->name);
    gguf_writer_set_string(w, "general.architecture", h->arch, strlen(h->arch));
    gguf_writer_set_string(w, "general.name", text, (size_t)n);
    gguf_writer_set_u32(w, "general.file_type", recipe_file_type(recipe));
    gguf_writer_set_u32(w, "general.quantization_version", 2);
    gguf_writer_set_bool(w, "moescope.synthetic", true);
    gguf_writer_set_u64(w, "moescope.synthetic.seed", s->params->seed);
    gguf_writer_set_string(w, "moescope.synthetic.shape", h->name, strlen(h->name));
    const struct {
        const char *suffix;
        uint32_t value; /* 0: not written */
    } numbers[] = {
        {"context_length", h->n_ctx},
        {"embedding_length", h->n_embd},
        {"block_count", h->n_layer},
        {"feed_forward_length", h->n_ff},
        {"vocab_size", h->n_vocab},
        {"attention.head_count", h->n_head},
        {"attention.head_count_kv", h->n_head_kv},
        {"attention.key_length", h->head_dim},
        {"attention.value_length", h->head_dim},
        {"rope.dimension_count", h->head_dim},
        {"attention.sliding_window", h->window},
        {"expert_count", h->n_expert},
        {"expert_used_count", h->n_expert_used},
        {"expert_feed_forward_length", h->n_ff_expert},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].value != 0) {
            gguf_writer_set_u32(w, arch_key(key, h->arch, numbers[i].suffix), numbers[i].value);
        }
    }
    gguf_writer_set_f32(w, arch_key(key, h->arch, "rope.freq_base"), h->freq_base);
    gguf_writer_set_f32(w, arch_key(key, h->arch, "attention.layer_norm_rms_epsilon"), h->norm_eps);
    if ((s->arch->tensors & ARCH_POST_NORMS) != 0) {
        gguf_writer_set_f32(w, arch_key(key, h->arch, "attn_logit_softcapping"), 50.0f);
        gguf_writer_set_f32(w, arch_key(key, h->arch, "final_logit_softcapping"), 30.0f);
    }
}

static enum mscope_status write_tensor(struct synth *s, int i_tensor, struct mscope_error *err)
{
    const struct synth_tensor *tensor = &s->tensors[i_tensor];
    if (tensor->is_rope_factors) {
        return write_rope_factors(s, err);
    }
    const struct dtype_info *info = dtype_get((uint32_t)tensor->type);
    struct synth_filler *filler = malloc(sizeof *filler);
    if (filler == NULL) {
        return error_set_memory(err, "filler of a synthetic model", sizeof *filler);
    }
    synth_filler_init(filler, tensor->type, tensor->mean, tensor->sigma, s->normal);
    uint64_t n_blocks = tensor->ne[0] * tensor->ne[1] * tensor->ne[2] / info->block_elems;
    struct step step = {.synth = s,
                        .filler = filler,
                        .seed = s->params->seed,
                        .stream = (uint64_t)i_tensor << 32,
                        .piece_blocks = PIECE_BYTES / info->block_bytes,
                        .block_bytes = info->block_bytes,
                        .err = err};
    uint64_t step_blocks = step.piece_blocks * BATCH_PIECES;
    int i_buffer = 0;
    do {
        uint64_t left = n_blocks - step.first_block;
        step.n_blocks = left < step_blocks ? left : step_blocks;
        step.fill = s->buffers[i_buffer];
        uint64_t n_pieces = (step.n_blocks + step.piece_blocks - 1) / step.piece_blocks;
        pool_for(s->pool, 1 + (int)n_pieces, run_chunk, &step);
        step.first_block += step.n_blocks;
        step.write = step.fill;
        step.write_bytes = (size_t)(step.n_blocks * step.block_bytes);
        i_buffer = 1 - i_buffer;
        s->done_bytes += step.write_bytes;
        if (s->params->progress != NULL && step.write_bytes > 0) {
            s->params->progress(s->params->user, s->done_bytes, s->total_bytes);
        }
    } while (step.status == MSCOPE_OK && step.write_bytes > 0);
    free(filler);
    return step.status;
}

static void run_chunk(void *ctx, int i_chunk, int i_thread)
{
    struct step *step = ctx;
    (void)i_thread;
    if (i_chunk == 0) {
        if (step->write_bytes > 0) {
            step->status =
                gguf_writer_write(step->synth->writer, step->write, step->write_bytes, step->err);
        }
        return;
    }
    uint64_t first = (uint64_t)(i_chunk - 1) * step->piece_blocks; /* in this step */
    uint64_t left = step->n_blocks - first;
    uint64_t i_piece = (step->first_block + first) / step->piece_blocks; /* in the tensor */
    struct rng rng;
    rng_seed_stream(&rng, step->seed, step->stream + i_piece);
    synth_filler_run(step->filler, &rng, step->fill + first * step->block_bytes,
                     (size_t)(left < step->piece_blocks ? left : step->piece_blocks));
}

/*
 * Llama 3's scaling: wave lengths below ctx/4 are left alone, those above ctx/1 are stretched by
 * the factor, and in between the inverse of the divisor goes linearly in ctx/length from one to the
 * other.
 */
static enum mscope_status write_rope_factors(struct synth *s, struct mscope_error *err)
{
    const struct synth_shape *h = s->shape;
    const double low = 1.0, high = 4.0;
    enum { MAX_PAIRS = 256 };
    float factors[MAX_PAIRS];
    uint32_t n = h->head_dim / 2;
    assert(n <= MAX_PAIRS);
    for (uint32_t i = 0; i < n; i++) {
        double length = 6.283185307179586 * pow(h->freq_base, 2.0 * i / h->head_dim);
        double turns = (double)h->rope_ctx / length;
        double smooth = (turns - low) / (high - low);
        smooth = smooth < 0.0 ? 0.0 : smooth > 1.0 ? 1.0 : smooth;
        factors[i] = (float)(1.0 / ((1.0 - smooth) / h->rope_factor + smooth));
    }
    s->done_bytes += n * sizeof factors[0];
    return gguf_writer_write(s->writer, factors, n * sizeof factors[0], err);
}
