/* SPDX-License-Identifier: MIT */
/* Inside machine/ only: the topology of hwloc, as far as this process may use it. Any thread. */
#ifndef MACHINE_TOPOLOGY_H
#define MACHINE_TOPOLOGY_H

#include <hwloc.h>
#include <stdbool.h>

/* CPUs and caches; true: the caller destroys it. */
bool topology_load(hwloc_topology_t *topology);
/* Logical CPUs that this process is bound to; the caller frees it. NULL when memory ran out. */
hwloc_bitmap_t topology_usable_cpus(hwloc_topology_t topology);
/* Cores with at least one of them. */
int topology_count_cores(hwloc_topology_t topology);

#endif
