/* SPDX-License-Identifier: MIT */
/* Cores, caches and the name of the CPU, from hwloc; a container's CPU quota from its control
 * group. */
#include "machine/machine.h"

#include "machine/cgroup.h"
#include "machine/topology.h"

#include <stdio.h>
#include <unistd.h>

static void list_caches(struct machine_topology *out, hwloc_topology_t topology,
                        hwloc_obj_type_t first, hwloc_obj_type_t last);
static int n_online(void);

int machine_n_physical_cores(void)
{
    hwloc_topology_t topology;
    int n_cores = 0;
    if (topology_load(&topology)) {
        n_cores = topology_count_cores(topology);
        hwloc_topology_destroy(topology);
    }
    if (n_cores < 1) {
        n_cores = n_online();
    }
    double quota = cgroup_cpu_quota();
    if (quota > 0 && quota < n_cores) {
        n_cores = quota < 1 ? 1 : (int)quota;
    }
    return n_cores;
}

uint64_t machine_last_level_cache_bytes(void)
{
    hwloc_topology_t topology;
    if (!topology_load(&topology)) {
        return 0;
    }
    uint64_t largest = 0;
    hwloc_obj_t up = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, 0);
    for (; up != NULL; up = up->parent) {
        if (hwloc_obj_type_is_cache(up->type) && up->attr->cache.size > largest) {
            largest = up->attr->cache.size;
        }
    }
    hwloc_topology_destroy(topology);
    return largest;
}

const char *machine_cpu_name(char *text, size_t size)
{
    if (size == 0) {
        return text;
    }
    snprintf(text, size, "unknown CPU");
    hwloc_topology_t topology;
    if (!topology_load(&topology)) {
        return text;
    }
    hwloc_obj_t object = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    if (object == NULL) {
        object = hwloc_get_root_obj(topology);
    }
    const char *name = hwloc_obj_get_info_by_name(object, "CPUModel");
    if (name != NULL && name[0] != '\0') {
        snprintf(text, size, "%s", name);
    }
    hwloc_topology_destroy(topology);
    return text;
}

enum mscope_status machine_read_topology(struct machine_topology *out, struct mscope_error *err)
{
    *out = (struct machine_topology){.cpu_quota = cgroup_cpu_quota()};
    hwloc_topology_t topology;
    if (!topology_load(&topology)) {
        return error_set(err, MSCOPE_ERR_IO, "topology", "hwloc cannot read it");
    }
    out->n_packages = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE);
    out->n_cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    out->n_threads = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    out->n_nodes = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    list_caches(out, topology, HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L5CACHE);
    list_caches(out, topology, HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L1ICACHE);
    hwloc_topology_destroy(topology);
    return MSCOPE_OK;
}

/* Types from `first` to `last` are consecutive in hwloc. The first of a type stands for all. */
static void list_caches(struct machine_topology *out, hwloc_topology_t topology,
                        hwloc_obj_type_t first, hwloc_obj_type_t last)
{
    for (int type = (int)first; type <= (int)last && out->n_caches < MACHINE_MAX_CACHES; type++) {
        hwloc_obj_t cache = hwloc_get_obj_by_type(topology, (hwloc_obj_type_t)type, 0);
        if (cache == NULL) {
            continue;
        }
        int weight = hwloc_bitmap_weight(cache->cpuset);
        out->caches[out->n_caches++] = (struct machine_cache){
            .level = (int)cache->attr->cache.depth,
            .is_instruction = cache->attr->cache.type == HWLOC_OBJ_CACHE_INSTRUCTION,
            .bytes = cache->attr->cache.size,
            .n = hwloc_get_nbobjs_by_type(topology, (hwloc_obj_type_t)type),
            .n_sharing = weight > 0 ? weight : 0,
            .line_bytes = (int)cache->attr->cache.linesize,
            .ways = cache->attr->cache.associativity > 0 ? cache->attr->cache.associativity : 0,
        };
    }
}

/* Cores with at least one thread that this process is bound to. */
int topology_count_cores(hwloc_topology_t topology)
{
    hwloc_bitmap_t bound = topology_usable_cpus(topology);
    if (bound == NULL) {
        return 0;
    }
    int n_found = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
    int n_cores = 0;
    for (int i = 0; i < n_found; i++) {
        hwloc_obj_t core = hwloc_get_obj_by_type(topology, HWLOC_OBJ_CORE, (unsigned)i);
        n_cores += hwloc_bitmap_intersects(core->cpuset, bound) ? 1 : 0;
    }
    hwloc_bitmap_free(bound);
    return n_cores;
}

hwloc_bitmap_t topology_usable_cpus(hwloc_topology_t topology)
{
    hwloc_bitmap_t usable = hwloc_bitmap_alloc();
    if (usable != NULL && (hwloc_get_cpubind(topology, usable, HWLOC_CPUBIND_PROCESS) != 0 ||
                           hwloc_bitmap_iszero(usable))) {
        hwloc_bitmap_copy(usable, hwloc_topology_get_allowed_cpuset(topology));
    }
    return usable;
}

static int n_online(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int)n;
}

/* The topology of CPUs and caches only: asking devices takes long. Disallowed CPUs are left out by
 * hwloc. */
bool topology_load(hwloc_topology_t *topology)
{
    if (hwloc_topology_init(topology) != 0) {
        return false;
    }
    hwloc_topology_set_io_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_icache_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (hwloc_topology_load(*topology) != 0) {
        hwloc_topology_destroy(*topology);
        return false;
    }
    return true;
}

uint64_t machine_stream_buffer_bytes(void)
{
    const uint64_t n_caches = 4, least = 256u << 20, most = 4ull << 30;
    struct machine_topology topology;
    uint64_t largest = 0; /* level, all its caches together: several may hold parts of the buffer */
    if (machine_read_topology(&topology, NULL) == MSCOPE_OK) {
        for (int i = 0; i < topology.n_caches; i++) {
            uint64_t n_bytes = topology.caches[i].bytes * (uint64_t)topology.caches[i].n;
            largest = n_bytes > largest ? n_bytes : largest;
        }
    }
    uint64_t wanted = n_caches * largest;
    return wanted < least ? least : wanted > most ? most : wanted;
}
