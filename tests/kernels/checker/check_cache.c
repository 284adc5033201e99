/* SPDX-License-Identifier: MIT */
/* Key-value cache rows: stored to the same bits, scores and mixtures within their tolerance of
 * double sums. */
#include "checker.h"

#include "kernels/quants.h"

#include <math.h>
#include <string.h>

enum { MAX_HEAD = 288, MAX_POS = 150, MAX_QUERIES = 53 };

static const enum dtype types[KERNEL_N_KV] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};

static float plain[MAX_POS][MAX_HEAD]; /* the rows of a case */

struct cache_case {
    kernel_kv_store_fn *store;
    kernel_kv_scores_fn *scores;
    kernel_kv_mix_fn *mix;
    float *out;
    size_t out_stride;
    void *stored;
    const float *in; /* queries or weights */
    size_t in_stride;
    const uint8_t *rows; /* or panels */
    size_t row_bytes;    /* from one to the next */
    int n_q, n_pos, n;   /* n_pos: of panels, whole panels */
    bool integers;
};

static void call_store(void *argument)
{
    struct cache_case *k = argument;
    k->store(k->stored, k->in, k->n);
}

static void call_scores(void *argument)
{
    struct cache_case *k = argument;
    k->scores(k->out, k->out_stride, k->in, k->in_stride, k->n_q, k->rows, k->row_bytes,
              k->n_pos / KERNEL_KV_PANEL, k->n);
}

static void call_mix(void *argument)
{
    struct cache_case *k = argument;
    k->mix(k->out, k->out_stride, k->in, k->in_stride, k->n_q, k->rows, k->row_bytes, k->n_pos,
           k->n);
}

static int head_size(struct checker *c, enum dtype type)
{
    if (type == DTYPE_Q8_0) {
        return 32 * checker_range(c, 1, MAX_HEAD / 32);
    }
    return checker_range(c, 0, 1) == 0 ? 16 * checker_range(c, 1, MAX_HEAD / 16)
                                       : checker_range(c, 1, MAX_HEAD);
}

static void store_case(struct checker *c, int kv, bool integers)
{
    (void)integers;
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

/* n_pos rows as a layer holds them, or panels of them, now and then further apart than needed;
 * what they hold goes to `plain`. */
static void make_rows(struct checker *c, struct cache_case *k, int kv, bool panels)
{
    struct guard *rows = &c->guards[0];
    size_t bytes = checker_row_bytes(types[kv], k->n);
    int n_per_unit = panels ? KERNEL_KV_PANEL : 1;
    size_t unit = bytes * (size_t)n_per_unit;
    k->row_bytes = unit + (size_t)checker_range(c, 0, 4) / 2 * bytes;
    size_t gap = k->row_bytes - unit;
    uint8_t *dst =
        guard_place(rows, (size_t)(k->n_pos / n_per_unit) * k->row_bytes - gap, checker_side(c));
    for (int p = 0; p < k->n_pos; p++) {
        float x[MAX_HEAD];
        uint8_t row[MAX_HEAD * sizeof(float)];
        checker_floats(c, x, (size_t)k->n);
        c->ref.kv_store[kv](row, x, k->n);
        quants_dequantize_row(types[kv], plain[p], row, (size_t)k->n);
        uint8_t *to = dst + (size_t)(p / n_per_unit) * k->row_bytes;
        if (panels) {
            kernels_kv_place((enum kernel_kv)kv, to, p % n_per_unit, row, k->n);
        } else {
            memcpy(to, row, bytes);
        }
    }
    guard_lock(rows);
    k->rows = dst;
}

/* n_q rows of n floats in a guard, sometimes with a gap; the length of a row with it in *stride. */
static float *make_floats(struct checker *c, int i_guard, int n_q, int n, size_t *stride)
{
    size_t gap = (size_t)checker_range(c, 0, 4) / 2;
    *stride = (size_t)n + gap;
    size_t n_floats = (size_t)n_q * *stride - gap;
    float *x = guard_place(&c->guards[i_guard], n_floats * sizeof(float), checker_side(c));
    checker_floats(c, x, n_floats);
    return x;
}

/* In floats: GCC 12 for aarch64 breaks down over the same maximum in doubles. */
static float largest(const float *x, int n)
{
    float most = 0.0F;
    for (int i = 0; i < n; i++) {
        most = fmaxf(most, fabsf(x[i]));
    }
    return most;
}

/* What rounding to integers adds to the tolerance of a score. */
static double score_rounding(const struct cache_case *k, int j, int p)
{
    double rounding = 0.0;
    for (int i = 0; k->integers && i < k->n; i += KERNEL_KV_BLOCK) {
        int n = k->n - i < KERNEL_KV_BLOCK ? k->n - i : KERNEL_KV_BLOCK;
        rounding += 2e-4 * n * (double)largest(plain[p] + i, n) *
                    (double)largest(k->in + (size_t)j * k->in_stride + i, n);
    }
    return rounding;
}

/* The same of a weighted sum. */
static double mix_rounding(const struct cache_case *k, int j)
{
    double rounding = 0.0;
    for (int p = 0; k->integers && p < k->n_pos; p += KERNEL_KV_GROUP) {
        int n = k->n_pos - p < KERNEL_KV_GROUP ? k->n_pos - p : KERNEL_KV_GROUP;
        double most = 0.0;
        for (int i = p; i < p + n; i++) {
            double weight = (double)k->in[(size_t)j * k->in_stride + (size_t)i];
            most = fmax(most, fabs(weight) * (double)largest(plain[i], k->n));
        }
        rounding += 2e-4 * n * most;
    }
    return rounding;
}

static bool scores_close(struct checker *c, const struct cache_case *k)
{
    bool ok = true;
    for (int j = 0; j < k->n_q; j++) {
        for (int p = 0; p < k->n_pos; p++) {
            double sum = 0.0, size = 0.0;
            for (int i = 0; i < k->n; i++) {
                double product =
                    (double)plain[p][i] * (double)k->in[(size_t)j * k->in_stride + (size_t)i];
                sum += product;
                size += fabs(product);
            }
            ok &= checker_close(c, k->out[(size_t)j * k->out_stride + (size_t)p], sum,
                                1e-5 * size + score_rounding(k, j, p));
        }
    }
    return ok;
}

/* One query against some of the panels gives the bits it gave among others. */
static void scores_alone(struct checker *c, const struct cache_case *k)
{
    struct cache_case part = *k;
    int n_panels = k->n_pos / KERNEL_KV_PANEL;
    int first = checker_range(c, 0, n_panels - 1), j = checker_range(c, 0, k->n_q - 1);
    part.n_q = 1;
    part.n_pos = KERNEL_KV_PANEL * checker_range(c, 1, n_panels - first);
    part.rows += (size_t)first * k->row_bytes;
    part.in += (size_t)j * k->in_stride;
    size_t bytes = (size_t)part.n_pos * sizeof(float);
    part.out = guard_place(&c->guards[3], bytes, GUARD_AFTER);
    const float *among = k->out + (size_t)j * k->out_stride + first * KERNEL_KV_PANEL;
    bool sound = guard_run(call_scores, &part);
    checker_count(c, sound && memcmp(part.out, among, bytes) == 0,
                  "bits depend on the number of queries or positions");
}

/* The integers of all levels give the bits of the reference. */
static void scores_same(struct checker *c, const struct cache_case *k, kernel_kv_scores_fn *ref)
{
    static float wanted[MAX_POS];
    bool same = true;
    for (int j = 0; j < k->n_q; j++) {
        ref(wanted, 0, k->in + (size_t)j * k->in_stride, 0, 1, k->rows, k->row_bytes,
            k->n_pos / KERNEL_KV_PANEL, k->n);
        same &= memcmp(k->out + (size_t)j * k->out_stride, wanted,
                       (size_t)k->n_pos * sizeof(float)) == 0;
    }
    checker_count(c, same, "bits differ from the reference");
}

static void scores_case(struct checker *c, int kv, bool integers)
{
    struct cache_case k = {.n = head_size(c, types[kv]), .integers = integers};
    k.scores = integers ? c->tested.kv_scores_int[kv] : c->tested.kv_scores[kv];
    k.n_pos = KERNEL_KV_PANEL * checker_range(c, 1, MAX_POS / KERNEL_KV_PANEL);
    k.n_q = checker_range(c, 1, MAX_QUERIES);
    make_rows(c, &k, kv, true);
    k.in = make_floats(c, 1, k.n_q, k.n, &k.in_stride);
    guard_lock(&c->guards[1]);
    k.out = make_floats(c, 2, k.n_q, k.n_pos, &k.out_stride);
    checker_doing(c, "%d queries, %d positions of %d, panels %zu apart", k.n_q, k.n_pos, k.n,
                  k.row_bytes);
    bool sound = guard_run(call_scores, &k);
    checker_count(c, sound && guard_intact(&c->guards[2]), "touches memory that is not its own");
    if (sound) {
        checker_count(c, scores_close(c, &k), "result is off");
        scores_alone(c, &k);
        if (integers) {
            scores_same(c, &k, c->ref.kv_scores_int[kv]);
        }
    }
}

static bool mix_close(struct checker *c, const struct cache_case *k, const float *before)
{
    bool ok = true;
    for (int j = 0; j < k->n_q; j++) {
        double rounding = mix_rounding(k, j);
        for (int i = 0; i < k->n; i++) {
            size_t at = (size_t)j * k->out_stride + (size_t)i;
            double sum = (double)before[at], size = fabs(sum);
            for (int p = 0; p < k->n_pos; p++) {
                double product =
                    (double)plain[p][i] * (double)k->in[(size_t)j * k->in_stride + (size_t)p];
                sum += product;
                size += fabs(product);
            }
            ok &= checker_close(c, k->out[at], sum, 1e-5 * size + rounding);
        }
    }
    return ok;
}

/* One query in two steps gives the bits it gave among others at once. */
static void mix_alone(struct checker *c, const struct cache_case *k, const float *before)
{
    struct cache_case part = *k;
    int j = checker_range(c, 0, k->n_q - 1), first = checker_range(c, 0, k->n_pos);
    first = k->integers ? first / KERNEL_KV_GROUP * KERNEL_KV_GROUP : first;
    size_t bytes = (size_t)k->n * sizeof(float);
    part.n_q = 1;
    part.in += (size_t)j * k->in_stride;
    part.out = guard_place(&c->guards[3], bytes, GUARD_AFTER);
    memcpy(part.out, before + (size_t)j * k->out_stride, bytes);
    part.n_pos = first;
    bool sound = guard_run(call_mix, &part);
    part.n_pos = k->n_pos - first;
    part.in += first;
    part.rows += (size_t)first * k->row_bytes;
    sound = sound && guard_run(call_mix, &part);
    const float *among = k->out + (size_t)j * k->out_stride;
    checker_count(c, sound && memcmp(part.out, among, bytes) == 0,
                  "bits depend on the number of queries or positions");
}

static void mix_same(struct checker *c, const struct cache_case *k, const float *before,
                     kernel_kv_mix_fn *ref)
{
    static float wanted[MAX_HEAD];
    bool same = true;
    for (int j = 0; j < k->n_q; j++) {
        size_t bytes = (size_t)k->n * sizeof(float);
        memcpy(wanted, before + (size_t)j * k->out_stride, bytes);
        ref(wanted, 0, k->in + (size_t)j * k->in_stride, 0, 1, k->rows, k->row_bytes, k->n_pos,
            k->n);
        same &= memcmp(k->out + (size_t)j * k->out_stride, wanted, bytes) == 0;
    }
    checker_count(c, same, "bits differ from the reference");
}

static void mix_case(struct checker *c, int kv, bool integers)
{
    static float before[MAX_QUERIES * (MAX_HEAD + 2)];
    struct cache_case k = {.n = head_size(c, types[kv]), .integers = integers};
    k.mix = integers ? c->tested.kv_mix_int[kv] : c->tested.kv_mix[kv];
    k.n_pos = checker_range(c, 1, checker_range(c, 1, MAX_POS));
    k.n_q = checker_range(c, 1, MAX_QUERIES);
    make_rows(c, &k, kv, false);
    k.in = make_floats(c, 1, k.n_q, k.n_pos, &k.in_stride);
    guard_lock(&c->guards[1]);
    k.out = make_floats(c, 2, k.n_q, k.n, &k.out_stride);
    memcpy(before, k.out, ((size_t)(k.n_q - 1) * k.out_stride + (size_t)k.n) * sizeof(float));
    checker_doing(c, "%d queries, %d positions of %d, rows %zu apart", k.n_q, k.n_pos, k.n,
                  k.row_bytes);
    bool sound = guard_run(call_mix, &k);
    checker_count(c, sound && guard_intact(&c->guards[2]), "touches memory that is not its own");
    if (sound) {
        checker_count(c, mix_close(c, &k, before), "result is off");
        mix_alone(c, &k, before);
        if (integers) {
            mix_same(c, &k, before, c->ref.kv_mix_int[kv]);
        }
    }
}

void check_cache(struct checker *c)
{
    for (int kv = 0; kv < KERNEL_N_KV; kv++) {
        const char *type = dtype_name(types[kv]);
        struct {
            bool present;
            const char *kind;
            void (*check)(struct checker *, int, bool);
            bool integers;
        } kernels[] = {
            {c->tested.kv_store[kv] != NULL, "kv_store", store_case, false},
            {c->tested.kv_scores[kv] != NULL, "kv_scores", scores_case, false},
            {c->tested.kv_mix[kv] != NULL, "kv_mix", mix_case, false},
            {c->tested.kv_scores_int[kv] != NULL, "kv_scores_int", scores_case, true},
            {c->tested.kv_mix_int[kv] != NULL, "kv_mix_int", mix_case, true},
        };
        for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
            if (!kernels[i].present || !checker_begin(c, kernels[i].kind, type)) {
                continue;
            }
            for (int k = 0; k < 4 * c->n_cases; k++) {
                kernels[i].check(c, kv, kernels[i].integers);
            }
            checker_end(c);
        }
    }
}
