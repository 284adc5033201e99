/* SPDX-License-Identifier: MIT */
/*
 * What a source of energy readings is to the sampler (energy.c). A source is opened below a root
 * folder, gives one reading after the other from the sampling thread, and is closed. Inside
 * machine/ only. One thread at a time.
 */
#ifndef MACHINE_ENERGY_SOURCE_H
#define MACHINE_ENERGY_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { ENERGY_TEXT_BYTES = 256 };

struct energy_source;

struct energy_source_class {
    const char *name;
    bool is_counter;   /* readings are joules that only grow, else watts */
    bool wants_change; /* a live sensor never repeats itself for long */
    bool waits;        /* read waits for the next reading by itself */
    bool covers_cpu;   /* chosen without being asked for */
    double rate_hz;
    /* NULL and `reason` filled when there is no such source. `scope`: what a reading covers. */
    struct energy_source *(*open)(const char *root, char scope[ENERGY_TEXT_BYTES],
                                  char reason[ENERGY_TEXT_BYTES]);
    /* Readings that have piled up are thrown away; NULL: there are none. */
    void (*begin)(struct energy_source *source);
    /* False and `reason` filled when it failed. *wrapped becomes true when a counter began again.
     */
    bool (*read)(struct energy_source *source, double *value, bool *wrapped,
                 char reason[ENERGY_TEXT_BYTES]);
    void (*close)(struct energy_source *source);
};

extern const struct energy_source_class energy_source_rapl, energy_source_ina3221,
    energy_source_tegrastats, energy_source_battery, energy_source_nvml;

/* A sampler of the first of these classes that has a source here. */
struct energy_sampler;
enum mscope_status energy_open_class(struct energy_sampler **out, const char *root,
                                     const struct energy_source_class *const *classes,
                                     int n_classes, struct mscope_error *err);

/* ---- sysfs.c: small files of the kernel ---- */

enum { SYSFS_PATH_BYTES = 512 };

/* The first line without its end. False, with errno, when not readable or empty. */
bool sysfs_read_text(char *text, size_t size, const char *path);
/* One decimal number. */
bool sysfs_read_number(double *value, const char *path);
/* Calls `visit` with the path of every entry of `folder` in the order of their names (numbers in
 * them by value), until it returns false. Returns how many there were, -1 when there is no such
 * folder. */
int sysfs_list(const char *folder, bool (*visit)(void *user, const char *path, const char *name),
               void *user);

#endif
