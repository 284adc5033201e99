/* SPDX-License-Identifier: MIT */
/*
 * Mixture of experts: route every row, group rows by expert, run the experts in waves that the
 * store can hold and the scratch can take, and add each expert's output to its rows. A row's
 * experts are added in ascending order of expert, so the sum does not depend on the batch.
 */
#include "forward/internal.h"

#include <math.h>
#include <string.h>

enum { COMBINE_COLUMNS = 256, SMALLEST_WEIGHT_SUM_EXPONENT = -14 };

struct wave {
    struct forward *forward;
    int i_layer;
    const struct acts *source; /* what `gathered` copies from */
    unsigned formats;
    int first_entry, n_entries;
};

static void route_row(void *ctx, int i_row, int i_thread);
static void sort_by_expert(struct forward *forward);
static void report_routing(struct forward *forward, int i_layer);
static enum mscope_status run_wave(struct wave *wave, int first_expert, int end_expert,
                                   struct mscope_error *err);
static void gather_entry(void *ctx, int i_entry, int i_thread);
static void combine_columns(void *ctx, int i_chunk, int i_thread);

enum mscope_status moe_run(struct forward *forward, int i_layer, struct mscope_error *err)
{
    const struct model_config *config = forward->config;
    const struct layer_weights *layer = &forward->weights->layers[i_layer];
    int n_rows = forward->batch->n_rows;
    int n_expert = (int)config->n_expert;

    probe_enter(&forward->probe, MSCOPE_PHASE_ROUTER);
    const struct linear router = {&layer->router, NULL, forward->router_logits};
    linear_run(forward, &forward->normed, n_rows, &router, 1);
    forward_show_stage(forward, i_layer, "router", forward->router_logits, n_rows, n_expert);
    pool_for(forward->pool, n_rows, route_row, forward);
    report_routing(forward, i_layer);
    probe_enter(&forward->probe, MSCOPE_PHASE_DISPATCH);
    sort_by_expert(forward);

    memset(forward->branch, 0, (size_t)n_rows * config->n_embd * sizeof *forward->branch);
    struct wave wave = {.forward = forward, .i_layer = i_layer};
    int e = 0;
    while (e < n_expert) {
        int first = e;
        int n_held = 0;
        wave.first_entry = forward->expert_first[first];
        for (; e < n_expert; e++) {
            bool used = forward->expert_first[e + 1] > forward->expert_first[e];
            bool fits = forward->expert_first[e + 1] - wave.first_entry <= forward->ffn_capacity &&
                        n_held + (used ? 1 : 0) <= (int)forward->store->max_held;
            if (!fits) {
                break;
            }
            n_held += used ? 1 : 0;
        }
        wave.n_entries = forward->expert_first[e] - wave.first_entry;
        enum mscope_status status = run_wave(&wave, first, e, err);
        if (status != MSCOPE_OK) {
            return status;
        }
    }
    return MSCOPE_OK;
}

/* Probabilities, top-k with the lower index on ties, and the weights as the family defines them. */
static void route_row(void *ctx, int i_row, int i_thread)
{
    struct forward *forward = ctx;
    const struct model_config *config = forward->config;
    int n_expert = (int)config->n_expert;
    int n_used = (int)config->n_expert_used;
    float *p = forward->router_logits + (size_t)i_row * (size_t)n_expert;
    struct expert_choice *choices = forward->choices + (size_t)i_row * (size_t)n_used;
    char *chosen = forward->chosen + (size_t)i_thread * (size_t)n_expert;

    if (config->gating == GATING_SOFTMAX) {
        float sum = forward->k->softmax(p, n_expert);
        for (int e = 0; e < n_expert; e++) {
            p[e] /= sum;
        }
    } else if (config->gating == GATING_SIGMOID) {
        for (int e = 0; e < n_expert; e++) {
            p[e] = 1.0f / (1.0f + expf(-p[e]));
        }
    }
    memset(chosen, 0, (size_t)n_expert);
    float weights_sum = 0;
    float best_logit = 0;
    for (int s = 0; s < n_used; s++) {
        int best = -1;
        for (int e = 0; e < n_expert; e++) {
            if (!chosen[e] && (best < 0 || p[e] > p[best])) {
                best = e;
            }
        }
        chosen[best] = 1;
        choices[s] = (struct expert_choice){best, p[best]};
        if (config->gating == GATING_SOFTMAX_SELECTED) {
            best_logit = s == 0 ? p[best] : best_logit;
            choices[s].weight = expf(p[best] - best_logit);
        }
        weights_sum += choices[s].weight;
    }
    bool divide = config->expert_renorm || config->gating == GATING_SOFTMAX_SELECTED;
    float smallest = ldexpf(1.0f, SMALLEST_WEIGHT_SUM_EXPONENT);
    float scale = divide ? 1.0f / fmaxf(weights_sum, smallest) : 1.0f;
    for (int s = 0; s < n_used; s++) {
        choices[s].weight = choices[s].weight * scale * config->expert_scale;
    }
}

/* Counting sort of all (row, slot) by expert: entries of expert e are expert_first[e] ..
 * expert_first[e+1]-1. */
static void sort_by_expert(struct forward *forward)
{
    int n_expert = (int)forward->config->n_expert;
    int n_used = (int)forward->config->n_expert_used;
    int n_choices = forward->batch->n_rows * n_used;
    int *first = forward->expert_first;
    memset(first, 0, (size_t)(n_expert + 1) * sizeof *first);
    for (int i = 0; i < n_choices; i++) {
        first[forward->choices[i].i_expert + 1]++;
    }
    for (int e = 0; e < n_expert; e++) {
        first[e + 1] += first[e];
    }
    for (int i = 0; i < n_choices; i++) {
        int at = first[forward->choices[i].i_expert]++;
        forward->entry_row[at] = i / n_used;
        forward->entry_weight[at] = forward->choices[i].weight;
    }
    memmove(first + 1, first, (size_t)n_expert * sizeof *first);
    first[0] = 0;
}

static void report_routing(struct forward *forward, int i_layer)
{
    if (forward->routing_fn == NULL) {
        return;
    }
    int n_used = (int)forward->config->n_expert_used;
    int n_rows = forward->batch->n_rows;
    for (int i = 0; i < n_rows * n_used; i++) {
        forward->routed_experts[i] = forward->choices[i].i_expert;
        forward->routed_weights[i] = forward->choices[i].weight;
    }
    const struct mscope_routing routing = {
        .i_layer = i_layer,
        .n_rows = n_rows,
        .n_used = n_used,
        .experts = forward->routed_experts,
        .weights = forward->routed_weights,
        .positions = forward->batch->positions,
    };
    forward->routing_fn(forward->routing_user, &routing);
}

/* Runs the used experts of first_expert .. end_expert-1 on their entries and adds the results to
 * `branch`. */
static enum mscope_status run_wave(struct wave *wave, int first_expert, int end_expert,
                                   struct mscope_error *err)
{
    struct forward *forward = wave->forward;
    struct expert_store *store = forward->store;
    bool one_row =
        forward->batch->n_rows == 1; /* every expert reads the same row: nothing to gather */
    enum mscope_status status = MSCOPE_OK;
    int n_groups = 0;
    int e = first_expert;
    wave->formats = 0;
    for (; e < end_expert; e++) {
        int n_entries = forward->expert_first[e + 1] - forward->expert_first[e];
        if (n_entries == 0) {
            continue;
        }
        struct expert_view *view = &forward->views[n_groups];
        probe_enter(&forward->probe, MSCOPE_PHASE_IO);
        status = store->ops->acquire(store, (uint32_t)wave->i_layer, (uint32_t)e, view, err);
        probe_enter(&forward->probe, MSCOPE_PHASE_DISPATCH);
        if (status != MSCOPE_OK) {
            break;
        }
        int first = forward->expert_first[e] - wave->first_entry;
        forward->groups[n_groups++] = (struct ffn_group){
            &view->gate, &view->up, &view->down, one_row ? 0 : first, first, n_entries};
        wave->formats |= 1u << acts_format(forward, view->gate.type);
        wave->formats |= 1u << acts_format(forward, view->up.type);
    }
    if (status == MSCOPE_OK && n_groups > 0) {
        forward->counters.expert_slots += (uint64_t)wave->n_entries;
        forward->counters.distinct_experts += (uint64_t)n_groups;
        struct acts *in = &forward->normed;
        acts_prepare(forward, in, forward->batch->n_rows, wave->formats);
        if (!one_row) {
            wave->source = in;
            in = &forward->gathered;
            in->ready = wave->formats;
            pool_for(forward->pool, wave->n_entries, gather_entry, wave);
        }
        probe_enter(&forward->probe, MSCOPE_PHASE_EXPERTS);
        ffn_run_groups(forward, in, forward->groups, n_groups, forward->ffn_out);
        probe_enter(&forward->probe, MSCOPE_PHASE_DISPATCH);
        int n_embd = (int)forward->config->n_embd;
        pool_for(forward->pool, (n_embd + COMBINE_COLUMNS - 1) / COMBINE_COLUMNS, combine_columns,
                 wave);
    }
    for (int release = first_expert; release < e; release++) {
        if (forward->expert_first[release + 1] > forward->expert_first[release]) {
            store->ops->release(store, (uint32_t)wave->i_layer, (uint32_t)release);
        }
    }
    return status;
}

static void gather_entry(void *ctx, int i_entry, int i_thread)
{
    (void)i_thread;
    const struct wave *wave = ctx;
    struct forward *forward = wave->forward;
    int i_row = forward->entry_row[wave->first_entry + i_entry];
    for (int format = 0; format < ACT_N; format++) {
        if ((wave->formats & 1u << format) == 0) {
            continue;
        }
        char *rows =
            format == ACT_F32 ? (char *)forward->gathered.f32 : forward->gathered.quantised[format];
        size_t row_bytes = acts_row_bytes(&forward->gathered, (enum act_format)format);
        memcpy(rows + (size_t)i_entry * row_bytes,
               acts_row(wave->source, (enum act_format)format, i_row), row_bytes);
    }
}

static void combine_columns(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    const struct wave *wave = ctx;
    const struct forward *forward = wave->forward;
    size_t n_embd = forward->config->n_embd;
    size_t first = (size_t)i_chunk * COMBINE_COLUMNS;
    int n = n_embd - first < COMBINE_COLUMNS ? (int)(n_embd - first) : COMBINE_COLUMNS;
    for (int i = 0; i < wave->n_entries; i++) {
        size_t i_row = (size_t)forward->entry_row[wave->first_entry + i];
        forward->k->add_scaled(forward->branch + i_row * n_embd + first,
                               forward->ffn_out + (size_t)i * n_embd + first,
                               forward->entry_weight[wave->first_entry + i], n);
    }
}
