/* SPDX-License-Identifier: MIT */
/* RMS norm, gated units, softmax, scaled addition: against the same formulas in double. */
#include "checker.h"

#include <math.h>
#include <string.h>

enum { MAX_ELEMS = 5000 };

struct vector_case {
    struct kernels *kernels;
    kernel_glu_fn *glu;
    float *dst;
    const float *x, *y;
    int n;
    float scale, result;
};

static void call_rms_norm(void *argument)
{
    struct vector_case *v = argument;
    v->kernels->rms_norm(v->dst, v->x, v->y, v->n, v->scale);
}

static void call_glu(void *argument)
{
    struct vector_case *v = argument;
    v->glu(v->dst, v->x, v->y, v->n);
}

static void call_softmax(void *argument)
{
    struct vector_case *v = argument;
    v->result = v->kernels->softmax(v->dst, v->n);
}

static void call_soft_cap(void *argument)
{
    struct vector_case *v = argument;
    v->kernels->soft_cap(v->dst, v->scale, v->n);
}

static void call_add_scaled(void *argument)
{
    struct vector_case *v = argument;
    v->kernels->add_scaled(v->dst, v->x, v->scale, v->n);
}

static int length(struct checker *c)
{
    return checker_range(c, 1, checker_range(c, 0, 4) == 0 ? MAX_ELEMS : 200);
}

/* n floats behind a guard, locked, with a copy. */
static const float *input(struct checker *c, int slot, const float *values, int n)
{
    float *place = guard_place(&c->guards[slot], (size_t)n * sizeof(float), checker_side(c));
    memcpy(place, values, (size_t)n * sizeof(float));
    guard_lock(&c->guards[slot]);
    return place;
}

/* The destination; in place it starts as a copy of the input. */
static float *output(struct checker *c, int slot, const float *values, int n)
{
    float *place = guard_place(&c->guards[slot], (size_t)n * sizeof(float), checker_side(c));
    if (values != NULL) {
        memcpy(place, values, (size_t)n * sizeof(float));
    }
    return place;
}

static bool run(struct checker *c, void (*call)(void *), struct vector_case *v)
{
    checker_doing(c, "n %d", v->n);
    bool sound = guard_run(call, v) && guard_intact(&c->guards[2]);
    checker_count(c, sound, "touches memory that is not its own");
    return sound;
}

static void rms_norm_case(struct checker *c)
{
    static float x[MAX_ELEMS], weight[MAX_ELEMS];
    struct vector_case v = {.kernels = &c->tested, .n = length(c), .scale = 1e-6f};
    checker_floats(c, x, (size_t)v.n);
    checker_floats(c, weight, (size_t)v.n);
    bool in_place = checker_range(c, 0, 1) == 0;
    v.y = input(c, 1, weight, v.n);
    v.dst = output(c, 2, in_place ? x : NULL, v.n);
    v.x = in_place ? v.dst : input(c, 0, x, v.n);
    if (!run(c, call_rms_norm, &v)) {
        return;
    }
    double sum = 0.0;
    for (int i = 0; i < v.n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    double scale = 1.0 / sqrt(sum / v.n + (double)v.scale);
    bool ok = true;
    for (int i = 0; i < v.n; i++) {
        double want = (double)x[i] * scale * (double)weight[i];
        ok &= checker_close(c, v.dst[i], want, 1e-5 * fabs(want));
    }
    checker_count(c, ok, "result is off");
}

static double silu(double z)
{
    return z / (1.0 + exp(-z));
}

static double gelu(double z)
{
    return 0.5 * z * (1.0 + tanh(0.79788456080286535588 * (z + 0.044715 * z * z * z)));
}

static void glu_case(struct checker *c, kernel_glu_fn *glu, double (*formula)(double))
{
    static float gate[MAX_ELEMS], up[MAX_ELEMS];
    struct vector_case v = {.glu = glu, .n = length(c)};
    checker_floats(c, gate, (size_t)v.n);
    checker_floats(c, up, (size_t)v.n);
    if (checker_range(c, 0, 3) == 0) {
        for (int i = 0; i < v.n; i++) {
            gate[i] = (float)checker_range(c, -1100, 1100) * 0.1f;
        }
    }
    bool in_place = checker_range(c, 0, 1) == 0;
    v.y = input(c, 1, up, v.n);
    v.dst = output(c, 2, in_place ? gate : NULL, v.n);
    v.x = in_place ? v.dst : input(c, 0, gate, v.n);
    if (!run(c, call_glu, &v)) {
        return;
    }
    bool ok = true;
    for (int i = 0; i < v.n; i++) {
        double z = (double)gate[i], u = (double)up[i];
        ok &= checker_close(c, v.dst[i], formula(z) * u, 2e-6 * fabs(u) * fmax(1.0, fabs(z)));
    }
    checker_count(c, ok, "result is off");
}

static void silu_case(struct checker *c)
{
    glu_case(c, c->tested.silu_mul, silu);
}

static void gelu_case(struct checker *c)
{
    glu_case(c, c->tested.gelu_mul, gelu);
}

static void softmax_case(struct checker *c)
{
    static float x[MAX_ELEMS];
    struct vector_case v = {.kernels = &c->tested, .n = length(c)};
    float spread = checker_range(c, 0, 1) == 0 ? 100.0f : 10.0f;
    float base = (float)checker_range(c, -1000, 1000);
    int masked = checker_range(c, 0, 3) == 0 ? checker_range(c, 0, v.n) : 0;
    for (int i = 0; i < v.n; i++) {
        x[i] = i < masked ? -INFINITY : base + spread * rng_uniform(&c->rng);
    }
    v.dst = output(c, 2, x, v.n);
    if (!run(c, call_softmax, &v)) {
        return;
    }
    float most = -INFINITY;
    for (int i = 0; i < v.n; i++) {
        most = fmaxf(most, x[i]);
    }
    double sum = 0.0;
    bool ok = true;
    for (int i = 0; i < v.n; i++) {
        /* the difference is taken in float by definition */
        double want = x[i] == -INFINITY ? 0.0 : exp((double)(x[i] - most));
        ok &= checker_close(c, v.dst[i], want, 2e-6 * want);
        sum += want;
    }
    checker_count(c, ok, "result is off");
    checker_count(c, checker_close(c, v.result, sum, 2e-6 * sum), "sum is off");
}

static void soft_cap_case(struct checker *c)
{
    static float x[MAX_ELEMS];
    struct vector_case v = {.kernels = &c->tested, .n = length(c)};
    v.scale = checker_range(c, 0, 1) == 0 ? 50.0f : 0.5f * (float)checker_range(c, 1, 200);
    checker_floats(c, x, (size_t)v.n);
    if (checker_range(c, 0, 1) == 0) {
        for (int i = 0; i < v.n; i++) {
            x[i] *= v.scale;
        }
    }
    v.dst = output(c, 2, x, v.n);
    if (!run(c, call_soft_cap, &v)) {
        return;
    }
    bool ok = true;
    for (int i = 0; i < v.n; i++) {
        double cap = (double)v.scale;
        ok &= checker_close(c, v.dst[i], cap * tanh((double)x[i] / cap), 1e-6 * cap);
    }
    checker_count(c, ok, "result is off");
}

static void add_scaled_case(struct checker *c)
{
    static float x[MAX_ELEMS], before[MAX_ELEMS];
    struct vector_case v = {.kernels = &c->tested, .n = length(c), .scale = rng_normal(&c->rng)};
    checker_floats(c, x, (size_t)v.n);
    checker_floats(c, before, (size_t)v.n);
    v.x = input(c, 0, x, v.n);
    v.dst = output(c, 2, before, v.n);
    if (!run(c, call_add_scaled, &v)) {
        return;
    }
    bool ok = true;
    for (int i = 0; i < v.n; i++) {
        volatile float product = x[i] * v.scale;
        float want = before[i] + product;
        ok &= memcmp(&v.dst[i], &want, sizeof want) == 0;
    }
    checker_count(c, ok, "bits are not those of a multiply, then an add");
}

void check_vectors(struct checker *c)
{
    struct {
        bool present;
        const char *name;
        void (*check)(struct checker *);
    } kernels[] = {
        {c->tested.rms_norm != NULL, "rms_norm", rms_norm_case},
        {c->tested.silu_mul != NULL, "silu_mul", silu_case},
        {c->tested.gelu_mul != NULL, "gelu_mul", gelu_case},
        {c->tested.softmax != NULL, "softmax", softmax_case},
        {c->tested.soft_cap != NULL, "soft_cap", soft_cap_case},
        {c->tested.add_scaled != NULL, "add_scaled", add_scaled_case},
    };
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        if (!kernels[i].present || !checker_begin(c, kernels[i].name, "")) {
            continue;
        }
        for (int k = 0; k < 4 * c->n_cases; k++) {
            kernels[i].check(c);
        }
        checker_end(c);
    }
}
