/* SPDX-License-Identifier: MIT */
/* What is asked of the computer agrees with what the system says by other means. */
#define _GNU_SOURCE /* sched_setaffinity, where there is one */
#include "machine/machine.h"
#include "unit.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void cores_are_between_one_and_the_online_cpus(void **state)
{
    (void)state;
    int n = machine_n_physical_cores();
    assert_in_range(n, 1, sysconf(_SC_NPROCESSORS_ONLN));
}

static void affinity_limits_the_cores(void **state)
{
    (void)state;
#if defined(__linux__)
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &before)) {
        first++;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int n = machine_n_physical_cores();
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(n, 1);
#else
    skip();
#endif
}

static void names_fit_their_buffer(void **state)
{
    (void)state;
    char text[128];
    assert_ptr_equal(machine_cpu_name(text, sizeof text), text);
    assert_in_range(strlen(text), 1, sizeof text - 1);
    char small[4] = "xxx";
    machine_cpu_name(small, sizeof small);
    assert_int_equal(strlen(small), 3);
    assert_memory_equal(small, text, 3);
    uint64_t cache_bytes = machine_last_level_cache_bytes(); /* 0: unknown */
    assert_true(cache_bytes == 0 || (cache_bytes >= 16 * 1024 && cache_bytes < (uint64_t)8 << 30));
}

static void memory_of_the_process_follows_its_pages(void **state)
{
    (void)state;
    enum { N_BYTES = 64 << 20 };
    struct machine_memory before;
    struct machine_memory during;
    struct machine_memory after;
    struct mscope_error err;
    assert_ok(machine_read_memory(&before, &err), &err);
    char *pages = mmap(NULL, N_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 1, N_BYTES);
    assert_ok(machine_read_memory(&during, &err), &err);
    munmap(pages, N_BYTES);
    assert_ok(machine_read_memory(&after, &err), &err);

    assert_true(before.total > 0 && before.available > 0 && before.available <= before.total);
    assert_true(during.peak_rss >= during.rss && after.peak_rss >= before.rss + N_BYTES / 2);
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
#if defined(__linux__)
    /* proc(5): these counters may lag by a few pages per thread */
    assert_true(during.rss_anonymous >= before.rss_anonymous + N_BYTES - (4 << 20));
    assert_true(after.rss_anonymous <= during.rss_anonymous - N_BYTES + (4 << 20));
    assert_true(during.rss <= during.rss_anonymous + during.rss_file + (4 << 20));
    uint64_t peak = (uint64_t)usage.ru_maxrss * 1024;
    assert_true(after.peak_rss >= peak - (8 << 20) && after.peak_rss <= peak + (8 << 20));
#endif
}

static void bandwidth_is_plausible_and_keeps_its_budget(void **state)
{
    (void)state;
    struct mscope_error err;
    for (int n_threads = 1; n_threads <= 2; n_threads++) {
        struct pool *pool;
        assert_ok(pool_open(&pool, n_threads, &err), &err);
        struct machine_bandwidth bandwidth;
        assert_ok(machine_measure_read(&bandwidth, pool, 32 << 20, 20000000, &err), &err);
        assert_true(bandwidth.n_passes >= 3);
        assert_true(bandwidth.best >= bandwidth.median);
        assert_true(bandwidth.median > 1e7 &&
                    bandwidth.best < 1e13); /* from an emulator to a large cache */
        pool_close(&pool);
    }
}

static void a_tiny_buffer_still_measures(void **state)
{
    (void)state;
    struct mscope_error err;
    struct pool *pool;
    struct machine_bandwidth bandwidth;
    assert_ok(pool_open(&pool, 2, &err), &err);
    assert_ok(machine_measure_read(&bandwidth, pool, 1, 0, &err), &err);
    assert_int_equal(bandwidth.n_passes, 3);
    assert_true(bandwidth.median > 0);
    pool_close(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cores_are_between_one_and_the_online_cpus),
        cmocka_unit_test(affinity_limits_the_cores),
        cmocka_unit_test(names_fit_their_buffer),
        cmocka_unit_test(memory_of_the_process_follows_its_pages),
        cmocka_unit_test(bandwidth_is_plausible_and_keeps_its_budget),
        cmocka_unit_test(a_tiny_buffer_still_measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
