/* SPDX-License-Identifier: MIT */
/* Which cores to take where not all are taken and they differ. */
#include "machine/machine.h"

#include "machine/topology.h"

#include <stdlib.h>

struct machine_binding {
    hwloc_topology_t topology;
    hwloc_bitmap_t before; /* of the thread */
};

static hwloc_bitmap_t choose(hwloc_topology_t topology, int n_cores);
static int add_cores(hwloc_bitmap_t chosen, hwloc_topology_t topology, hwloc_const_bitmap_t usable,
                     unsigned kind, int n_wanted);

int machine_fastest_cpus(int *cpus, int most, int n_cores)
{
    hwloc_topology_t topology;
    int n = 0;
    if (!topology_load(&topology)) {
        return 0;
    }
    hwloc_bitmap_t chosen = choose(topology, n_cores);
    if (chosen != NULL) {
        for (int cpu = hwloc_bitmap_first(chosen); cpu >= 0 && n < most;
             cpu = hwloc_bitmap_next(chosen, cpu)) {
            cpus[n++] = cpu;
        }
    }
    hwloc_bitmap_free(chosen);
    hwloc_topology_destroy(topology);
    return n;
}

void machine_bind_fastest(struct machine_binding **out, int n_cores)
{
    *out = NULL;
    struct machine_binding *binding = calloc(1, sizeof *binding);
    if (binding == NULL || !topology_load(&binding->topology)) {
        free(binding);
        return;
    }
    hwloc_bitmap_t chosen = choose(binding->topology, n_cores);
    binding->before = hwloc_bitmap_alloc();
    if (chosen != NULL && binding->before != NULL &&
        hwloc_get_cpubind(binding->topology, binding->before, HWLOC_CPUBIND_THREAD) == 0 &&
        hwloc_set_cpubind(binding->topology, chosen, HWLOC_CPUBIND_THREAD) == 0) {
        *out = binding;
    } else {
        hwloc_bitmap_free(binding->before);
        hwloc_topology_destroy(binding->topology);
        free(binding);
    }
    hwloc_bitmap_free(chosen);
}

void machine_unbind(struct machine_binding **binding)
{
    if (*binding == NULL) {
        return;
    }
    hwloc_set_cpubind((*binding)->topology, (*binding)->before, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free((*binding)->before);
    hwloc_topology_destroy((*binding)->topology);
    free(*binding);
    *binding = NULL;
}

#if HWLOC_API_VERSION >= 0x00020400

/* NULL where there is nothing to choose. Kinds come by rising speed. */
static hwloc_bitmap_t choose(hwloc_topology_t topology, int n_cores)
{
    int n_kinds = hwloc_cpukinds_get_nr(topology, 0);
    int efficiency = -1; /* of hwloc: the higher, the faster; -1: not ranked */
    if (n_cores < 1 || n_kinds < 2 || topology_count_cores(topology) <= n_cores ||
        hwloc_cpukinds_get_info(topology, 0, NULL, &efficiency, NULL, NULL, 0) != 0 ||
        efficiency < 0) {
        return NULL;
    }
    hwloc_bitmap_t usable = topology_usable_cpus(topology);
    hwloc_bitmap_t chosen = hwloc_bitmap_alloc();
    for (int kind = n_kinds - 1; kind >= 0 && usable != NULL && chosen != NULL; kind--) {
        n_cores -= add_cores(chosen, topology, usable, (unsigned)kind, n_cores);
    }
    hwloc_bitmap_free(usable);
    if (chosen != NULL && hwloc_bitmap_iszero(chosen)) {
        hwloc_bitmap_free(chosen);
        chosen = NULL;
    }
    return chosen;
}

/* All threads of at most n_wanted cores of the kind; returns how many cores. */
static int add_cores(hwloc_bitmap_t chosen, hwloc_topology_t topology, hwloc_const_bitmap_t usable,
                     unsigned kind, int n_wanted)
{
    hwloc_bitmap_t of_kind = hwloc_bitmap_alloc();
    int n = 0;
    if (of_kind != NULL &&
        hwloc_cpukinds_get_info(topology, kind, of_kind, NULL, NULL, NULL, 0) == 0) {
        hwloc_bitmap_and(of_kind, of_kind, usable);
        hwloc_obj_t core = NULL;
        while (n < n_wanted &&
               (core = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_CORE, core)) != NULL) {
            if (hwloc_bitmap_intersects(core->cpuset, of_kind)) {
                hwloc_bitmap_t own = hwloc_bitmap_dup(core->cpuset);
                if (own != NULL) {
                    hwloc_bitmap_and(own, own, of_kind);
                    hwloc_bitmap_or(chosen, chosen, own);
                }
                hwloc_bitmap_free(own);
                n++;
            }
        }
    }
    hwloc_bitmap_free(of_kind);
    return n;
}

#else /* hwloc does not tell kinds of cores apart */

static hwloc_bitmap_t choose(hwloc_topology_t topology, int n_cores)
{
    (void)topology;
    (void)n_cores;
    return NULL;
}

#endif
