/* SPDX-License-Identifier: MIT */
/*
 * What a discharging battery delivers (ABI/testing/sysfs-class-power): power_now in microwatts, or
 * current_now in microamperes times voltage_now in microvolts; some drivers give a discharge
 * current a minus sign. Coarse: most batteries renew these values every second at best. On mains
 * power they say nothing about what the computer draws.
 */
#include "machine/energy_source.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATTERIES = 4 };

struct energy_source {
    char folders[MAX_BATTERIES][SYSFS_PATH_BYTES];
    int n;
};

struct search {
    struct energy_source *source;
    char *scope;
    char state[64]; /* of the last battery that is not discharging */
};

static struct energy_source *battery_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                          char reason[ENERGY_TEXT_BYTES]);
static bool battery_read(struct energy_source *source, double *value, bool *wrapped,
                         char reason[ENERGY_TEXT_BYTES]);
static void battery_close(struct energy_source *source);
static bool visit_supply(void *user, const char *path, const char *name);
static bool read_text_in(char text[64], const char *folder, const char *file);
static bool read_watts(double *watts, const char *folder);

const struct energy_source_class energy_source_battery = {
    .name = "battery",
    .wants_change = true,
    .covers_cpu = true,
    .rate_hz = 2,
    .open = battery_open,
    .read = battery_read,
    .close = battery_close,
};

static struct energy_source *battery_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                          char reason[ENERGY_TEXT_BYTES])
{
    char folder[SYSFS_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.400s/sys/class/power_supply", root);
    struct energy_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        snprintf(reason, ENERGY_TEXT_BYTES, "out of memory");
        return NULL;
    }
    scope[0] = '\0';
    struct search search = {source, scope, ""};
    sysfs_list(folder, visit_supply, &search);
    double watts;
    bool wrapped;
    if (source->n > 0 && battery_read(source, &watts, &wrapped, reason)) {
        return source;
    }
    if (source->n == 0) {
        snprintf(reason, ENERGY_TEXT_BYTES,
                 search.state[0] != '\0' ? "the battery is \"%s\", expected \"Discharging\""
                                         : "no battery in /sys/class/power_supply",
                 search.state);
    }
    free(source);
    return NULL;
}

static bool visit_supply(void *user, const char *path, const char *name)
{
    struct search *search = user;
    struct energy_source *source = search->source;
    char text[64];
    if (!read_text_in(text, path, "type") || strcmp(text, "Battery") != 0) {
        return true;
    }
    if (read_text_in(text, path, "scope") && strcmp(text, "Device") == 0) {
        return true; /* of a mouse or the like */
    }
    if (!read_text_in(text, path, "status") || strcmp(text, "Discharging") != 0) {
        snprintf(search->state, sizeof search->state, "%.60s", text);
        return true;
    }
    size_t used = strlen(search->scope);
    snprintf(source->folders[source->n++], SYSFS_PATH_BYTES, "%s", path);
    snprintf(search->scope + used, ENERGY_TEXT_BYTES - used, "%s%s", used > 0 ? " + " : "", name);
    return source->n < MAX_BATTERIES;
}

static bool battery_read(struct energy_source *source, double *value, bool *wrapped,
                         char reason[ENERGY_TEXT_BYTES])
{
    (void)wrapped;
    *value = 0;
    for (int i = 0; i < source->n; i++) {
        char state[64];
        double watts;
        if (!read_text_in(state, source->folders[i], "status")) {
            snprintf(reason, ENERGY_TEXT_BYTES, "%.160s/status: %s", source->folders[i],
                     strerror(errno));
            return false;
        }
        if (strcmp(state, "Discharging") != 0) {
            snprintf(reason, ENERGY_TEXT_BYTES, "the battery became \"%.60s\"", state);
            return false;
        }
        if (!read_watts(&watts, source->folders[i])) {
            snprintf(reason, ENERGY_TEXT_BYTES,
                     "%.160s: neither power_now nor current_now and voltage_now (%s)",
                     source->folders[i], strerror(errno));
            return false;
        }
        *value += watts;
    }
    return true;
}

static bool read_watts(double *watts, const char *folder)
{
    char path[SYSFS_PATH_BYTES + 32];
    double microamperes;
    double microvolts;
    snprintf(path, sizeof path, "%s/power_now", folder);
    if (sysfs_read_number(watts, path)) {
        *watts = fabs(*watts) * 1e-6;
        return true;
    }
    snprintf(path, sizeof path, "%s/current_now", folder);
    if (!sysfs_read_number(&microamperes, path)) {
        return false;
    }
    snprintf(path, sizeof path, "%s/voltage_now", folder);
    if (!sysfs_read_number(&microvolts, path)) {
        return false;
    }
    *watts = fabs(microamperes) * microvolts * 1e-12;
    return true;
}

static bool read_text_in(char text[64], const char *folder, const char *file)
{
    char path[SYSFS_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    text[0] = '\0';
    return sysfs_read_text(text, 64, path);
}

static void battery_close(struct energy_source *source)
{
    free(source);
}
