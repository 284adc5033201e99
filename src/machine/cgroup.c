/* SPDX-License-Identifier: MIT */
/*
 * Control group files (Linux kernel documentation, "Control Group v2": cpu.max, memory.max,
 * memory.current, memory.stat). The strictest limit on the way from the process's group to the root
 * counts.
 */
#include "machine/cgroup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char root[] = "/sys/fs/cgroup";
enum { PATH_BYTES = 1024 };

static bool own_group(char path[PATH_BYTES]);
static bool go_to_parent(char path[PATH_BYTES]);
static FILE *open_in(const char *group, const char *file);
static bool read_u64(uint64_t *out, const char *group, const char *file);
static uint64_t read_page_cache(const char *group);

double cgroup_cpu_quota(void)
{
    char group[PATH_BYTES];
    double strictest = 0;
    if (!own_group(group)) {
        return 0;
    }
    do {
        FILE *file = open_in(group, "cpu.max");
        uint64_t quota;
        uint64_t period;
        if (file == NULL) {
            continue;
        }
        if (fscanf(file, "%" SCNu64 " %" SCNu64, &quota, &period) == 2 && quota > 0 && period > 0) {
            double cpus = (double)quota / (double)period;
            strictest = strictest == 0 || cpus < strictest ? cpus : strictest;
        }
        fclose(file);
    } while (go_to_parent(group));
    return strictest;
}

bool cgroup_read_memory(struct cgroup_memory *out)
{
    char group[PATH_BYTES];
    bool found = false;
    if (!own_group(group)) {
        return false;
    }
    do {
        uint64_t limit;
        uint64_t used;
        if (!read_u64(&limit, group, "memory.max") || !read_u64(&used, group, "memory.current")) {
            continue;
        }
        uint64_t cache = read_page_cache(group);
        used = used > cache ? used - cache : 0;
        uint64_t available = limit > used ? limit - used : 0;
        if (!found || available < out->available) {
            *out = (struct cgroup_memory){limit, available};
        }
        found = true;
    } while (go_to_parent(group));
    return found;
}

/* Folder of this process's group; false where there is no unified hierarchy. */
static bool own_group(char path[PATH_BYTES])
{
    FILE *file = fopen("/proc/self/cgroup", "r");
    if (file == NULL) {
        return false;
    }
    char line[PATH_BYTES];
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            int n = snprintf(path, PATH_BYTES, "%s%s", root,
                             strcmp(line + 3, "/") == 0 ? "" : line + 3);
            found = n > 0 && n < PATH_BYTES;
        }
    }
    fclose(file);
    return found;
}

/* False at the root. */
static bool go_to_parent(char path[PATH_BYTES])
{
    if (strlen(path) <= strlen(root)) {
        return false;
    }
    *strrchr(path, '/') = '\0';
    return strlen(path) >= strlen(root);
}

static FILE *open_in(const char *group, const char *file)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", group, file);
    return fopen(path, "r");
}

/* False when the file is absent or says "max". */
static bool read_u64(uint64_t *out, const char *group, const char *name)
{
    FILE *file = open_in(group, name);
    if (file == NULL) {
        return false;
    }
    bool ok = fscanf(file, "%" SCNu64, out) == 1;
    fclose(file);
    return ok;
}

static uint64_t read_page_cache(const char *group)
{
    FILE *file = open_in(group, "memory.stat");
    if (file == NULL) {
        return 0;
    }
    char key[64];
    uint64_t value;
    uint64_t cache = 0;
    while (fscanf(file, "%63s %" SCNu64, key, &value) == 2) {
        if (strcmp(key, "file") == 0) {
            cache = value;
        }
    }
    fclose(file);
    return cache;
}
