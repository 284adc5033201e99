/* SPDX-License-Identifier: MIT */
/* The count of cases of one kernel and of all, and which functions a level brings of its own. */
#include "checker.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD_CAPACITY = 1 << 20, DESCRIBED_FAILURES = 3 };

/* A little above the smallest normal float. */
#define SMALLEST 1.2e-38

static uint64_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint64_t)(unsigned char)*name) * 1099511628211u;
    }
    return hash;
}

bool checker_begin(struct checker *c, const char *kind, const char *type)
{
    snprintf(c->name, sizeof c->name, "%s%s%s", kind, type[0] != '\0' ? "/" : "", type);
    for (char *letter = c->name; *letter != '\0'; letter++) {
        *letter = (char)tolower((unsigned char)*letter);
    }
    if (c->only != NULL && strstr(c->name, c->only) == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof c->guards / sizeof c->guards[0]; i++) {
        if (c->guards[i].pages == NULL) {
            guard_open(&c->guards[i], GUARD_CAPACITY);
        }
    }
    rng_seed_stream(&c->rng, c->seed, hash_name(c->name));
    c->kernel_passed = c->kernel_failed = 0;
    c->worst = 0.0;
    c->exact = true;
    c->doing[0] = '\0';
    return true;
}

void checker_end(struct checker *c)
{
    c->n_passed += c->kernel_passed;
    c->n_failed += c->kernel_failed;
    if (!c->quiet) {
        printf("%-13s %-18s %6ld passed %4ld failed   ", c->tested.level, c->name, c->kernel_passed,
               c->kernel_failed);
        printf(c->exact ? "bit for bit\n" : "worst error %.3f of the tolerance\n", c->worst);
    }
}

void checker_doing(struct checker *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->doing, sizeof c->doing, format, args);
    va_end(args);
}

void checker_count(struct checker *c, bool ok, const char *what)
{
    if (ok) {
        c->kernel_passed++;
        return;
    }
    if (!c->quiet && c->kernel_failed < DESCRIBED_FAILURES) {
        printf("FAIL %s %s: %s (%s)\n", c->tested.level, c->name, what, c->doing);
    }
    c->kernel_failed++;
}

bool checker_close(struct checker *c, float got, double want, double tolerance)
{
    double error = fabs((double)got - want);
    c->exact = false;
    if (fabs((double)got) < SMALLEST && fabs(want) < SMALLEST) {
        return true; /* results that are not normal floats may be flushed to zero */
    }
    double allowed = tolerance + SMALLEST / 1e3;
    double share = error / allowed;
    if (share > c->worst) {
        c->worst = share;
    }
    return error <= allowed;
}

void checker_close_memory(struct checker *c)
{
    for (size_t i = 0; i < sizeof c->guards / sizeof c->guards[0]; i++) {
        guard_close(&c->guards[i]);
    }
}

void checker_all(struct checker *c)
{
    check_matmul(c);
    check_blocks(c);
    check_cache(c);
    check_vectors(c);
}

void checker_select(struct kernels *out, const char *level)
{
    struct mscope_error err;
    memset(&err, 0, sizeof err);
    if (kernels_select(out, level, &err) != MSCOPE_OK) {
        char text[512];
        fprintf(stderr, "kernel_checker: %s\n", mscope_error_text(&err, text, sizeof text));
        exit(2);
    }
}

#define DROP(own, weaker, field)                                                                   \
    ((own)->field = (own)->field == (weaker)->field ? NULL : (own)->field)

void checker_own_kernels(struct kernels *own, const char *level)
{
    checker_select(own, level);
    const char *const *stronger = kernels_levels();
    const char *weaker_level = NULL;
    for (; strcmp(*stronger, level) != 0; stronger++) {
        weaker_level = *stronger;
    }
    if (weaker_level == NULL) {
        return;
    }
    struct kernels weaker;
    checker_select(&weaker, weaker_level);
    for (int i = 0; i < DTYPE_COUNT; i++) {
        DROP(own, &weaker, matmul[i]);
        DROP(own, &weaker, dequantize[i]);
    }
    for (int i = 0; i < KERNEL_N_KV; i++) {
        DROP(own, &weaker, kv_store[i]);
        DROP(own, &weaker, kv_scores[i]);
        DROP(own, &weaker, kv_mix[i]);
        DROP(own, &weaker, kv_scores_int[i]);
        DROP(own, &weaker, kv_mix_int[i]);
    }
    DROP(own, &weaker, quantize_q8_0);
    DROP(own, &weaker, quantize_q8_1);
    DROP(own, &weaker, quantize_q8_k);
    DROP(own, &weaker, rms_norm);
    DROP(own, &weaker, silu_mul);
    DROP(own, &weaker, gelu_mul);
    DROP(own, &weaker, softmax);
    DROP(own, &weaker, soft_cap);
    DROP(own, &weaker, add_scaled);
}
