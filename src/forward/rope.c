/* SPDX-License-Identifier: MIT */
/*
 * Rotary position embedding (Su et al., "RoFormer", 2021) with linear and YaRN scaling (Peng et
 * al., "YaRN", 2023) and per-pair factors. Angles are computed in double once per evaluation and
 * shared by all layers and heads.
 */
#include "forward/internal.h"

#include <math.h>

static void rotate_neighbours(float *restrict head, const float *restrict cosines,
                              const float *restrict sines, int n_pairs);
static void rotate_halves(float *restrict low, float *restrict high, const float *restrict cosines,
                          const float *restrict sines, int n_pairs);
static double yarn_correction_dim(const struct rope_config *rope, double n_rotations);

void rope_rotate_row(const struct forward *forward, float *heads, int n_head, int head_dim,
                     int i_row)
{
    const struct rope_config *rope = &forward->config->rope;
    int n_pairs = (int)rope->n_rot / 2;
    const float *cosines = forward->rope_cos + (size_t)i_row * (size_t)n_pairs;
    const float *sines = forward->rope_sin + (size_t)i_row * (size_t)n_pairs;
    for (int h = 0; h < n_head; h++) {
        float *head = heads + (size_t)h * (size_t)head_dim;
        if (rope->style == ROPE_NORM) {
            rotate_neighbours(head, cosines, sines, n_pairs);
        } else {
            rotate_halves(head, head + n_pairs, cosines, sines, n_pairs);
        }
    }
}

/* Pair i is elements 2i and 2i + 1. */
static void rotate_neighbours(float *restrict head, const float *restrict cosines,
                              const float *restrict sines, int n_pairs)
{
    for (int i = 0; i < n_pairs; i++) {
        float a = head[2 * i], b = head[2 * i + 1];
        head[2 * i] = a * cosines[i] - b * sines[i];
        head[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}

static void rotate_halves(float *restrict low, float *restrict high, const float *restrict cosines,
                          const float *restrict sines, int n_pairs)
{
    for (int i = 0; i < n_pairs; i++) {
        float a = low[i], b = high[i];
        low[i] = a * cosines[i] - b * sines[i];
        high[i] = a * sines[i] + b * cosines[i];
    }
}

static void prepare_row(void *ctx, int i_row, int i_thread)
{
    (void)i_thread;
    struct forward *forward = ctx;
    const struct rope_config *rope = &forward->config->rope;
    int n_pairs = (int)rope->n_rot / 2;
    double position = forward->batch->positions[i_row];
    for (int i = 0; i < n_pairs; i++) {
        double angle = position * forward->rope_inverse[i];
        size_t at = (size_t)i_row * (size_t)n_pairs + (size_t)i;
        forward->rope_cos[at] = (float)cos(angle) * rope->attn_factor;
        forward->rope_sin[at] = (float)sin(angle) * rope->attn_factor;
    }
}

void rope_prepare(struct forward *forward)
{
    pool_for(forward->pool, forward->batch->n_rows, prepare_row, forward);
}

enum mscope_status rope_init(struct forward *forward, struct mscope_error *err)
{
    const struct rope_config *rope = &forward->config->rope;
    const float *factors = forward->weights->rope_factors.data;
    int n_pairs = (int)rope->n_rot / 2;
    size_t table_bytes = (size_t)n_pairs * sizeof(float);
    forward->rope_inverse = arena_take(forward->arena, (size_t)n_pairs, sizeof(double), err);
    forward->rope_cos = arena_take(forward->arena, (size_t)forward->n_batch, table_bytes, err);
    forward->rope_sin = arena_take(forward->arena, (size_t)forward->n_batch, table_bytes, err);
    if (forward->rope_inverse == NULL || forward->rope_cos == NULL || forward->rope_sin == NULL) {
        return MSCOPE_ERR_MEMORY;
    }
    if (rope->scaling == ROPE_SCALING_LONGROPE) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, "rope scaling",
                         "longrope, expected none, linear or yarn");
    }
    bool yarn = rope->scaling == ROPE_SCALING_YARN;
    double shrink = rope->scaling == ROPE_SCALING_NONE ? 1.0 : 1.0 / rope->factor;
    double low = floor(yarn_correction_dim(rope, rope->yarn_beta_fast));
    double high = ceil(yarn_correction_dim(rope, rope->yarn_beta_slow));
    low = fmax(0, low);
    high = fmin(rope->n_rot - 1.0, high);
    for (int i = 0; i < n_pairs; i++) {
        double angle = pow(rope->freq_base, -2.0 * i / rope->n_rot);
        if (factors != NULL) {
            angle /= factors[i];
        }
        double mix = 0;
        if (yarn) {
            double ramp = (i - low) / fmax(0.001, high - low);
            mix = (1 - fmin(1, fmax(0, ramp))) * rope->yarn_ext_factor;
        }
        forward->rope_inverse[i] = shrink * angle * (1 - mix) + angle * mix;
    }
    return MSCOPE_OK;
}

/* Dimension whose wavelength makes n_rotations turns within the original context (YaRN,
 * section 3.2). */
static double yarn_correction_dim(const struct rope_config *rope, double n_rotations)
{
    const double two_pi = 6.283185307179586;
    return rope->n_rot * log(rope->n_ctx_orig / (n_rotations * two_pi)) /
           (2 * log(rope->freq_base));
}
