/* SPDX-License-Identifier: MIT */
/*
 * Times every kernel on one thread: with its data in the second-level cache, and streamed through a
 * buffer several times the last-level cache. The best of a few repetitions counts: it is a property
 * of the code, not of what else the machine does.
 */
#include "checker.h"

#include "base/clock.h"
#include "kernels/quants.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 256 << 10, /* streamed by one call; fits every second-level cache of today */
    N_IN = 2048,             /* row length of matmul */
    MANY_ACTS = 16,
    HEAD = 128,
    REPETITIONS = 5,
};

#define REPETITION_SECONDS 0.02

struct job {
    const struct kernels *kernels;
    enum dtype type;
    int kv, n_acts;
    kernel_quantize_fn *quantize;
    kernel_glu_fn *glu;
    /* one call on `data`; what it streams, and handles: elements (products for matmul, floats) */
    void (*run)(struct job *job, uint8_t *data);
    size_t stream_bytes;
    double elems;
};

static uint8_t *big;     /* the rotated buffer */
static size_t big_bytes; /* a multiple of CHUNK_BYTES */
static uint8_t *acts;    /* MANY_ACTS rows of activations of any type */
static float *out;
static double ticks; /* per second */

static double seconds_per_call(struct job *job, bool from_memory);

/* Time of this thread on a CPU: what other programs take away does not count. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Of the time stamp counter; 1e9 where there is none, and the table says ns. */
static double ticks_per_second(void)
{
#if defined(__x86_64__)
    uint64_t start = clock_now_ns(), first = __builtin_ia32_rdtsc(), now;
    do {
        now = clock_now_ns();
    } while (now - start < 20000000);
    return (double)(__builtin_ia32_rdtsc() - first) / (double)(now - start) * 1e9;
#else
    return 1e9;
#endif
}

/* ---- the calls ---- */

static int rows_of_chunk(enum dtype type)
{
    return (int)(CHUNK_BYTES / checker_row_bytes(type, N_IN));
}

static void run_matmul(struct job *job, uint8_t *data)
{
    size_t act_bytes = checker_row_bytes(kernels_act_type(job->type), N_IN);
    int n_rows = rows_of_chunk(job->type);
    job->kernels->matmul[job->type](out, (size_t)n_rows, data, checker_row_bytes(job->type, N_IN),
                                    n_rows, acts, act_bytes, job->n_acts, N_IN);
}

static void run_dequantize(struct job *job, uint8_t *data)
{
    size_t row_bytes = checker_row_bytes(job->type, N_IN);
    for (int r = 0; r < rows_of_chunk(job->type); r++) {
        job->kernels->dequantize[job->type](out, data + (size_t)r * row_bytes, N_IN);
    }
}

static void run_quantize(struct job *job, uint8_t *data)
{
    job->quantize(out, (const float *)(void *)data, CHUNK_BYTES / sizeof(float));
}

static const enum dtype cache_types[KERNEL_N_KV] = {DTYPE_F32, DTYPE_F16, DTYPE_Q8_0};

static void run_scores(struct job *job, uint8_t *data)
{
    size_t panel_bytes = KERNEL_KV_PANEL * checker_row_bytes(cache_types[job->kv], HEAD);
    int n_panels = (int)(CHUNK_BYTES / panel_bytes);
    job->kernels->kv_scores[job->kv](out, (size_t)n_panels * KERNEL_KV_PANEL,
                                     (const float *)(void *)acts, HEAD, job->n_acts, data,
                                     panel_bytes, n_panels, HEAD);
}

static void run_mix(struct job *job, uint8_t *data)
{
    size_t bytes = checker_row_bytes(cache_types[job->kv], HEAD);
    job->kernels->kv_mix[job->kv](out, HEAD, (const float *)(void *)acts, 1, job->n_acts, data,
                                  bytes, (int)(CHUNK_BYTES / bytes), HEAD);
}

static void run_rms_norm(struct job *job, uint8_t *data)
{
    const float *x = (const float *)(void *)data;
    job->kernels->rms_norm(out, x, x, CHUNK_BYTES / (int)sizeof(float), 1e-6f);
}

static void run_glu(struct job *job, uint8_t *data)
{
    const float *x = (const float *)(void *)data;
    job->glu(out, x, x, CHUNK_BYTES / (int)sizeof(float));
}

static void run_softmax(struct job *job, uint8_t *data)
{
    memcpy(out, data, CHUNK_BYTES);
    job->kernels->softmax(out, CHUNK_BYTES / (int)sizeof(float));
}

static void run_soft_cap(struct job *job, uint8_t *data)
{
    memcpy(out, data, CHUNK_BYTES);
    job->kernels->soft_cap(out, 50.0f, CHUNK_BYTES / (int)sizeof(float));
}

static void run_add_scaled(struct job *job, uint8_t *data)
{
    job->kernels->add_scaled(out, (const float *)(void *)data, 0.0f,
                             CHUNK_BYTES / (int)sizeof(float));
}

/* ---- the table ---- */

static bool wanted(const char *name, const char *only)
{
    return only == NULL || strstr(name, only) != NULL;
}

static void heading(void)
{
#if defined(__x86_64__)
    const char *unit = "TSC/elem";
#else
    const char *unit = "ns/elem";
#endif
    printf("%-13s %-18s %12s %10s %10s %10s %12s\n", "level", "kernel", unit, "L2 GB/s",
           "DRAM GB/s", "L2 Gop/s", "Gop/s x16");
}

/* Two operations per product; Gop/s for matmul and the cache only. */
static void row(struct job *job, const char *kind, const char *type, const char *only)
{
    char name[40];
    snprintf(name, sizeof name, "%s%s%s", kind, type[0] != '\0' ? "/" : "", type);
    for (char *letter = name; *letter != '\0'; letter++) {
        *letter = (char)tolower((unsigned char)*letter);
    }
    if (!wanted(name, only)) {
        return;
    }
    job->n_acts = 1;
    double cached = seconds_per_call(job, false);
    double streamed = seconds_per_call(job, true);
    printf("%-13s %-18s %12.3f %10.2f %10.2f", job->kernels->level, name,
           cached * ticks / job->elems, (double)job->stream_bytes / cached / 1e9,
           (double)job->stream_bytes / streamed / 1e9);
    if (job->run == run_matmul || job->run == run_scores || job->run == run_mix) {
        job->n_acts = MANY_ACTS;
        double many = seconds_per_call(job, false);
        printf(" %10.1f %12.1f", 2.0 * job->elems / cached / 1e9,
               2.0 * job->elems * MANY_ACTS / many / 1e9);
    }
    printf("\n");
    fflush(stdout);
}

/* Fills the first chunk with `type` of sane values and repeats it through the buffer. */
static void fill(enum dtype type)
{
    struct checker c;
    memset(&c, 0, sizeof c);
    rng_seed(&c.rng, 1);
    float x[N_IN];
    size_t row_bytes = checker_row_bytes(type, N_IN);
    memset(big, 0, CHUNK_BYTES);
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < N_IN; k++) {
            x[k] = rng_normal(&c.rng);
        }
        quants_quantize_row(type, big + (size_t)i * row_bytes, x, N_IN);
    }
    for (size_t done = 8 * row_bytes; done < CHUNK_BYTES / row_bytes * row_bytes;
         done += row_bytes) {
        memcpy(big + done, big + done % (8 * row_bytes), row_bytes);
    }
    for (size_t done = CHUNK_BYTES; done < big_bytes; done += CHUNK_BYTES) {
        memcpy(big + done, big, CHUNK_BYTES);
    }
}

static void fill_acts(const struct kernels *ref, enum dtype act_type)
{
    struct rng rng;
    float x[N_IN];
    rng_seed(&rng, 2);
    for (int a = 0; a < MANY_ACTS; a++) {
        for (int k = 0; k < N_IN; k++) {
            x[k] = rng_normal(&rng);
        }
        uint8_t *dst = acts + (size_t)a * checker_row_bytes(act_type, N_IN);
        if (act_type == DTYPE_F32) {
            memcpy(dst, x, sizeof x);
        } else {
            kernel_quantize_fn *quantize = act_type == DTYPE_Q8_0   ? ref->quantize_q8_0
                                           : act_type == DTYPE_Q8_1 ? ref->quantize_q8_1
                                                                    : ref->quantize_q8_k;
            quantize(dst, x, N_IN);
        }
    }
}

typedef void each_fn(const struct kernels *own, const char *only, void *argument);

static void bench_matmul(const struct kernels *own, const char *only, void *argument)
{
    enum dtype type = *(enum dtype *)argument;
    struct job job = {.kernels = own, .type = type};
    size_t rows_bytes = (size_t)rows_of_chunk(type) * checker_row_bytes(type, N_IN);
    job.stream_bytes = rows_bytes;
    job.elems = (double)rows_of_chunk(type) * N_IN;
    if (own->matmul[type] != NULL) {
        job.run = run_matmul;
        row(&job, "matmul", dtype_name((uint32_t)type), only);
    }
    if (own->dequantize[type] != NULL) {
        job.run = run_dequantize;
        row(&job, "dequantize", dtype_name((uint32_t)type), only);
    }
}

static void bench_cache(const struct kernels *own, const char *only, void *argument)
{
    int kv = *(int *)argument;
    struct job job = {.kernels = own, .kv = kv};
    size_t row_bytes = checker_row_bytes(cache_types[kv], HEAD);
    job.elems = (double)(CHUNK_BYTES / row_bytes) * HEAD;
    job.stream_bytes = CHUNK_BYTES / row_bytes * row_bytes;
    if (own->kv_scores[kv] != NULL) {
        job.run = run_scores;
        row(&job, "kv_scores", dtype_name(cache_types[kv]), only);
    }
    if (own->kv_mix[kv] != NULL) {
        job.run = run_mix;
        row(&job, "kv_mix", dtype_name(cache_types[kv]), only);
    }
}

static void bench_floats(const struct kernels *own, const char *only, void *argument)
{
    (void)argument;
    const struct {
        bool present;
        const char *name;
        struct job job;
    } jobs[] = {
        {own->quantize_q8_0 != NULL,
         "quantize/q8_0",
         {.run = run_quantize, .quantize = own->quantize_q8_0}},
        {own->quantize_q8_1 != NULL,
         "quantize/q8_1",
         {.run = run_quantize, .quantize = own->quantize_q8_1}},
        {own->quantize_q8_k != NULL,
         "quantize/q8_k",
         {.run = run_quantize, .quantize = own->quantize_q8_k}},
        {own->kv_store[1] != NULL,
         "kv_store/f16",
         {.run = run_quantize, .quantize = own->kv_store[1]}},
        {own->rms_norm != NULL, "rms_norm", {.run = run_rms_norm}},
        {own->silu_mul != NULL, "silu_mul", {.run = run_glu, .glu = own->silu_mul}},
        {own->gelu_mul != NULL, "gelu_mul", {.run = run_glu, .glu = own->gelu_mul}},
        {own->softmax != NULL, "softmax", {.run = run_softmax}},
        {own->soft_cap != NULL, "soft_cap", {.run = run_soft_cap}},
        {own->add_scaled != NULL, "add_scaled", {.run = run_add_scaled}},
    };
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        struct job job = jobs[i].job;
        job.kernels = own;
        job.stream_bytes = CHUNK_BYTES;
        job.elems = CHUNK_BYTES / sizeof(float);
        if (jobs[i].present) {
            row(&job, jobs[i].name, "", only);
        }
    }
}

/* All levels of one group after each other, so that they are compared under the same conditions. */
static int each_level(const char *level, const char *only, each_fn *group, void *argument)
{
    int n_levels = 0;
    for (const char *const *name = kernels_levels(); *name != NULL; name++) {
        if (level == NULL || strcmp(level, *name) == 0) {
            struct kernels own;
            checker_own_kernels(&own, *name);
            group(&own, only, argument);
            n_levels++;
        }
    }
    return n_levels;
}

static bool open_buffers(void)
{
    long cache = -1;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    big_bytes = (size_t)(cache > 0 && cache < 128 << 20 ? cache : 32 << 20) * 4;
    big_bytes = big_bytes / CHUNK_BYTES * CHUNK_BYTES;
    big = aligned_alloc(4096, big_bytes);
    acts = aligned_alloc(4096, MANY_ACTS * N_IN * sizeof(float));
    out = aligned_alloc(4096, 4 * CHUNK_BYTES);
    return big != NULL && acts != NULL && out != NULL;
}

int bench_run(const char *level, const char *only)
{
    struct kernels ref;
    checker_select(&ref, "ref");
    if (!open_buffers()) {
        fprintf(stderr, "kernel_checker: no memory for buffers of %zu bytes\n", big_bytes);
        return 1;
    }
    ticks = ticks_per_second();
    heading();
    int n_levels = 0;
    for (int id = 0; id < DTYPE_COUNT; id++) {
        enum dtype type = (enum dtype)id;
        char name[40];
        if (ref.matmul[id] == NULL) {
            continue;
        }
        snprintf(name, sizeof name, "matmul/%s dequantize/%s", dtype_name((uint32_t)id),
                 dtype_name((uint32_t)id));
        for (char *letter = name; *letter != '\0'; letter++) {
            *letter = (char)tolower((unsigned char)*letter);
        }
        if (wanted(name, only)) {
            fill(type);
            fill_acts(&ref, kernels_act_type(type));
            n_levels += each_level(level, only, bench_matmul, &type);
        }
    }
    fill_acts(&ref, DTYPE_F32);
    for (int kv = 0; kv < KERNEL_N_KV; kv++) {
        fill(cache_types[kv]);
        n_levels += each_level(level, only, bench_cache, &kv);
    }
    fill(DTYPE_F32);
    memset(out, 0, 4 * CHUNK_BYTES);
    n_levels += each_level(level, only, bench_floats, NULL);
    free(big);
    free(acts);
    free(out);
    return n_levels > 0 ? 0 : 1;
}

static double seconds_per_call(struct job *job, bool from_memory)
{
    double best = 0.0;
    size_t place = 0;
    job->run(job, big);
    for (int i = 0; i < REPETITIONS; i++) {
        long n_calls = 0;
        double start = cpu_seconds(), spent;
        do {
            place = from_memory ? (place + CHUNK_BYTES) % big_bytes : 0;
            job->run(job, big + place);
            n_calls++;
            spent = cpu_seconds() - start;
        } while (spent < REPETITION_SECONDS);
        double per_call = spent / (double)n_calls;
        best = i == 0 || per_call < best ? per_call : best;
    }
    return best;
}
