/* SPDX-License-Identifier: MIT */
/* Temperature from thermal zones or hwmon; memory of a process and swap from proc(5). */
#include "machine/system.h"

#include "machine/energy_source.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double LEAST_C = -50, MOST_C = 150; /* what a working sensor can read */

struct hottest {
    double celsius;
    char *name;
};

struct number { /* a line "key: 123" of a proc file */
    const char *key;
    int64_t *value;
    int64_t scale;
};

static bool visit_zone(void *user, const char *path, const char *name);
static bool visit_hwmon(void *user, const char *path, const char *name);
static void offer(struct hottest *hottest, const char *name, const char *path);
static bool read_numbers(const char *path, const struct number *numbers, int n_numbers);
static void read_faults(struct system_memory *out, const char *path);

double system_read_temp_c(char sensor[SYSTEM_SENSOR_BYTES], const char *root)
{
    char folder[SYSFS_PATH_BYTES];
    sensor[0] = '\0';
    struct hottest hottest = {NAN, sensor};
    snprintf(folder, sizeof folder, "%.400s/sys/class/thermal", root);
    sysfs_list(folder, visit_zone, &hottest);
    if (isnan(hottest.celsius)) {
        snprintf(folder, sizeof folder, "%.400s/sys/class/hwmon", root);
        sysfs_list(folder, visit_hwmon, &hottest);
    }
    return hottest.celsius;
}

/* Zones of the processor; "acpitz" and the like are somewhere on the board. */
static bool visit_zone(void *user, const char *path, const char *name)
{
    static const char *const types[] = {"x86_pkg_temp", "cpu", "CPU", "soc", "SOC", "tj"};
    char file[SYSFS_PATH_BYTES + 32];
    char type[64];
    if (strncmp(name, "thermal_zone", 12) != 0) {
        return true;
    }
    snprintf(file, sizeof file, "%s/type", path);
    if (!sysfs_read_text(type, sizeof type, file)) {
        return true;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strncmp(type, types[i], strlen(types[i])) == 0) {
            snprintf(file, sizeof file, "%s/temp", path);
            offer(user, type, file);
            break;
        }
    }
    return true;
}

static bool visit_hwmon(void *user, const char *path, const char *name)
{
    (void)name;
    static const char *const chips[] = {"coretemp", "k10temp", "zenpower", "cpu_thermal"};
    char file[SYSFS_PATH_BYTES + 32];
    char chip[64];
    snprintf(file, sizeof file, "%s/name", path);
    if (!sysfs_read_text(chip, sizeof chip, file)) {
        return true;
    }
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++) {
        for (int k = 1; strcmp(chip, chips[i]) == 0 && k <= 64; k++) {
            snprintf(file, sizeof file, "%s/temp%d_input", path, k);
            offer(user, chip, file);
        }
    }
    return true;
}

static void offer(struct hottest *hottest, const char *name, const char *path)
{
    double millicelsius;
    if (!sysfs_read_number(&millicelsius, path)) {
        return;
    }
    double celsius = millicelsius * 1e-3;
    if (celsius > LEAST_C && celsius < MOST_C && !(celsius <= hottest->celsius)) {
        hottest->celsius = celsius;
        snprintf(hottest->name, SYSTEM_SENSOR_BYTES, "%s", name);
    }
}

enum mscope_status system_read_memory(struct system_memory *out, const char *root, long pid,
                                      struct mscope_error *err)
{
    *out = (struct system_memory){-1, -1, -1, -1, -1, -1, -1, -1};
    char folder[SYSFS_PATH_BYTES];
    char path[SYSFS_PATH_BYTES + 32];
    if (pid > 0) {
        snprintf(folder, sizeof folder, "%.400s/proc/%ld", root, pid);
    } else {
        snprintf(folder, sizeof folder, "%.400s/proc/self", root);
    }
    int64_t shared = 0;
    const struct number status[] = {
        {"VmHWM:", &out->peak_rss, 1024},    {"VmRSS:", &out->rss, 1024},
        {"RssAnon:", &out->anonymous, 1024}, {"RssFile:", &out->file, 1024},
        {"RssShmem:", &shared, 1024},        {"VmSwap:", &out->swapped, 1024},
    };
    snprintf(path, sizeof path, "%s/status", folder);
    if (!read_numbers(path, status, sizeof status / sizeof status[0])) {
        return error_set_errno(err, errno, path, "cannot read");
    }
    out->file += out->file >= 0 ? shared : 0;
    if (out->peak_rss >= 0 && out->peak_rss < out->rss) {
        out->peak_rss = out->rss; /* the kernel's counters lag */
    }
    const struct number rollup[] = {{"Pss:", &out->pss, 1024}};
    snprintf(path, sizeof path, "%s/smaps_rollup", folder);
    read_numbers(path, rollup, 1);
    snprintf(path, sizeof path, "%s/stat", folder);
    read_faults(out, path);
    return MSCOPE_OK;
}

/* Fields 10 and 12 of proc_pid_stat(5), counted behind the name in parentheses, which may hold
 * anything. */
static void read_faults(struct system_memory *out, const char *path)
{
    char text[1024];
    if (!sysfs_read_text(text, sizeof text, path)) {
        return;
    }
    const char *rest = strrchr(text, ')');
    int64_t minor;
    int64_t major;
    if (rest != NULL && sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNd64 " %*d %" SCNd64,
                               &minor, &major) == 2) {
        out->minor_faults = minor;
        out->major_faults = major;
    }
}

void system_read_swap(struct system_swap *out, const char *root)
{
    char path[SYSFS_PATH_BYTES];
    int64_t unused = -1;
    *out = (struct system_swap){-1, -1, -1, -1};
    const struct number memory[] = {{"SwapTotal:", &out->total_bytes, 1024},
                                    {"SwapFree:", &unused, 1024}};
    snprintf(path, sizeof path, "%.400s/proc/meminfo", root);
    read_numbers(path, memory, 2);
    if (out->total_bytes >= 0 && unused >= 0) {
        out->used_bytes = out->total_bytes - unused;
    }
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    const struct number pages[] = {{"pswpin ", &out->in_bytes, page_bytes},
                                   {"pswpout ", &out->out_bytes, page_bytes}};
    snprintf(path, sizeof path, "%.400s/proc/vmstat", root);
    read_numbers(path, pages, 2);
}

/* False when the file is not there. */
static bool read_numbers(const char *path, const struct number *numbers, int n_numbers)
{
    FILE *stream = fopen(path, "r");
    if (stream == NULL) {
        return false;
    }
    char line[256];
    while (fgets(line, sizeof line, stream) != NULL) {
        for (int i = 0; i < n_numbers; i++) {
            size_t n_key = strlen(numbers[i].key);
            int64_t value;
            if (strncmp(line, numbers[i].key, n_key) == 0 &&
                sscanf(line + n_key, "%" SCNd64, &value) == 1 && value >= 0 &&
                value < INT64_MAX / numbers[i].scale) {
                *numbers[i].value = value * numbers[i].scale;
            }
        }
    }
    fclose(stream);
    return true;
}
