/* SPDX-License-Identifier: MIT */
/*
 * Power monitors INA3221 of a Jetson board by hwmon (kernel documentation, "Kernel driver
 * ina3221"): in1..in3 in millivolts with a label for the rail, curr1..curr3 in milliamperes. Only a
 * rail that feeds the whole module is taken; the others are parts of it.
 */
#include "machine/energy_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_CHANNELS = 3 };

struct energy_source {
    char volts[SYSFS_PATH_BYTES + 32], amperes[SYSFS_PATH_BYTES + 32];
};

struct search {
    struct energy_source *source;
    char rail[64];  /* found; "" none yet */
    char seen[160]; /* rails, separated by commas */
    bool has_chip;
};

static struct energy_source *ina_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                      char reason[ENERGY_TEXT_BYTES]);
static bool ina_read(struct energy_source *source, double *value, bool *wrapped,
                     char reason[ENERGY_TEXT_BYTES]);
static void ina_close(struct energy_source *source);
static bool visit_chip(void *user, const char *path, const char *name);

/* Conversion and averaging of the chip take some milliseconds; ten looks a second are the habit. */
const struct energy_source_class energy_source_ina3221 = {
    .name = "ina3221",
    .covers_cpu = true,
    .rate_hz = 20,
    .open = ina_open,
    .read = ina_read,
    .close = ina_close,
};

static struct energy_source *ina_open(const char *root, char scope[ENERGY_TEXT_BYTES],
                                      char reason[ENERGY_TEXT_BYTES])
{
    char folder[SYSFS_PATH_BYTES];
    snprintf(folder, sizeof folder, "%.400s/sys/class/hwmon", root);
    struct energy_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        snprintf(reason, ENERGY_TEXT_BYTES, "out of memory");
        return NULL;
    }
    struct search search = {.source = source};
    sysfs_list(folder, visit_chip, &search);
    double watts;
    bool wrapped;
    if (search.rail[0] == '\0') {
        snprintf(reason, ENERGY_TEXT_BYTES,
                 search.has_chip ? "no rail VDD_IN or POM_5V_IN of the whole board, only %s"
                                 : "no INA3221 in /sys/class/hwmon",
                 search.seen);
    } else if (ina_read(source, &watts, &wrapped, reason)) {
        snprintf(scope, ENERGY_TEXT_BYTES, "%s", search.rail);
        return source;
    }
    free(source);
    return NULL;
}

static bool visit_chip(void *user, const char *path, const char *name)
{
    (void)name;
    struct search *search = user;
    char file[SYSFS_PATH_BYTES + 32];
    char text[64];
    snprintf(file, sizeof file, "%s/name", path);
    if (!sysfs_read_text(text, sizeof text, file) || strcmp(text, "ina3221") != 0) {
        return true;
    }
    search->has_chip = true;
    for (int i = 1; i <= N_CHANNELS; i++) {
        snprintf(file, sizeof file, "%s/in%d_label", path, i);
        if (!sysfs_read_text(text, sizeof text, file)) {
            continue;
        }
        size_t used = strlen(search->seen);
        snprintf(search->seen + used, sizeof search->seen - used, "%s%s", used > 0 ? ", " : "",
                 text);
        if (strcmp(text, "VDD_IN") == 0 || strcmp(text, "POM_5V_IN") == 0) {
            struct energy_source *source = search->source;
            snprintf(search->rail, sizeof search->rail, "%s", text);
            snprintf(source->volts, sizeof source->volts, "%s/in%d_input", path, i);
            snprintf(source->amperes, sizeof source->amperes, "%s/curr%d_input", path, i);
            return false;
        }
    }
    return true;
}

static bool ina_read(struct energy_source *source, double *value, bool *wrapped,
                     char reason[ENERGY_TEXT_BYTES])
{
    (void)wrapped;
    double millivolts;
    double milliamperes;
    const char *path = source->volts;
    bool good = sysfs_read_number(&millivolts, path);
    if (good) {
        path = source->amperes;
        good = sysfs_read_number(&milliamperes, path);
    }
    if (!good) {
        snprintf(reason, ENERGY_TEXT_BYTES, "%.160s: %s", path, strerror(errno));
        return false;
    }
    *value = millivolts * milliamperes * 1e-6;
    if (*value < 0) {
        snprintf(reason, ENERGY_TEXT_BYTES, "%.160s: %.0f mA, expected at least 0", path,
                 milliamperes);
        return false;
    }
    return true;
}

static void ina_close(struct energy_source *source)
{
    free(source);
}
