/* SPDX-License-Identifier: MIT */
/* The pool runs every chunk exactly once, for any number of threads and chunks, many jobs on. */
#include "base/pool.h"
#include "unit.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { MAX_CHUNKS = 300 };

struct tally {
    atomic_int runs[MAX_CHUNKS];
    int n_threads;
    atomic_int bad_thread;
};

static void count_chunk(void *ctx, int i_chunk, int i_thread)
{
    struct tally *tally = ctx;
    atomic_fetch_add(&tally->runs[i_chunk], 1);
    if (i_thread < 0 || i_thread >= tally->n_threads) {
        atomic_store(&tally->bad_thread, 1);
    }
}

static void every_chunk_runs_exactly_once(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 5; n_threads++) {
        struct pool *pool;
        struct mscope_error err;
        assert_int_equal(pool_open(&pool, n_threads, &err), MSCOPE_OK);
        assert_int_equal(pool_n_threads(pool), n_threads);
        for (int job = 0; job < 400; job++) {
            static struct tally tally;
            memset(&tally, 0, sizeof tally);
            tally.n_threads = n_threads;
            int n_chunks = job * 7 % MAX_CHUNKS;
            pool_for(pool, n_chunks, count_chunk, &tally);
            for (int i = 0; i < MAX_CHUNKS; i++) {
                assert_int_equal(tally.runs[i], i < n_chunks ? 1 : 0);
            }
            assert_int_equal(tally.bad_thread, 0);
        }
        pool_close(&pool);
        assert_null(pool);
    }
}

static void add_chunk(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    atomic_fetch_add((atomic_llong *)ctx, (long long)i_chunk + 1);
}

/* More than the word of a share can count. */
static void two_million_chunks_run_exactly_once(void **state)
{
    (void)state;
    const int n_chunks = (1 << 21) + 5;
    struct pool *pool;
    struct mscope_error err;
    atomic_llong sum = 0;
    assert_int_equal(pool_open(&pool, 2, &err), MSCOPE_OK);
    pool_for(pool, n_chunks, add_chunk, &sum);
    assert_true(atomic_load(&sum) == (long long)n_chunks * (n_chunks + 1) / 2);
    pool_close(&pool);
}

/* The first chunk to be claimed waits until all others are done: they must not wait for it. */
static void chunk_that_comes_last(void *ctx, int i_chunk, int i_thread)
{
    (void)i_thread;
    struct tally *tally = ctx;
    if (i_chunk == 0) {
        for (int i = 1; i < MAX_CHUNKS; i++) {
            while (atomic_load(&tally->runs[i]) == 0) {
                sched_yield();
            }
        }
    }
    atomic_fetch_add(&tally->runs[i_chunk], 1);
}

static void a_thread_that_is_held_up_leaves_its_share_to_the_others(void **state)
{
    (void)state;
    for (int n_threads = 2; n_threads <= 4; n_threads++) {
        struct pool *pool;
        assert_int_equal(pool_open(&pool, n_threads, NULL), MSCOPE_OK);
        for (int job = 0; job < 20; job++) {
            static struct tally tally;
            memset(&tally, 0, sizeof tally);
            pool_for(pool, MAX_CHUNKS, chunk_that_comes_last, &tally);
            for (int i = 0; i < MAX_CHUNKS; i++) {
                assert_int_equal(tally.runs[i], 1);
            }
        }
        pool_close(&pool);
    }
}

static void compute_a_tenth_of_a_millisecond(void *ctx, int i_chunk, int i_thread)
{
    (void)i_chunk;
    atomic_int *n_by_caller = ctx;
    uint64_t start_ns = clock_now_ns();
    while (clock_now_ns() - start_ns < 100000) {
    }
    if (i_thread == 0) {
        atomic_fetch_add(n_by_caller, 1);
    }
}

static void a_thread_offers_its_core_between_chunks(void **state)
{
    (void)state;
    struct pool *pool;
    struct pool_counts counts;
    atomic_int n_by_caller = 0;
    assert_int_equal(pool_open(&pool, 2, NULL), MSCOPE_OK);
    pool_get_counts(pool, &counts);
    assert_int_equal(counts.n_jobs, 0);
    assert_int_equal(counts.n_offered, 0);
    for (int job = 0; job < 4; job++) {
        pool_for(pool, 100, compute_a_tenth_of_a_millisecond, &n_by_caller);
    }
    pool_for(pool, 1, compute_a_tenth_of_a_millisecond, &n_by_caller); /* no barrier */
    pool_get_counts(pool, &counts);
    assert_int_equal(counts.n_jobs, 4);
    /* The turn is 2 ms: twenty chunks at most, but never after every chunk of a quiet machine. */
    assert_true(counts.n_offered >= (uint64_t)atomic_load(&n_by_caller) / 25);
    assert_true(counts.n_offered <= (uint64_t)atomic_load(&n_by_caller));
    pool_close(&pool);
}

static void close_accepts_null(void **state)
{
    (void)state;
    struct pool *pool = NULL;
    pool_close(&pool);
    assert_null(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chunk_runs_exactly_once),
        cmocka_unit_test(two_million_chunks_run_exactly_once),
        cmocka_unit_test(a_thread_that_is_held_up_leaves_its_share_to_the_others),
        cmocka_unit_test(a_thread_offers_its_core_between_chunks),
        cmocka_unit_test(close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
