/* SPDX-License-Identifier: MIT */
/*
 * Spin-then-sleep pool. Each thread has a share of the job's chunks: one 64-bit word with the job's
 * generation and the first and the end of the chunks that nobody has claimed yet. Its owner claims
 * from the front, so that what it reads stays one stream for the prefetchers; who has none left
 * claims from the back of the others' shares. A claim is a compare-and-swap, so a thread that comes
 * late can never touch a finished job: its swap fails because the generation moved on. The caller
 * returns as soon as all chunks are done; it never waits for a thread that did not get to run.
 *
 * What it must wait for is a thread that lost its core in the middle of a chunk, and that is what
 * happens when another program wants the core: the scheduler takes it at a moment of its choice. So
 * each thread offers its core of its own accord between chunks, when it holds nothing, before its
 * time slice is over. On a core that nobody else wants that is one short system call every TURN_NS.
 */
#include "base/pool.h"

#include "base/spin.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SPINS_BEFORE_SLEEP = 4000, SPINS_BEFORE_YIELD = 2000, TURN_NS = 2000000 };

/* Of the word of a share: generation << 40 | first << 20 | end. */
enum { SHARE_BITS = 20, SHARE_MAX = (1 << SHARE_BITS) - 1 };

struct seat {                                /* of one thread */
    _Alignas(64) atomic_uint_fast64_t share; /* unclaimed chunks that are its own */
    _Alignas(64) uint64_t since_ns;          /* when it last offered its core */
    uint64_t n_offered;
};

struct pool {
    int n_threads;
    pthread_t *threads; /* n_threads - 1, set at open */
    struct seat *seats; /* n_threads */
    uint64_t n_jobs;    /* of the caller */

    /* The current job: written by the caller before the shares are published, stable until all
     * chunks are done. */
    pool_chunk_fn *fn;
    void *ctx;
    int first_chunk, n_chunks;
    struct probe *timed;     /* NULL, or where this job notes its times */
    enum mscope_phase phase; /* of this job */

    struct probe *probe; /* the caller's, set between jobs */

    _Alignas(64) atomic_uint_fast64_t generation; /* of the newest job, after its shares */
    _Alignas(64) atomic_int n_done;               /* chunks finished */

    pthread_mutex_t mutex; /* guards sleeping on `wake` */
    pthread_cond_t wake;
    atomic_int n_sleeping;
    atomic_bool stopping;
};

struct worker_start {
    struct pool *pool;
    int i_thread;
};

static void run_shared(struct pool *pool);
static void run_alone(struct pool *pool);
static void publish(struct pool *pool);
static void work(struct pool *pool, int i_thread);
static bool claim_chunk(struct seat *seat, bool is_own, int *i_chunk, uint64_t *generation);
static void *worker_main(void *argument);
static void wait_for_others(struct pool *pool);
static void offer_core(struct seat *seat, uint64_t now_ns);
static uint64_t note_busy(struct pool *pool, int i_thread, uint64_t since_ns);
static void wake_sleepers(struct pool *pool);

void pool_for(struct pool *pool, int n_chunks, pool_chunk_fn *fn, void *ctx)
{
    if (n_chunks <= 0) {
        return;
    }
    pool->fn = fn;
    pool->ctx = ctx;
    pool->timed = pool->probe != NULL && pool->probe->on ? pool->probe : NULL;
    pool->phase = pool->timed != NULL ? pool->timed->phase : MSCOPE_PHASE_OTHER;
    for (int first = 0; first < n_chunks; first += pool->n_chunks) {
        pool->first_chunk = first;
        pool->n_chunks = n_chunks - first < SHARE_MAX ? n_chunks - first : SHARE_MAX;
        if (n_chunks == 1 || pool->n_threads == 1) {
            run_alone(pool);
        } else {
            run_shared(pool);
        }
    }
}

void pool_set_probe(struct pool *pool, struct probe *probe)
{
    pool->probe = probe;
}

enum mscope_status pool_open(struct pool **out, int n_threads, struct mscope_error *err)
{
    assert(n_threads >= 1);
    struct pool *pool = aligned_alloc(64, (sizeof *pool + 63) / 64 * 64);
    pthread_t *threads = calloc((size_t)n_threads, sizeof *threads);
    struct seat *seats = aligned_alloc(64, (size_t)n_threads * sizeof *seats);
    *out = NULL;
    if (pool == NULL || threads == NULL || seats == NULL) {
        free(pool);
        free(threads);
        free(seats);
        return error_set_memory(err, "thread pool", sizeof *pool);
    }
    memset(seats, 0, (size_t)n_threads * sizeof *seats);
    *pool = (struct pool){.n_threads = 1, .threads = threads, .seats = seats};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 1; i < n_threads; i++) {
        struct worker_start *start = malloc(sizeof *start);
        int failed = start == NULL ? ENOMEM : 0;
        if (start != NULL) {
            *start = (struct worker_start){pool, i};
            failed = pthread_create(&threads[i - 1], NULL, worker_main, start);
        }
        if (failed != 0) {
            free(start);
            pool_close(&pool);
            return error_set_errno(err, failed, "thread pool", "cannot start a thread");
        }
        pool->n_threads++;
    }
    *out = pool;
    return MSCOPE_OK;
}

void pool_close(struct pool **pool_pointer)
{
    struct pool *pool = *pool_pointer;
    if (pool == NULL) {
        return;
    }
    atomic_store(&pool->stopping, true);
    wake_sleepers(pool);
    for (int i = 1; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i - 1], NULL);
    }
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->threads);
    free(pool->seats);
    free(pool);
    *pool_pointer = NULL;
}

int pool_n_threads(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_get_counts(const struct pool *pool, struct pool_counts *out)
{
    *out = (struct pool_counts){.n_jobs = pool->n_jobs, .n_offered = pool->seats[0].n_offered};
}

static void run_shared(struct pool *pool)
{
    pool->n_jobs++;
    publish(pool);
    work(pool, 0);
    if (atomic_load_explicit(&pool->n_done, memory_order_acquire) < pool->n_chunks) {
        wait_for_others(pool);
    }
}

/* The whole job on the calling thread. */
static void run_alone(struct pool *pool)
{
    uint64_t since_ns = pool->timed != NULL ? clock_now_ns() : 0;
    for (int i = 0; i < pool->n_chunks; i++) {
        pool->fn(pool->ctx, pool->first_chunk + i, 0);
    }
    note_busy(pool, 0, since_ns);
}

static void publish(struct pool *pool)
{
    atomic_store_explicit(&pool->n_done, 0, memory_order_relaxed);
    uint64_t generation = atomic_load_explicit(&pool->generation, memory_order_relaxed) + 1;
    uint64_t n_chunks = (uint64_t)pool->n_chunks, n_threads = (uint64_t)pool->n_threads;
    for (uint64_t i = 0; i < n_threads; i++) {
        uint64_t first = n_chunks * i / n_threads, end = n_chunks * (i + 1) / n_threads;
        atomic_store_explicit(&pool->seats[i].share,
                              generation << 2 * SHARE_BITS | first << SHARE_BITS | end,
                              memory_order_release);
    }
    atomic_store(&pool->generation, generation);
    if (atomic_load(&pool->n_sleeping) > 0) {
        wake_sleepers(pool);
    }
}

/* Claims and runs chunks until none is left unclaimed: its own, then what others have left. */
static void work(struct pool *pool, int i_thread)
{
    uint64_t since_ns = 0, since_generation = 0, generation;
    int i_seat = i_thread, i_chunk;
    do {
        while (claim_chunk(&pool->seats[i_seat], i_seat == i_thread, &i_chunk, &generation)) {
            if (pool->timed != NULL && (since_ns == 0 || generation != since_generation)) {
                since_ns = clock_now_ns();
            }
            since_generation = generation;
            pool->fn(pool->ctx, pool->first_chunk + i_chunk, i_thread);
            since_ns = note_busy(pool, i_thread, since_ns); /* before the job may be seen as done */
            atomic_fetch_add_explicit(&pool->n_done, 1, memory_order_release);
            offer_core(&pool->seats[i_thread], since_ns != 0 ? since_ns : clock_now_ns());
        }
        i_seat = i_seat + 1 < pool->n_threads ? i_seat + 1 : 0;
    } while (i_seat != i_thread);
}

/* The first chunk of one's own share, or the last of somebody else's. */
static bool claim_chunk(struct seat *seat, bool is_own, int *i_chunk, uint64_t *generation)
{
    uint_fast64_t share = atomic_load_explicit(&seat->share, memory_order_acquire);
    for (;;) {
        int first = (int)(share >> SHARE_BITS & SHARE_MAX), end = (int)(share & SHARE_MAX);
        if (first >= end) {
            return false;
        }
        uint_fast64_t rest = is_own ? share + ((uint64_t)1 << SHARE_BITS) : share - 1;
        if (atomic_compare_exchange_weak_explicit(&seat->share, &share, rest, memory_order_acq_rel,
                                                  memory_order_acquire)) {
            *i_chunk = is_own ? first : end - 1;
            *generation = share >> 2 * SHARE_BITS;
            return true;
        }
    }
}

static void offer_core(struct seat *seat, uint64_t now_ns)
{
    if (now_ns - seat->since_ns >= TURN_NS) {
        sched_yield();
        seat->since_ns = clock_now_ns();
        seat->n_offered++;
    }
}

static void wait_for_others(struct pool *pool)
{
    struct probe *timed = pool->timed;
    enum mscope_phase phase = pool->phase;
    if (timed != NULL) {
        probe_enter(timed, MSCOPE_PHASE_BARRIER);
    }
    int n_chunks = pool->n_chunks;
    for (int spins = 0; atomic_load_explicit(&pool->n_done, memory_order_acquire) < n_chunks;
         spins++) {
        if (spins < SPINS_BEFORE_YIELD) {
            spin_relax();
        } else {
            sched_yield();
        }
    }
    if (timed != NULL) {
        probe_enter(timed, phase);
    }
}

/* Adds the time since `since_ns` to the thread's busy time in the job's phase; returns now. */
static uint64_t note_busy(struct pool *pool, int i_thread, uint64_t since_ns)
{
    if (pool->timed == NULL) {
        return 0;
    }
    uint64_t now_ns = clock_now_ns();
    pool->timed->threads[i_thread].busy_ns[pool->phase] += now_ns - since_ns;
    return now_ns;
}

static void *worker_main(void *argument)
{
    struct worker_start start = *(struct worker_start *)argument;
    struct pool *pool = start.pool;
    free(argument);
    uint64_t seen = 0; /* generation */
    int spins = 0;
    while (!atomic_load_explicit(&pool->stopping, memory_order_relaxed)) {
        uint64_t generation = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (generation != seen) {
            seen = generation;
            work(pool, start.i_thread);
            spins = 0;
        } else if (++spins < SPINS_BEFORE_SLEEP) {
            spin_relax();
        } else {
            pthread_mutex_lock(&pool->mutex);
            atomic_fetch_add(&pool->n_sleeping, 1);
            while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->stopping)) {
                pthread_cond_wait(&pool->wake, &pool->mutex);
            }
            atomic_fetch_sub(&pool->n_sleeping, 1);
            pthread_mutex_unlock(&pool->mutex);
            spins = 0;
        }
    }
    return NULL;
}

static void wake_sleepers(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}
