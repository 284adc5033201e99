/* SPDX-License-Identifier: MIT */
/*
 * The few functions of NVIDIA's management library that are needed, as a table: filled from the
 * library when it is there at run time, by a test otherwise. Names, types and units as in the "NVML
 * API Reference". Inside machine/ only.
 */
#ifndef MACHINE_NVML_H
#define MACHINE_NVML_H

#include "machine/energy_source.h"

struct nvml_device; /* the library's */

struct nvml_api { /* all return 0 for success */
    int (*init)(void);
    int (*shutdown)(void);
    int (*get_count)(unsigned *count);
    int (*get_device)(unsigned index, struct nvml_device **device);
    int (*get_energy)(struct nvml_device *device, unsigned long long *millijoules);
    const char *(*get_text)(int result);
};

/* Sums all GPUs by their counters. NULL with a reason. The table is copied. */
struct energy_source *nvml_open(const struct nvml_api *api, char scope[ENERGY_TEXT_BYTES],
                                char reason[ENERGY_TEXT_BYTES]);

#endif
