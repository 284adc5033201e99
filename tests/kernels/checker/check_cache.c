/* SPDX-License-Identifier: MIT */
/* Key-value cache rows: stored to the same bits, scores and mixtures within their tolerance of
 * double sums. */
#include "checker.h"

#include "kernels/quants.h"

#include <math.h>
#include <string.h>

enum { MAX_HEAD = 288, MAX_POS = 70 };

static const enum dtype types[KERNEL_N_KV] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};

struct cache_case {
    kernel_kv_store_fn *store;
    kernel_kv_scores_fn *scores;
    kernel_kv_mix_fn *mix;
    float *out;
    void *stored;
    const float *in;
    const uint8_t *rows;
    size_t row_bytes;
    int n_pos, n;
};

static void call_store(void *argument)
{
    struct cache_case *k = argument;
    k->store(k->stored, k->in, k->n);
}

static void call_scores(void *argument)
{
    struct cache_case *k = argument;
    k->scores(k->out, k->in, k->rows, k->row_bytes, k->n_pos, k->n);
}

static void call_mix(void *argument)
{
    struct cache_case *k = argument;
    k->mix(k->out, k->in, k->rows, k->row_bytes, k->n_pos, k->n);
}

static int head_size(struct checker *c, enum dtype type)
{
    if (type == DTYPE_Q8_0) {
        return 32 * checker_range(c, 1, MAX_HEAD / 32);
    }
    return checker_range(c, 0, 1) == 0 ? 16 * checker_range(c, 1, MAX_HEAD / 16)
                                       : checker_range(c, 1, MAX_HEAD);
}

static void store_case(struct checker *c, int kv)
{
    struct guard *src = &c->guards[0], *dst = &c->guards[1];
    enum dtype type = types[kv];
    struct cache_case k = {.store = c->tested.kv_store[kv], .n = head_size(c, type)};
    float *x = guard_place(src, (size_t)k.n * sizeof(float), checker_side(c));
    checker_floats(c, x, (size_t)k.n);
    if (checker_range(c, 0, 9) == 0) {
        x[0] = checker_range(c, 0, 1) == 0 ? 65520.0f : -1e-7f;
    }
    guard_lock(src);
    k.in = x;
    size_t bytes = checker_row_bytes(type, k.n);
    k.stored = guard_place(dst, bytes, checker_side(c));
    checker_doing(c, "n %d", k.n);
    bool sound = guard_run(call_store, &k);
    checker_count(c, sound && guard_intact(dst), "touches memory that is not its own");
    if (!sound) {
        return;
    }
    uint8_t wanted[MAX_HEAD * sizeof(float)];
    c->ref.kv_store[kv](wanted, x, k.n);
    checker_count(c, memcmp(k.stored, wanted, bytes) == 0, "bits differ from the reference");
}

/* n_pos rows as a layer holds them: often one head of several in a wider row. */
static void make_rows(struct checker *c, struct cache_case *k, enum dtype type, int kv)
{
    struct guard *rows = &c->guards[0];
    size_t bytes = checker_row_bytes(type, k->n);
    k->row_bytes = bytes + (size_t)checker_range(c, 0, 4) / 2 * bytes;
    size_t gap = k->row_bytes - bytes;
    uint8_t *dst = guard_place(rows, (size_t)k->n_pos * k->row_bytes - gap, checker_side(c));
    for (int p = 0; p < k->n_pos; p++) {
        float x[MAX_HEAD];
        checker_floats(c, x, (size_t)k->n);
        c->ref.kv_store[kv](dst + (size_t)p * k->row_bytes, x, k->n);
    }
    guard_lock(rows);
    k->rows = dst;
}

static bool scores_close(struct checker *c, const struct cache_case *k, enum dtype type)
{
    bool ok = true;
    for (int p = 0; p < k->n_pos; p++) {
        float row[MAX_HEAD];
        quants_dequantize_row(type, row, k->rows + (size_t)p * k->row_bytes, (size_t)k->n);
        double sum = 0.0, size = 0.0;
        for (int i = 0; i < k->n; i++) {
            double product = (double)row[i] * (double)k->in[i];
            sum += product;
            size += fabs(product);
        }
        ok &= checker_close(c, k->out[p], sum, 1e-5 * size);
    }
    return ok;
}

static void scores_case(struct checker *c, int kv)
{
    struct guard *query = &c->guards[1], *dst = &c->guards[2];
    enum dtype type = types[kv];
    struct cache_case k = {.scores = c->tested.kv_scores[kv], .n = head_size(c, type)};
    k.n_pos = checker_range(c, 1, checker_range(c, 1, MAX_POS));
    make_rows(c, &k, type, kv);
    float *q = guard_place(query, (size_t)k.n * sizeof(float), checker_side(c));
    checker_floats(c, q, (size_t)k.n);
    guard_lock(query);
    k.in = q;
    k.out = guard_place(dst, (size_t)k.n_pos * sizeof(float), checker_side(c));
    checker_doing(c, "%d positions of %d, rows %zu apart", k.n_pos, k.n, k.row_bytes);
    bool sound = guard_run(call_scores, &k);
    checker_count(c, sound && guard_intact(dst), "touches memory that is not its own");
    if (!sound) {
        return;
    }
    checker_count(c, scores_close(c, &k, type), "result is off");
    struct cache_case part = k;
    int first = checker_range(c, 0, k.n_pos - 1);
    part.n_pos = checker_range(c, 1, k.n_pos - first);
    part.rows += (size_t)first * k.row_bytes;
    part.out = guard_place(&c->guards[3], (size_t)part.n_pos * sizeof(float), GUARD_AFTER);
    sound = guard_run(call_scores, &part);
    checker_count(c,
                  sound && memcmp(part.out, k.out + first, (size_t)part.n_pos * sizeof(float)) == 0,
                  "bits depend on the number of positions");
}

static bool mix_close(struct checker *c, const struct cache_case *k, const float *before,
                      enum dtype type)
{
    double sum[MAX_HEAD], size[MAX_HEAD];
    for (int i = 0; i < k->n; i++) {
        sum[i] = (double)before[i];
        size[i] = fabs(sum[i]);
    }
    for (int p = 0; p < k->n_pos; p++) {
        float row[MAX_HEAD];
        quants_dequantize_row(type, row, k->rows + (size_t)p * k->row_bytes, (size_t)k->n);
        for (int i = 0; i < k->n; i++) {
            double product = (double)row[i] * (double)k->in[p];
            sum[i] += product;
            size[i] += fabs(product);
        }
    }
    bool ok = true;
    for (int i = 0; i < k->n; i++) {
        ok &= checker_close(c, k->out[i], sum[i], 1e-5 * size[i]);
    }
    return ok;
}

static void mix_case(struct checker *c, int kv)
{
    struct guard *weights = &c->guards[1], *dst = &c->guards[2];
    enum dtype type = types[kv];
    struct cache_case k = {.mix = c->tested.kv_mix[kv], .n = head_size(c, type)};
    k.n_pos = checker_range(c, 1, checker_range(c, 1, MAX_POS));
    make_rows(c, &k, type, kv);
    float *w = guard_place(weights, (size_t)k.n_pos * sizeof(float), checker_side(c));
    checker_floats(c, w, (size_t)k.n_pos);
    guard_lock(weights);
    k.in = w;
    float before[MAX_HEAD];
    checker_floats(c, before, (size_t)k.n);
    size_t bytes = (size_t)k.n * sizeof(float);
    k.out = guard_place(dst, bytes, checker_side(c));
    memcpy(k.out, before, bytes);
    checker_doing(c, "%d positions of %d, rows %zu apart", k.n_pos, k.n, k.row_bytes);
    bool sound = guard_run(call_mix, &k);
    checker_count(c, sound && guard_intact(dst), "touches memory that is not its own");
    if (sound) {
        checker_count(c, mix_close(c, &k, before, type), "result is off");
    }
}

void check_cache(struct checker *c)
{
    for (int kv = 0; kv < KERNEL_N_KV; kv++) {
        const char *type = dtype_name(types[kv]);
        struct {
            bool present;
            const char *kind;
            void (*check)(struct checker *, int);
        } kernels[] = {
            {c->tested.kv_store[kv] != NULL, "kv_store", store_case},
            {c->tested.kv_scores[kv] != NULL, "kv_scores", scores_case},
            {c->tested.kv_mix[kv] != NULL, "kv_mix", mix_case},
        };
        for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
            if (!kernels[i].present || !checker_begin(c, kernels[i].kind, type)) {
                continue;
            }
            for (int k = 0; k < 4 * c->n_cases; k++) {
                kernels[i].check(c, kv);
            }
            checker_end(c);
        }
    }
}
