/* SPDX-License-Identifier: MIT */
/*
 * Gated feed-forward, dense or one of many experts: down( act(gate x) * (up x) ). Gate, up and
 * activation are one parallel region, so the up projection never leaves a small tile; all experts
 * of a wave share the regions.
 */
#include "forward/internal.h"

struct ffn_job {
    struct forward *forward;
    const struct acts *in;
    const struct ffn_group *groups;
    struct row_split split; /* of the rows of all groups, one after the other */
    float *out;
};

/* Some rows of one group. */
typedef void group_rows_fn(const struct ffn_job *job, const struct ffn_group *group, int first_row,
                           int n_rows, int i_thread);

static void gate_up_chunk(void *ctx, int i_chunk, int i_thread);
static void down_chunk(void *ctx, int i_chunk, int i_thread);
static void run_span(const struct ffn_job *job, int i_chunk, int n_out, group_rows_fn *rows,
                     int i_thread);
static group_rows_fn gate_up_rows, down_rows;

void ffn_run_groups(struct forward *forward, struct acts *in, const struct ffn_group *groups,
                    int n_groups, float *out)
{
    struct acts *hidden = &forward->hidden;
    struct ffn_job job = {.forward = forward, .in = in, .groups = groups, .out = out};
    int n_rows_out = 0;
    unsigned formats_down = 0;
    for (int g = 0; g < n_groups; g++) {
        int end = groups[g].first_out + groups[g].n_rows;
        n_rows_out = end > n_rows_out ? end : n_rows_out;
        formats_down |= 1u << acts_format(forward, groups[g].down->type);
        forward_count_weight(forward, groups[g].gate, groups[g].n_rows);
        forward_count_weight(forward, groups[g].up, groups[g].n_rows);
        forward_count_weight(forward, groups[g].down, groups[g].n_rows);
    }
    hidden->n = (int)groups[0].gate->n_out;
    hidden->ready = 0;
    job.split = linear_split(forward, n_groups * hidden->n);
    pool_for(forward->pool, job.split.n_chunks, gate_up_chunk, &job);

    acts_prepare(forward, hidden, n_rows_out, formats_down);
    job.split = linear_split(forward, n_groups * (int)groups[0].down->n_out);
    pool_for(forward->pool, job.split.n_chunks, down_chunk, &job);
}

void ffn_run_dense(struct forward *forward, const struct layer_weights *layer)
{
    int n_rows = forward->batch->n_rows;
    const struct ffn_group group = {
        .gate = &layer->ffn_gate, .up = &layer->ffn_up, .down = &layer->ffn_down, .n_rows = n_rows};
    unsigned formats = 1u << acts_format(forward, group.gate->type);
    formats |= 1u << acts_format(forward, group.up->type);
    acts_prepare(forward, &forward->normed, n_rows, formats);
    ffn_run_groups(forward, &forward->normed, &group, 1, forward->branch);
}

static void gate_up_chunk(void *ctx, int i_chunk, int i_thread)
{
    const struct ffn_job *job = ctx;
    run_span(job, i_chunk, (int)job->groups[0].gate->n_out, gate_up_rows, i_thread);
}

static void down_chunk(void *ctx, int i_chunk, int i_thread)
{
    const struct ffn_job *job = ctx;
    run_span(job, i_chunk, (int)job->groups[0].down->n_out, down_rows, i_thread);
}

/* A chunk may end one group, of n_out rows each, and begin the next. */
static void run_span(const struct ffn_job *job, int i_chunk, int n_out, group_rows_fn *rows,
                     int i_thread)
{
    int end, row = linear_span(&job->split, i_chunk, &end);
    while (row < end) {
        int first = row % n_out, n = end - row < n_out - first ? end - row : n_out - first;
        rows(job, &job->groups[row / n_out], first, n, i_thread);
        row += n;
    }
}

static void gate_up_rows(const struct ffn_job *job, const struct ffn_group *group, int first_row,
                         int n_rows, int i_thread)
{
    struct forward *forward = job->forward;
    size_t n_ff = group->gate->n_out;
    float *up = forward->tile + (size_t)i_thread * LINEAR_ACT_BLOCK * LINEAR_MAX_ROWS;
    kernel_glu_fn *activate =
        forward->config->activation == FFN_GELU ? forward->k->gelu_mul : forward->k->silu_mul;

    int block = linear_act_block(group->n_rows);
    for (int a = 0; a < group->n_rows; a += block) {
        int n_acts = group->n_rows - a < block ? group->n_rows - a : block;
        float *gate = forward->hidden.f32 + (size_t)(group->first_out + a) * n_ff + first_row;
        linear_tile(forward, gate, n_ff, group->gate, first_row, n_rows, job->in,
                    group->first_in + a, n_acts, i_thread);
        linear_tile(forward, up, LINEAR_MAX_ROWS, group->up, first_row, n_rows, job->in,
                    group->first_in + a, n_acts, i_thread);
        for (int i = 0; i < n_acts; i++) {
            activate(gate + (size_t)i * n_ff, gate + (size_t)i * n_ff,
                     up + (size_t)i * LINEAR_MAX_ROWS, n_rows);
        }
    }
}

static void down_rows(const struct ffn_job *job, const struct ffn_group *group, int first_row,
                      int n_rows, int i_thread)
{
    size_t n_out = group->down->n_out;
    int block = linear_act_block(group->n_rows);
    for (int a = 0; a < group->n_rows; a += block) {
        int n_acts = group->n_rows - a < block ? group->n_rows - a : block;
        int i_out = group->first_out + a;
        linear_tile(job->forward, job->out + (size_t)i_out * n_out + first_row, n_out, group->down,
                    first_row, n_rows, &job->forward->hidden, i_out, n_acts, i_thread);
    }
}
