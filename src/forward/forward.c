/* SPDX-License-Identifier: MIT */
/*
 * The forward pass as prose: embed; per layer norm, attention, residual, norm, FFN or experts,
 * residual; then norm and output head for the rows whose logits are wanted. Families differ only in
 * configuration.
 */
#include "forward/internal.h"

#include <string.h>

static void embed(struct forward *forward);
static void norm_rows(struct forward *forward, const struct weight *norm);
static void add_branch(struct forward *forward, const struct weight *post_norm);
static void output_logits(struct forward *forward, float *logits);
static void count_norm(struct forward *forward, const struct weight *norm);

enum mscope_status forward_eval(struct forward *forward, const struct forward_batch *batch,
                                float *logits, struct mscope_error *err)
{
    const struct model_config *config = forward->config;
    int n_rows = batch->n_rows;
    int n_embd = (int)config->n_embd;
    forward->batch = batch;

    probe_enter(&forward->probe, MSCOPE_PHASE_KV);
    rope_prepare(forward);
    probe_enter(&forward->probe, MSCOPE_PHASE_EMBEDDING);
    embed(forward);
    for (int il = 0; il < (int)config->n_layer; il++) {
        const struct layer_weights *layer = &forward->weights->layers[il];

        probe_enter(&forward->probe, MSCOPE_PHASE_NORM);
        norm_rows(forward, &layer->attn_norm);
        probe_enter(&forward->probe, MSCOPE_PHASE_ATTENTION);
        attention_run(forward, il);
        forward_show_stage(forward, il, "attn_out", forward->branch, n_rows, n_embd);
        probe_enter(&forward->probe, MSCOPE_PHASE_NORM);
        add_branch(forward, &layer->attn_post_norm);

        norm_rows(forward, &layer->ffn_norm);
        if (layer->is_moe) {
            enum mscope_status status = moe_run(forward, il, err);
            if (status != MSCOPE_OK) {
                return status;
            }
        } else {
            probe_enter(&forward->probe, MSCOPE_PHASE_FFN);
            ffn_run_dense(forward, layer);
        }
        forward_show_stage(forward, il, "ffn_out", forward->branch, n_rows, n_embd);
        probe_enter(&forward->probe, MSCOPE_PHASE_NORM);
        add_branch(forward, &layer->ffn_post_norm);
        forward_show_stage(forward, il, "layer_out", forward->x, n_rows, n_embd);
    }
    probe_enter(&forward->probe, MSCOPE_PHASE_OUTPUT);
    output_logits(forward, logits);
    probe_enter(&forward->probe, MSCOPE_PHASE_OTHER);
    return MSCOPE_OK;
}

struct row_job {
    struct forward *forward;
    const struct weight *norm;
};

static void embed_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    struct forward *forward = ctx;
    const struct weight *table = &forward->weights->token_embd;
    size_t n_embd = forward->config->n_embd;
    float *x = forward->x + (size_t)i_row * n_embd;
    const char *row =
        (const char *)table->data + (size_t)forward->batch->tokens[i_row] * table->row_bytes;
    forward->k->dequantize[table->type](x, row, n_embd);
    float scale = forward->config->embedding_scale;
    for (size_t i = 0; scale != 1.0f && i < n_embd; i++) {
        x[i] *= scale;
    }
}

static void embed(struct forward *forward)
{
    const struct weight *table = &forward->weights->token_embd;
    int n_rows = forward->batch->n_rows;
    pool_for(forward->pool, n_rows, embed_row, forward);
    forward->counters.weight_bytes[MSCOPE_CLASS_EMBEDDING] += table->row_bytes * (size_t)n_rows;
    forward_show_stage(forward, -1, "embedding", forward->x, n_rows, (int)forward->config->n_embd);
}

static void norm_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    const struct row_job *job = ctx;
    struct forward *forward = job->forward;
    size_t n_embd = forward->config->n_embd;
    size_t at = (size_t)i_row * n_embd;
    forward->k->rms_norm(forward->normed.f32 + at, forward->x + at, job->norm->data, (int)n_embd,
                         forward->config->norm_eps);
}

static void norm_rows(struct forward *forward, const struct weight *norm)
{
    struct row_job job = {forward, norm};
    pool_for(forward->pool, forward->batch->n_rows, norm_row, &job);
    forward->normed.ready = 0;
    count_norm(forward, norm);
}

static void add_branch_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    const struct row_job *job = ctx;
    struct forward *forward = job->forward;
    size_t n_embd = forward->config->n_embd;
    float *branch = forward->branch + (size_t)i_row * n_embd;
    if (job->norm->data != NULL) {
        forward->k->rms_norm(branch, branch, job->norm->data, (int)n_embd,
                             forward->config->norm_eps);
    }
    forward->k->add_scaled(forward->x + (size_t)i_row * n_embd, branch, 1.0f, (int)n_embd);
}

static void add_branch(struct forward *forward, const struct weight *post_norm)
{
    struct row_job job = {forward, post_norm};
    pool_for(forward->pool, forward->batch->n_rows, add_branch_row, &job);
    count_norm(forward, post_norm);
}

static void output_logits(struct forward *forward, float *logits)
{
    const struct model_config *config = forward->config;
    const struct weight *norm = &forward->weights->output_norm;
    size_t n_embd = config->n_embd;
    int n_wanted = 0;
    for (int i = 0; i < forward->batch->n_rows; i++) {
        if (forward->batch->wanted[i]) {
            forward->k->rms_norm(forward->normed.f32 + (size_t)n_wanted * n_embd,
                                 forward->x + (size_t)i * n_embd, norm->data, (int)n_embd,
                                 config->norm_eps);
            n_wanted++;
        }
    }
    if (n_wanted == 0) {
        return;
    }
    forward->normed.ready = 0;
    count_norm(forward, norm);
    const struct linear head = {&forward->weights->output, NULL, logits};
    linear_run(forward, &forward->normed, n_wanted, &head, 1);
    if (config->logit_softcap > 0) {
        for (int i = 0; i < n_wanted; i++) {
            forward->k->soft_cap(logits + (size_t)i * config->n_vocab, config->logit_softcap,
                                 (int)config->n_vocab);
        }
    }
    forward_show_stage(forward, (int)config->n_layer, "logits", logits, n_wanted,
                       (int)config->n_vocab);
}

/* A norm's weights are read once per chunk; its few operations are not counted. */
static void count_norm(struct forward *forward, const struct weight *norm)
{
    forward_count_weight(forward, norm, 0);
}

void forward_show_stage(const struct forward *forward, int i_layer, const char *stage,
                        const float *values, int n_rows, int n_cols)
{
    if (forward->stage_fn != NULL) {
        forward->stage_fn(forward->stage_user, i_layer, stage, values, n_rows, n_cols);
    }
}

void forward_on_routing(struct forward *forward, mscope_routing_fn *fn, void *user)
{
    forward->routing_fn = fn;
    forward->routing_user = user;
}

void forward_on_stage(struct forward *forward, mscope_stage_fn *fn, void *user)
{
    forward->stage_fn = fn;
    forward->stage_user = user;
}

struct probe *forward_probe(struct forward *forward)
{
    return &forward->probe;
}

struct forward_counters *forward_counters(struct forward *forward)
{
    return &forward->counters;
}
