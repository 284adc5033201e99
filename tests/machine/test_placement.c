/* SPDX-License-Identifier: MIT */
/* Which cores are taken of computers that hwloc is told of: eight cores of two threads, two kinds.
 */
#include "machine/machine.h"
#include "unit.h"

#include <hwloc.h>
#include <stdlib.h>
#include <unistd.h>

enum { N_CORES = 8, N_CPUS = 2 * N_CORES };

static char path[256];

enum { ALIKE = -2, UNRANKED = -1 };

/* As hwloc would find it, with the speed of the first and of the second half of the cores. */
static void pretend(int first, int second)
{
    hwloc_topology_t topology;
    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, "core:8 pu:2"), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (int half = 0; half < 2 && first != ALIKE; half++) {
        hwloc_bitmap_zero(set);
        hwloc_bitmap_set_range(set, (unsigned)(half * N_CPUS / 2), (half + 1) * N_CPUS / 2 - 1);
        assert_int_equal(
            hwloc_cpukinds_register(topology, set, half == 0 ? first : second, 0, NULL, 0), 0);
    }
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/moescope-topology-XXXXXX", folder != NULL ? folder : "/tmp");
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(hwloc_topology_export_xml(topology, path, 0), 0);
    assert_int_equal(setenv("HWLOC_XMLFILE", path, 1), 0);
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(topology);
}

static void end_pretence(void)
{
    unsetenv("HWLOC_XMLFILE");
    remove(path);
}

static void fast_cores_come_first(void **state)
{
    (void)state;
    int cpus[N_CPUS];
    pretend(10, 5);
    assert_int_equal(machine_n_physical_cores(), N_CORES);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 3), 6);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(cpus[i], i);
    }
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 6), 12); /* all fast ones and two slow */
    for (int i = 0; i < 12; i++) {
        assert_int_equal(cpus[i], i);
    }
    assert_int_equal(machine_fastest_cpus(cpus, 5, 6), 5);
    end_pretence();
}

static void slow_cores_that_come_first_are_not_taken(void **state)
{
    (void)state;
    int cpus[N_CPUS];
    pretend(1, 2);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 2), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(cpus[i], N_CPUS / 2 + i);
    }
    end_pretence();
}

static void nothing_is_chosen_where_cores_are_alike_or_all_wanted(void **state)
{
    (void)state;
    int cpus[N_CPUS];
    pretend(10, 5);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, N_CORES), 0);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 100), 0);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 0), 0);
    end_pretence();
    pretend(UNRANKED, UNRANKED);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 2), 0);
    end_pretence();
    pretend(ALIKE, ALIKE);
    assert_int_equal(machine_fastest_cpus(cpus, N_CPUS, 2), 0);
    end_pretence();
}

/* On this computer: bound or not, the thread is afterwards where it was before. */
static void a_binding_is_undone(void **state)
{
    (void)state;
    int before = machine_n_physical_cores();
    struct machine_binding *binding;
    machine_bind_fastest(&binding, 1);
    machine_unbind(&binding);
    assert_null(binding);
    machine_unbind(&binding);
    assert_int_equal(machine_n_physical_cores(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_cores_come_first),
        cmocka_unit_test(slow_cores_that_come_first_are_not_taken),
        cmocka_unit_test(nothing_is_chosen_where_cores_are_alike_or_all_wanted),
        cmocka_unit_test(a_binding_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
