/* SPDX-License-Identifier: MIT */
/*
 * Memory of this process and of the computer. Linux: /proc/self/status and /proc/meminfo (proc(5)),
 * bounded by the control group's limit. Elsewhere: getrusage and sysconf, where only peak, total
 * and nothing finer is known.
 */
#include "machine/machine.h"

#include "machine/cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct field {
    const char *key;
    uint64_t *bytes;
    bool found;
};

#if defined(__linux__)
static enum mscope_status read_fields(const char *path, struct field *fields, int n_fields,
                                      struct mscope_error *err);

enum mscope_status machine_read_memory(struct machine_memory *out, struct mscope_error *err)
{
    *out = (struct machine_memory){0};
    uint64_t shared = 0;
    struct field own[] = {
        {"VmHWM:", &out->peak_rss, false},
        {"VmRSS:", &out->rss, false},
        {"RssAnon:", &out->rss_anonymous, false},
        {"RssFile:", &out->rss_file, false},
        {"RssShmem:", &shared, false},
    };
    struct field computer[] = {
        {"MemTotal:", &out->total, false},
        {"MemAvailable:", &out->available, false},
    };
    enum mscope_status status = read_fields("/proc/self/status", own, 5, err);
    if (status == MSCOPE_OK) {
        status = read_fields("/proc/meminfo", computer, 2, err);
    }
    if (status != MSCOPE_OK) {
        return status;
    }
    out->rss_file += shared;
    out->peak_rss =
        out->peak_rss > out->rss ? out->peak_rss : out->rss; /* the kernel's counters lag */
    struct cgroup_memory group;
    if (cgroup_read_memory(&group)) {
        out->total = group.limit < out->total ? group.limit : out->total;
        out->available = group.available < out->available ? group.available : out->available;
    }
    return MSCOPE_OK;
}

/* Lines "Key:   123 kB". */
static enum mscope_status read_fields(const char *path, struct field *fields, int n_fields,
                                      struct mscope_error *err)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return error_set_errno(err, errno, path, "cannot open");
    }
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        for (int i = 0; i < n_fields; i++) {
            uint64_t kib;
            size_t n_key = strlen(fields[i].key);
            if (strncmp(line, fields[i].key, n_key) == 0 &&
                sscanf(line + n_key, "%" SCNu64, &kib) == 1) {
                *fields[i].bytes = kib * 1024;
                fields[i].found = true;
            }
        }
    }
    fclose(file);
    for (int i = 0; i < n_fields; i++) {
        if (!fields[i].found) {
            return error_set(err, MSCOPE_ERR_IO, path, "no line \"%s\"", fields[i].key);
        }
    }
    return MSCOPE_OK;
}

#else
enum mscope_status machine_read_memory(struct machine_memory *out, struct mscope_error *err)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        return error_set_errno(err, errno, "memory of this process", "getrusage");
    }
#if defined(__APPLE__)
    uint64_t unit = 1;
#else
    uint64_t unit = 1024;
#endif
    uint64_t peak = (uint64_t)usage.ru_maxrss * unit;
    long n_pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    uint64_t total = n_pages > 0 && page_bytes > 0 ? (uint64_t)n_pages * (uint64_t)page_bytes : 0;
    *out = (struct machine_memory){
        .peak_rss = peak,
        .rss = peak,
        .total = total,
        .available = total > peak ? total - peak : 0,
    };
    return MSCOPE_OK;
}
#endif
