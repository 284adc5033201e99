/* SPDX-License-Identifier: MIT */
/*
 * matmul: against a sum in double over the decoded blocks for the reference itself, against the
 * reference for every other level; bits that do not depend on the tile; nothing read or written
 * outside.
 */
#include "checker.h"

#include "kernels/quants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 37, FEW_ACTS = 11, MAX_ACTS = 37, MAX_SUPER_BLOCKS = 11, MAX_IN = 20 * 256 };

struct matmul_case {
    kernel_matmul_fn *matmul;
    float *dst;
    size_t dst_stride;
    const uint8_t *weights;
    size_t row_bytes;
    int n_rows;
    const uint8_t *acts;
    size_t act_bytes;
    int n_acts, n_in;
    enum dtype type, act_type;
};

static void call_matmul(void *argument)
{
    struct matmul_case *m = argument;
    m->matmul(m->dst, m->dst_stride, m->weights, m->row_bytes, m->n_rows, m->acts, m->act_bytes,
              m->n_acts, m->n_in);
}

static float half_at(const uint8_t *p)
{
    uint16_t half;
    memcpy(&half, p, sizeof half);
    return quants_f16_to_f32(half);
}

/* Weights and activations behind guards, rows sometimes further apart than they are long. */
static void make_inputs(struct checker *c, struct matmul_case *m)
{
    struct guard *weights = &c->guards[0], *acts = &c->guards[1];
    int block = checker_block_elems(m->type);
    size_t row = checker_row_bytes(m->type, m->n_in), act = checker_row_bytes(m->act_type, m->n_in);
    size_t row_gap = (size_t)checker_range(c, 0, 3) / 2 * checker_align(m->type);
    size_t act_gap = (size_t)checker_range(c, 0, 3) / 2 * checker_align(m->act_type);
    m->row_bytes = row + row_gap;
    m->act_bytes = act + act_gap;
    uint8_t *w = guard_place(weights, (size_t)m->n_rows * m->row_bytes - row_gap, checker_side(c));
    uint8_t *a = guard_place(acts, (size_t)m->n_acts * m->act_bytes - act_gap, checker_side(c));
    for (int r = 0; r < m->n_rows; r++) {
        checker_weights(c, m->type, w + (size_t)r * m->row_bytes, (size_t)(m->n_in / block));
    }
    for (int i = 0; i < m->n_acts; i++) {
        float x[MAX_IN];
        checker_floats(c, x, (size_t)m->n_in);
        uint8_t *dst = a + (size_t)i * m->act_bytes;
        if (m->act_type == DTYPE_Q8_0) {
            c->ref.quantize_q8_0(dst, x, m->n_in);
        } else if (m->act_type == DTYPE_Q8_1) {
            c->ref.quantize_q8_1(dst, x, m->n_in);
        } else if (m->act_type == DTYPE_Q8_K) {
            c->ref.quantize_q8_k(dst, x, m->n_in);
        } else {
            memcpy(dst, x, act);
        }
    }
    guard_lock(weights);
    guard_lock(acts);
    m->weights = w;
    m->acts = a;
}

/*
 * Q8_1 holds the sum of a block rounded to half, and m times that rounded sum is what the format
 * defines: the difference to m times the true sum, over a row of Q4_1 or Q5_1.
 */
static double rounded_sums(const struct matmul_case *m, const uint8_t *row, const uint8_t *act)
{
    size_t block_bytes = dtype_get(m->type)->block_bytes;
    double difference = 0.0;
    for (int i = 0; i < m->n_in; i += 32, row += block_bytes, act += 36) {
        int sum = 0;
        for (int k = 0; k < 32; k++) {
            sum += (int8_t)act[4 + k];
        }
        double true_sum = (double)half_at(act) * sum;
        difference += (double)half_at(row + 2) * ((double)half_at(act + 2) - true_sum);
    }
    return difference;
}

/* Every result within the tolerance. */
static bool results_close(struct checker *c, const struct matmul_case *m, double tolerance)
{
    static float x[MAX_ACTS][MAX_IN];
    bool is_ref = strcmp(c->tested.level, "ref") == 0;
    bool ok = true;
    for (int a = 0; a < m->n_acts; a++) {
        checker_decode_act(m->act_type, x[a], m->acts + (size_t)a * m->act_bytes, m->n_in);
    }
    for (int r = 0; r < m->n_rows; r++) {
        float w[MAX_IN], want[MAX_ACTS];
        const uint8_t *row = m->weights + (size_t)r * m->row_bytes;
        quants_dequantize_row(m->type, w, row, (size_t)m->n_in);
        if (!is_ref) {
            c->ref.matmul[m->type](want, 1, row, m->row_bytes, 1, m->acts, m->act_bytes, m->n_acts,
                                   m->n_in);
        }
        for (int a = 0; a < m->n_acts; a++) {
            double sum = 0.0, size = 0.0;
            for (int i = 0; i < m->n_in; i++) {
                double product = (double)w[i] * (double)x[a][i];
                sum += product;
                size += fabs(product);
            }
            if (m->act_type == DTYPE_Q8_1) {
                sum += rounded_sums(m, row, m->acts + (size_t)a * m->act_bytes);
            }
            double expected = is_ref ? sum : (double)want[a];
            float got = m->dst[(size_t)a * m->dst_stride + (size_t)r];
            ok &= checker_close(c, got, expected, tolerance * size);
        }
    }
    return ok;
}

static bool gaps_untouched(const struct guard *guard, const struct matmul_case *m)
{
    size_t gap = m->dst_stride - (size_t)m->n_rows;
    for (int a = 0; a + 1 < m->n_acts; a++) {
        size_t first = ((size_t)a * m->dst_stride + (size_t)m->n_rows) * sizeof(float);
        if (!guard_untouched(guard, first, gap * sizeof(float))) {
            return false;
        }
    }
    return guard_intact(guard);
}

static size_t dst_bytes(const struct matmul_case *m)
{
    return ((size_t)(m->n_acts - 1) * m->dst_stride + (size_t)m->n_rows) * sizeof(float);
}

/* A part of the rows and activations computed alone has the same bits. */
static bool tile_equal(struct checker *c, const struct matmul_case *whole)
{
    struct matmul_case part = *whole;
    int row = checker_range(c, 0, whole->n_rows - 1), act = checker_range(c, 0, whole->n_acts - 1);
    part.n_rows = checker_range(c, 1, whole->n_rows - row);
    part.n_acts = checker_range(c, 1, whole->n_acts - act);
    part.weights += (size_t)row * whole->row_bytes;
    part.acts += (size_t)act * whole->act_bytes;
    part.dst_stride = (size_t)part.n_rows;
    part.dst = guard_place(&c->guards[3], dst_bytes(&part), GUARD_AFTER);
    checker_doing(c, "rows %d..%d and activations %d..%d of %d x %d, n_in %d", row,
                  row + part.n_rows - 1, act, act + part.n_acts - 1, whole->n_rows, whole->n_acts,
                  whole->n_in);
    if (!guard_run(call_matmul, &part)) {
        return false;
    }
    for (int a = 0; a < part.n_acts; a++) {
        const float *wanted = whole->dst + (size_t)(act + a) * whole->dst_stride + row;
        if (memcmp(part.dst + (size_t)a * part.dst_stride, wanted,
                   (size_t)part.n_rows * sizeof(float)) != 0) {
            return false;
        }
    }
    return true;
}

/* Every vector level has the bits of the weakest of them. */
static bool levels_equal(struct checker *c, const struct matmul_case *m)
{
    static struct kernels weakest;
    static float dst[MAX_ACTS * MAX_ROWS];
    struct matmul_case other = *m;
    checker_select(&weakest, kernels_levels()[1]);
    other.matmul = weakest.matmul[m->type];
    other.dst = dst;
    other.dst_stride = (size_t)m->n_rows;
    checker_doing(c, "against %s: %d rows, %d activations, n_in %d", weakest.level, m->n_rows,
                  m->n_acts, m->n_in);
    if (!guard_run(call_matmul, &other)) {
        return false;
    }
    for (int a = 0; a < m->n_acts; a++) {
        if (memcmp(dst + (size_t)a * other.dst_stride, m->dst + (size_t)a * m->dst_stride,
                   (size_t)m->n_rows * sizeof(float)) != 0) {
            return false;
        }
    }
    return true;
}

static void check_case(struct checker *c, enum dtype type)
{
    struct matmul_case m = {
        .matmul = c->tested.matmul[type], .type = type, .act_type = kernels_act_type(type)};
    int block = checker_block_elems(type);
    m.n_in = block == 1    ? checker_range(c, 1, 300)
             : block == 32 ? 32 * checker_range(c, 1, 13)
                           : 256 * checker_range(c, 1, MAX_SUPER_BLOCKS);
    bool is_large = checker_range(c, 1, 25) == 1; /* more than a kernel handles in one pass */
    m.n_rows = checker_range(c, 1, 3) == 1 ? checker_range(c, 1, MAX_ROWS) : checker_range(c, 1, 5);
    m.n_acts = checker_range(c, 1, FEW_ACTS);
    if (is_large) {
        m.n_acts = checker_range(c, FEW_ACTS, MAX_ACTS);
        m.n_rows = checker_range(c, 1, 9);
        m.n_in = block == 1 ? m.n_in : MAX_IN - 256 * checker_range(c, 0, 7);
    }
    m.dst_stride = (size_t)m.n_rows + (size_t)checker_range(c, 0, 3);
    make_inputs(c, &m);
    m.dst = guard_place(&c->guards[2], dst_bytes(&m), checker_side(c));
    checker_doing(c, "%d rows, %d activations, n_in %d, rows %zu apart", m.n_rows, m.n_acts, m.n_in,
                  m.row_bytes);
    bool sound = guard_run(call_matmul, &m);
    checker_count(c, sound, "touches memory that is not its own");
    if (!sound) {
        return;
    }
    bool integer = m.act_type != DTYPE_F32;
    bool is_ref = strcmp(c->tested.level, "ref") == 0;
    /* The reference rounds each term too, so against the exact sum it gets the looser figure. */
    checker_count(c, results_close(c, &m, integer && !is_ref ? 1e-6 : 1e-5), "result is off");
    checker_count(c, gaps_untouched(&c->guards[2], &m), "writes beside its results");
    if (!is_ref && strcmp(c->tested.level, kernels_levels()[1]) != 0) {
        checker_count(c, levels_equal(c, &m), "bits differ from those of a weaker level");
    }
    for (int i = 0; i < 3; i++) {
        checker_count(c, tile_equal(c, &m), "bits depend on the tile");
    }
}

void check_matmul(struct checker *c)
{
    for (int type = 0; type < DTYPE_COUNT; type++) {
        if (c->tested.matmul[type] == NULL ||
            !checker_begin(c, "matmul", dtype_name((uint32_t)type))) {
            continue;
        }
        for (int i = 0; i < c->n_cases; i++) {
            check_case(c, (enum dtype)type);
        }
        checker_end(c);
    }
}
