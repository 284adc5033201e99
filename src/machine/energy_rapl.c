/* SPDX-License-Identifier: MIT */
/*
 * RAPL by the power capping framework of Linux (kernel documentation, "Power Capping Framework";
 * ABI/testing/sysfs-class-powercap): one folder for each zone with its name, a counter in
 * microjoules and the value at which that counter begins again at zero. Taken are the packages and
 * their memory; cores and graphics are parts of a package, "psys" holds everything again.
 */
#include "machine/energy_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ZONES = 32 };

struct zone {
    char path[SYSFS_PATH_BYTES]; /* of energy_uj */
    double range_uj, last_uj;
};

struct energy_source {
    struct zone zones[MAX_ZONES];
    int n_zones;
    double joules; /* of all zones since open */
};

struct search {
    struct energy_source *source;
    char *scope, *reason;
    bool failed;
};

static struct energy_source *rapl_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                       char reason[ENERGY_TEXT_BYTES]);
static bool rapl_read(struct energy_source *source, double *value, bool *wrapped,
                      char reason[ENERGY_TEXT_BYTES]);
static void rapl_close(struct energy_source *source);
static bool visit_zone(void *user, const char *path, const char *name);

const struct energy_source_class energy_source_rapl = {
    .name = "rapl",
    .is_counter = true,
    .covers_cpu = true,
    .rate_hz = 50,
    .open = rapl_open,
    .read = rapl_read,
    .close = rapl_close,
};

static struct energy_source *rapl_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                       char reason[ENERGY_TEXT_BYTES])
{
    char folder[SYSFS_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.400s/sys/class/powercap", root);
    struct energy_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        snprintf(reason, ENERGY_TEXT_BYTES, "out of memory");
        return NULL;
    }
    scope[0] = '\0';
    struct search search = {source, scope, reason, false};
    int n = sysfs_list(folder, visit_zone, &search);
    if (!search.failed && source->n_zones > 0) {
        return source;
    }
    if (n < 0) {
        snprintf(reason, ENERGY_TEXT_BYTES,
                 "no /sys/class/powercap (none in most virtual "
                 "machines)");
    } else if (!search.failed) {
        snprintf(reason, ENERGY_TEXT_BYTES, "no package zone in /sys/class/powercap");
    }
    free(source);
    return NULL;
}

/* "intel-rapl:0" is a package, "intel-rapl:0:2" a part of it; "intel-rapl-mmio:0" the same package
 * by another way. AMD's zones have these names too. */
static bool visit_zone(void *user, const char *path, const char *name)
{
    struct search *search = user;
    struct energy_source *source = search->source;
    char file[SYSFS_PATH_BYTES + 32];
    char zone_name[64];
    if (strncmp(name, "intel-rapl:", 11) != 0) {
        return true;
    }
    snprintf(file, sizeof file, "%s/name", path);
    if (!sysfs_read_text(zone_name, sizeof zone_name, file) ||
        (strncmp(zone_name, "package", 7) != 0 && strcmp(zone_name, "dram") != 0)) {
        return true;
    }
    if (source->n_zones == MAX_ZONES) {
        snprintf(search->reason, ENERGY_TEXT_BYTES, "more than %d RAPL zones", MAX_ZONES);
        search->failed = true;
        return false;
    }
    struct zone *zone = &source->zones[source->n_zones];
    snprintf(file, sizeof file, "%s/max_energy_range_uj", path);
    bool good = sysfs_read_number(&zone->range_uj, file) && zone->range_uj > 0;
    if (good) {
        snprintf(zone->path, sizeof zone->path, "%.480s/energy_uj", path);
        good = sysfs_read_number(&zone->last_uj, zone->path);
    }
    if (!good) {
        snprintf(search->reason, ENERGY_TEXT_BYTES, "RAPL zone %.32s (%.32s): %s%s", name,
                 zone_name, errno == EACCES ? "only root may read it" : strerror(errno),
                 errno == EACCES ? " (run as root, or allow reading energy_uj by a udev rule)"
                                 : "");
        search->failed = true;
        return false;
    }
    size_t used = strlen(search->scope);
    snprintf(search->scope + used, ENERGY_TEXT_BYTES - used, "%s%s", used > 0 ? " + " : "",
             zone_name);
    source->n_zones++;
    return true;
}

static bool rapl_read(struct energy_source *source, double *value, bool *wrapped,
                      char reason[ENERGY_TEXT_BYTES])
{
    double sum_uj = 0;
    double now_uj[MAX_ZONES];
    for (int i = 0; i < source->n_zones; i++) {
        const struct zone *zone = &source->zones[i];
        if (!sysfs_read_number(&now_uj[i], zone->path)) {
            snprintf(reason, ENERGY_TEXT_BYTES, "%.160s: %s", zone->path, strerror(errno));
            return false;
        }
        double more = now_uj[i] - zone->last_uj;
        if (more < 0) {
            more += zone->range_uj;
            *wrapped = true;
        }
        if (more < 0) {
            snprintf(reason, ENERGY_TEXT_BYTES, "%.120s: fell from %.0f to %.0f, range %.0f",
                     zone->path, zone->last_uj, now_uj[i], zone->range_uj);
            return false;
        }
        sum_uj += more;
    }
    for (int i = 0; i < source->n_zones; i++) {
        source->zones[i].last_uj = now_uj[i];
    }
    source->joules += sum_uj * 1e-6;
    *value = source->joules;
    return true;
}

static void rapl_close(struct energy_source *source)
{
    free(source);
}
