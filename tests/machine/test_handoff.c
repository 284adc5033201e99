/* SPDX-License-Identifier: MIT */
/* A cache line from thread to thread: how long it takes depends on who else runs, that it ends does
 * not. */
#include "machine/machine.h"

#include "unit.h"

#include <math.h>

enum { MANY_TRIES = 500 };

static void one_thread_has_nobody_to_hand_to(void **state)
{
    (void)state;
    struct pool *pool;
    assert_int_equal(pool_open(&pool, 1, NULL), MSCOPE_OK);
    assert_true(isnan(machine_measure_handoff_ns(pool)));
    pool_close(&pool);
}

/* Beside busy neighbours the two may not run at the same time, so not every try counts. */
static void two_threads_hand_over_within_microseconds(void **state)
{
    (void)state;
    int n_tries = machine_n_physical_cores() > 1 ? MANY_TRIES : 3;
    double least_ns = NAN;
    for (int i = 0; i < n_tries && !(least_ns < 1e5); i++) {
        struct pool *pool;
        assert_int_equal(pool_open(&pool, 2, NULL), MSCOPE_OK);
        double ns = machine_measure_handoff_ns(pool);
        assert_true(isnan(ns) || ns > 0);
        least_ns = fmin(least_ns, ns);
        pool_close(&pool);
    }
    assert_true(least_ns < 1e5 || n_tries < MANY_TRIES);
}

static void more_threads_than_cores_come_to_an_end(void **state)
{
    (void)state;
    for (int n_threads = 3; n_threads <= 24; n_threads += 7) {
        struct pool *pool;
        assert_int_equal(pool_open(&pool, n_threads, NULL), MSCOPE_OK);
        for (int i = 0; i < 3; i++) {
            double ns = machine_measure_handoff_ns(pool);
            assert_true(isnan(ns) || ns > 0);
        }
        pool_close(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_has_nobody_to_hand_to),
        cmocka_unit_test(two_threads_hand_over_within_microseconds),
        cmocka_unit_test(more_threads_than_cores_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
