/* SPDX-License-Identifier: MIT */
/* Passes of the peak loops of kernels/ over all threads of a pool. */
#include "machine/peaks.h"

#include "base/clock.h"
#include "kernels/peak.h"

#include <stdlib.h>

enum { MIN_PASSES = 3, MAX_PASSES = 512, ROUNDS_FIRST = 1 << 12, PASS_NS = 4000000 };

struct job {
    kernel_peak_fn *run;
    int n_rounds;
    struct slot { /* of one thread, a cache line apart */
        uint64_t n_ops;
        float sink;
        char apart[52];
    } * slots;
};

static void measure(struct machine_peak *out, struct job *job, struct pool *pool,
                    uint64_t budget_ns);
static double pass(struct job *job, struct pool *pool, uint64_t *wall_ns);
static void run_chunk(void *ctx, int i_chunk, int i_thread);
static int compare_rates(const void *a, const void *b);

enum mscope_status machine_measure_peaks(struct machine_peaks *out, struct pool *pool,
                                         const char *level, uint64_t budget_ns,
                                         struct mscope_error *err)
{
    *out = (struct machine_peaks){0};
    struct kernel_peaks peaks;
    enum mscope_status status = kernels_select_peaks(&peaks, level, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct job job = {.slots = calloc((size_t)pool_n_threads(pool), sizeof *job.slots)};
    if (job.slots == NULL) {
        return error_set_memory(err, "peak loops", (uint64_t)pool_n_threads(pool));
    }
    out->level = peaks.level;
    job.run = peaks.fp32;
    measure(&out->fp32, &job, pool, budget_ns / 2);
    job.run = peaks.int8;
    measure(&out->int8, &job, pool, budget_ns / 2);
    free(job.slots);
    return MSCOPE_OK;
}

/* Passes of some milliseconds: long against waking the threads, short against the scheduler. */
static void measure(struct machine_peak *out, struct job *job, struct pool *pool,
                    uint64_t budget_ns)
{
    uint64_t start_ns = clock_now_ns();
    uint64_t wall_ns = 0;
    job->n_rounds = ROUNDS_FIRST;
    while (pass(job, pool, &wall_ns) >= 0 && wall_ns < PASS_NS / 2 && job->n_rounds < 1 << 28) {
        job->n_rounds *= 2;
    }
    double rates[MAX_PASSES];
    int n = 0;
    while (n < MAX_PASSES && (n < MIN_PASSES || clock_now_ns() - start_ns < budget_ns)) {
        rates[n++] = pass(job, pool, &wall_ns);
    }
    qsort(rates, (size_t)n, sizeof rates[0], compare_rates);
    out->median = (rates[(n - 1) / 2] + rates[n / 2]) / 2;
    out->best = rates[n - 1];
    out->n_passes = n;
}

/* Eight chunks for each thread, so that one that is held up does less. */
static double pass(struct job *job, struct pool *pool, uint64_t *wall_ns)
{
    int n_threads = pool_n_threads(pool);
    for (int i = 0; i < n_threads; i++) {
        job->slots[i].n_ops = 0;
    }
    uint64_t start_ns = clock_now_ns();
    pool_for(pool, n_threads * 8, run_chunk, job);
    *wall_ns = clock_now_ns() - start_ns;
    *wall_ns += *wall_ns == 0;
    uint64_t n_ops = 0;
    for (int i = 0; i < n_threads; i++) {
        n_ops += job->slots[i].n_ops;
    }
    return (double)n_ops * 1e9 / (double)*wall_ns;
}

static void run_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_chunk;
    struct job *job = ctx;
    struct slot *slot = &job->slots[i_thread];
    slot->n_ops += job->run(job->n_rounds, &slot->sink);
}

static int compare_rates(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}
