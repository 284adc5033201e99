/* SPDX-License-Identifier: MIT */
/* The pool runs every chunk exactly once, for any number of threads and chunks, many jobs on. */
#include "base/pool.h"
#include "unit.h"

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
        cmocka_unit_test(close_accepts_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
