/* SPDX-License-Identifier: MIT */
/*
 * Bandwidth of main memory. Reading: every thread sums disjoint stretches with eight independent
 * vector accumulators, which asks less of the core than the memory can deliver. The buffer is
 * filled with numbers whose sum is known, so a pass that skipped a byte is noticed; of what was
 * written and copied the ends of every stretch are looked at.
 */
#include "machine/machine.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A vector type of GCC and Clang: becomes SSE2 or NEON loads of 16 bytes in the baseline build. */
typedef uint64_t u64x2 __attribute__((vector_size(16)));

enum { CHUNK_WORDS = 1 << 18, MIN_PASSES = 3, MAX_PASSES = 1024 };

enum sweep_kind { SWEEP_READ, SWEEP_WRITE, SWEEP_COPY };

struct sweep {
    uint64_t *words; /* (n_chunks, CHUNK_WORDS) */
    int n_chunks;
    uint64_t value;       /* written everywhere in this pass */
    uint64_t *chunk_sums; /* (n_chunks) */
};

static enum mscope_status measure(struct machine_bandwidth *out, struct pool *pool,
                                  uint64_t buffer_bytes, uint64_t budget_ns, enum sweep_kind kind,
                                  struct mscope_error *err);
static enum mscope_status map_buffer(struct sweep *sweep, uint64_t buffer_bytes,
                                     struct mscope_error *err);
static void fill_chunk(void *ctx, int i_chunk, int i_thread);
static void sum_chunk(void *ctx, int i_chunk, int i_thread);
static void write_chunk(void *ctx, int i_chunk, int i_thread);
static void copy_chunk(void *ctx, int i_chunk, int i_thread);
static bool sweep_is_right(const struct sweep *sweep, enum sweep_kind kind);
static bool sums_are_right(const struct sweep *sweep);
static int compare_ns(const void *a, const void *b);

enum mscope_status machine_measure_read(struct machine_bandwidth *out, struct pool *pool,
                                        uint64_t buffer_bytes, uint64_t budget_ns,
                                        struct mscope_error *err)
{
    return measure(out, pool, buffer_bytes, budget_ns, SWEEP_READ, err);
}

enum mscope_status machine_measure_write(struct machine_bandwidth *out, struct pool *pool,
                                         uint64_t buffer_bytes, uint64_t budget_ns,
                                         struct mscope_error *err)
{
    return measure(out, pool, buffer_bytes, budget_ns, SWEEP_WRITE, err);
}

enum mscope_status machine_measure_copy(struct machine_bandwidth *out, struct pool *pool,
                                        uint64_t buffer_bytes, uint64_t budget_ns,
                                        struct mscope_error *err)
{
    return measure(out, pool, buffer_bytes, budget_ns, SWEEP_COPY, err);
}

static enum mscope_status measure(struct machine_bandwidth *out, struct pool *pool,
                                  uint64_t buffer_bytes, uint64_t budget_ns, enum sweep_kind kind,
                                  struct mscope_error *err)
{
    static pool_chunk_fn *const sweep_chunk[] = {sum_chunk, write_chunk, copy_chunk};
    struct sweep sweep;
    *out = (struct machine_bandwidth){0};
    enum mscope_status status = map_buffer(&sweep, buffer_bytes, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    pool_for(pool, sweep.n_chunks, fill_chunk, &sweep);

    uint64_t pass_ns[MAX_PASSES];
    uint64_t start_ns = clock_now_ns();
    int n_swept = kind == SWEEP_COPY ? sweep.n_chunks / 2 : sweep.n_chunks;
    int n = 0;
    while (n < MAX_PASSES && (n < MIN_PASSES || clock_now_ns() - start_ns < budget_ns)) {
        sweep.value = (uint64_t)n + 1;
        uint64_t t = clock_now_ns();
        pool_for(pool, n_swept, sweep_chunk[kind], &sweep);
        pass_ns[n] = clock_now_ns() - t;
        pass_ns[n] += pass_ns[n] == 0;
        n++;
        if (!sweep_is_right(&sweep, kind)) {
            status = error_set(err, MSCOPE_ERR_IO, "memory",
                               "a sweep left or returned other bytes than were written");
            break;
        }
    }
    if (status == MSCOPE_OK) {
        qsort(pass_ns, (size_t)n, sizeof pass_ns[0], compare_ns);
        double moved = (double)n_swept * CHUNK_WORDS * sizeof(uint64_t);
        moved *= kind == SWEEP_COPY ? 2 : 1;
        uint64_t middle_ns = (pass_ns[(n - 1) / 2] + pass_ns[n / 2]) / 2;
        out->best = moved * 1e9 / (double)pass_ns[0];
        out->median = moved * 1e9 / (double)middle_ns;
        out->n_passes = n;
    }
    munmap(sweep.words, (size_t)sweep.n_chunks * CHUNK_WORDS * sizeof(uint64_t));
    free(sweep.chunk_sums);
    return status;
}

static enum mscope_status map_buffer(struct sweep *sweep, uint64_t buffer_bytes,
                                     struct mscope_error *err)
{
    const uint64_t chunk_bytes = CHUNK_WORDS * sizeof(uint64_t);
    struct machine_memory memory;
    if (machine_read_memory(&memory, NULL) == MSCOPE_OK && buffer_bytes > memory.available / 4) {
        buffer_bytes = memory.available / 4;
    }
    uint64_t n_chunks = buffer_bytes / chunk_bytes;
    n_chunks = n_chunks < 2 ? 2 : n_chunks;
    if (n_chunks > INT32_MAX) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "bandwidth buffer",
                         "%llu bytes, expected at most %llu", (unsigned long long)buffer_bytes,
                         (unsigned long long)(INT32_MAX * chunk_bytes));
    }
    size_t n_bytes = (size_t)(n_chunks * chunk_bytes);
    sweep->n_chunks = (int)n_chunks;
    sweep->chunk_sums = calloc((size_t)n_chunks, sizeof *sweep->chunk_sums);
    sweep->words = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sweep->chunk_sums == NULL || sweep->words == MAP_FAILED) {
        if (sweep->words != MAP_FAILED) {
            munmap(sweep->words, n_bytes);
        }
        free(sweep->chunk_sums);
        return error_set_memory(err, "bandwidth buffer", n_bytes);
    }
#if defined(MADV_HUGEPAGE)
    madvise(sweep->words, n_bytes, MADV_HUGEPAGE); /* address translation is not what is measured */
#endif
    return MSCOPE_OK;
}

/* Word w of the buffer holds w; the first write also gives the page a place. */
static void fill_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct sweep *sweep = ctx;
    uint64_t first = (uint64_t)i_chunk * CHUNK_WORDS;
    for (uint64_t i = 0; i < CHUNK_WORDS; i++) {
        sweep->words[first + i] = first + i;
    }
}

/* Accumulators by name: an array of them would live in memory unless the compiler unrolls. */
static void sum_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct sweep *sweep = ctx;
    const u64x2 *v = (const u64x2 *)(sweep->words + (uint64_t)i_chunk * CHUNK_WORDS);
    u64x2 a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0};
    for (int i = 0; i < CHUNK_WORDS / 2; i += 8) {
        a += v[i];
        b += v[i + 1];
        c += v[i + 2];
        d += v[i + 3];
        e += v[i + 4];
        f += v[i + 5];
        g += v[i + 6];
        h += v[i + 7];
    }
    u64x2 sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    sweep->chunk_sums[i_chunk] = sum[0] + sum[1];
}

static void write_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct sweep *sweep = ctx;
    u64x2 *v = (u64x2 *)(sweep->words + (uint64_t)i_chunk * CHUNK_WORDS);
    const u64x2 value = {sweep->value, sweep->value};
    for (int i = 0; i < CHUNK_WORDS / 2; i++) {
        v[i] = value;
    }
}

/* From the first half of the buffer to the second. */
static void copy_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct sweep *sweep = ctx;
    const uint64_t *from = sweep->words + (uint64_t)i_chunk * CHUNK_WORDS;
    uint64_t *to = sweep->words + (uint64_t)(sweep->n_chunks / 2 + i_chunk) * CHUNK_WORDS;
    memcpy(to, from, CHUNK_WORDS * sizeof(uint64_t));
}

static bool sweep_is_right(const struct sweep *sweep, enum sweep_kind kind)
{
    if (kind == SWEEP_READ) {
        return sums_are_right(sweep);
    }
    int n_half = sweep->n_chunks / 2;
    for (int i = 0; i < (kind == SWEEP_COPY ? n_half : sweep->n_chunks); i++) {
        int i_to = kind == SWEEP_COPY ? n_half + i : i;
        const uint64_t *words = sweep->words + (uint64_t)i_to * CHUNK_WORDS;
        uint64_t first = kind == SWEEP_COPY ? (uint64_t)i * CHUNK_WORDS : sweep->value;
        uint64_t last = kind == SWEEP_COPY ? first + CHUNK_WORDS - 1 : sweep->value;
        if (words[0] != first || words[CHUNK_WORDS - 1] != last) {
            return false;
        }
    }
    return true;
}

static bool sums_are_right(const struct sweep *sweep)
{
    for (int i = 0; i < sweep->n_chunks; i++) {
        uint64_t n = CHUNK_WORDS;
        uint64_t first = (uint64_t)i * n;
        if (sweep->chunk_sums[i] != first * n + n * (n - 1) / 2) {
            return false;
        }
    }
    return true;
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}
