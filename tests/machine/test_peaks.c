/* SPDX-License-Identifier: MIT */
/* Peak loops and bandwidths: counts are right and plausible; how fast depends on who else runs. */
#include "machine/peaks.h"

#include "kernels/kernels.h"
#include "kernels/peak.h"
#include "machine/machine.h"
#include "unit.h"

#include <math.h>
#include <string.h>

static struct pool *pool;

static int open_pool(void **state)
{
    (void)state;
    return pool_open(&pool, 2, NULL) == MSCOPE_OK ? 0 : -1;
}

static int close_pool(void **state)
{
    (void)state;
    pool_close(&pool);
    return 0;
}

static void operations_grow_with_the_rounds(void **state)
{
    (void)state;
    for (const char *const *level = kernels_levels(); *level != NULL; level++) {
        struct mscope_error err;
        struct kernel_peaks peaks;
        assert_ok(kernels_select_peaks(&peaks, *level, &err), &err);
        assert_string_equal(peaks.level, *level);
        kernel_peak_fn *const both[] = {peaks.fp32, peaks.int8};
        for (int i = 0; i < 2; i++) {
            float sink = 0;
            assert_int_equal(both[i](0, &sink), 0);
            uint64_t n = both[i](100, &sink);
            assert_true(n >= 100 * 64 * 2);
            assert_int_equal(both[i](300, &sink), 3 * n);
            assert_true(isfinite(both[i](1 << 16, &sink) > 0 ? sink : NAN));
        }
    }
}

static void every_level_gives_a_plausible_peak(void **state)
{
    (void)state;
    for (const char *const *level = kernels_levels(); *level != NULL; level++) {
        struct mscope_error err;
        struct machine_peaks peaks;
        assert_ok(machine_measure_peaks(&peaks, pool, *level, 20000000, &err), &err);
        assert_string_equal(peaks.level, *level);
        assert_true(peaks.fp32.n_passes >= 3 && peaks.int8.n_passes >= 3);
        assert_true(peaks.fp32.median > 1e7 && peaks.fp32.best < 2e12);
        assert_true(peaks.int8.median > 1e7 && peaks.int8.best < 8e12);
        assert_true(peaks.fp32.best >= peaks.fp32.median);
    }
}

static void an_unknown_level_is_named(void **state)
{
    (void)state;
    struct mscope_error err;
    struct machine_peaks peaks;
    assert_int_equal(machine_measure_peaks(&peaks, pool, "mmx", 1, &err), MSCOPE_ERR_ARGUMENT);
    assert_non_null(strstr(err.detail, "mmx"));
}

static void writing_and_copying_are_measured(void **state)
{
    (void)state;
    struct mscope_error err;
    struct machine_bandwidth bandwidth;
    assert_ok(machine_measure_write(&bandwidth, pool, 64 << 20, 1000000, &err), &err);
    assert_true(bandwidth.n_passes >= 3 && bandwidth.median > 1e7 && bandwidth.best < 1e13);
    assert_ok(machine_measure_copy(&bandwidth, pool, 64 << 20, 1000000, &err), &err);
    assert_true(bandwidth.n_passes >= 3 && bandwidth.median > 1e7 && bandwidth.best < 1e13);
    assert_ok(machine_measure_copy(&bandwidth, pool, 1, 0, &err), &err);
    assert_true(bandwidth.median > 0);
}

static void the_topology_agrees_with_itself(void **state)
{
    (void)state;
    struct mscope_error err;
    struct machine_topology topology;
    assert_ok(machine_read_topology(&topology, &err), &err);
    assert_true(topology.n_cores >= 1 && topology.n_threads >= topology.n_cores);
    assert_true(topology.n_nodes >= 1);
    uint64_t largest = 0;
    for (int i = 0; i < topology.n_caches; i++) {
        assert_true(topology.caches[i].bytes > 0 && topology.caches[i].n >= 1);
        if (!topology.caches[i].is_instruction && topology.caches[i].bytes > largest) {
            largest = topology.caches[i].bytes;
        }
    }
    assert_int_equal(largest, machine_last_level_cache_bytes());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_grow_with_the_rounds),
        cmocka_unit_test(every_level_gives_a_plausible_peak),
        cmocka_unit_test(an_unknown_level_is_named),
        cmocka_unit_test(writing_and_copying_are_measured),
        cmocka_unit_test(the_topology_agrees_with_itself),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}
