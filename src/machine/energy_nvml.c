/* SPDX-License-Identifier: MIT */
/*
 * Energy of NVIDIA GPUs by their counters (Volta and later; millijoules since the driver was
 * loaded), from a library loaded at run time. Older GPUs only tell a power that is a moving average
 * over up to a second: too weak to be split into phases, so there is no number for them. The rest
 * of the computer is not in it.
 */
#include "machine/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GPUS = 16 };

struct energy_source {
    struct nvml_api api;
    void *library; /* NULL: of a test */
    struct nvml_device *gpus[MAX_GPUS];
    unsigned long long last_mj[MAX_GPUS];
    unsigned n;
    double joules;
};

static struct energy_source *nvml_load(const char *root, char scope[ENERGY_TEXT_BYTES],
                                       char reason[ENERGY_TEXT_BYTES]);
static bool nvml_read(struct energy_source *source, double *value, bool *wrapped,
                      char reason[ENERGY_TEXT_BYTES]);
static void nvml_close(struct energy_source *source);
static bool find_functions(struct nvml_api *api, void *library, char reason[ENERGY_TEXT_BYTES]);
static bool find_gpus(struct energy_source *source, char reason[ENERGY_TEXT_BYTES]);
static bool say(const struct nvml_api *api, int result, const char *what,
                char reason[ENERGY_TEXT_BYTES]);

const struct energy_source_class energy_source_nvml = {
    .name = "nvml",
    .is_counter = true,
    .rate_hz = 10,
    .open = nvml_load,
    .read = nvml_read,
    .close = nvml_close,
};

static struct energy_source *nvml_load(const char *root, char scope[ENERGY_TEXT_BYTES],
                                       char reason[ENERGY_TEXT_BYTES])
{
    static const char name[] = "libnvidia-ml.so.1";
    if (root[0] != '\0') {
        snprintf(reason, ENERGY_TEXT_BYTES, "%s is not looked for below %.100s", name, root);
        return NULL;
    }
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(reason, ENERGY_TEXT_BYTES, "no %s (no NVIDIA driver)", name);
        return NULL;
    }
    struct nvml_api api;
    struct energy_source *source = NULL;
    if (find_functions(&api, library, reason)) {
        source = nvml_open(&api, scope, reason);
    }
    if (source == NULL) {
        dlclose(library);
        return NULL;
    }
    source->library = library;
    return source;
}

static bool find_functions(struct nvml_api *api, void *library, char reason[ENERGY_TEXT_BYTES])
{
    const struct {
        const char *name;
        void *slot;
    } functions[] = {
        {"nvmlInit_v2", &api->init},
        {"nvmlShutdown", &api->shutdown},
        {"nvmlDeviceGetCount_v2", &api->get_count},
        {"nvmlDeviceGetHandleByIndex_v2", &api->get_device},
        {"nvmlDeviceGetTotalEnergyConsumption", &api->get_energy},
        {"nvmlErrorString", &api->get_text},
    };
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *symbol = dlsym(library, functions[i].name);
        if (symbol == NULL) {
            snprintf(reason, ENERGY_TEXT_BYTES, "the NVIDIA driver has no %s", functions[i].name);
            return false;
        }
        memcpy(functions[i].slot, &symbol, sizeof symbol); /* POSIX: the same representation */
    }
    return true;
}

struct energy_source *nvml_open(const struct nvml_api *api, char scope[ENERGY_TEXT_BYTES],
                                char reason[ENERGY_TEXT_BYTES])
{
    struct energy_source *source = calloc(1, sizeof *source);
    if (source == NULL) {
        snprintf(reason, ENERGY_TEXT_BYTES, "out of memory");
        return NULL;
    }
    source->api = *api;
    if (!say(api, api->init(), "nvmlInit", reason)) {
        free(source);
        return NULL;
    }
    if (!find_gpus(source, reason)) {
        nvml_close(source);
        return NULL;
    }
    snprintf(scope, ENERGY_TEXT_BYTES, "%u GPU%s, not the rest of the computer", source->n,
             source->n == 1 ? "" : "s");
    return source;
}

static bool find_gpus(struct energy_source *source, char reason[ENERGY_TEXT_BYTES])
{
    const struct nvml_api *api = &source->api;
    unsigned n = 0;
    if (!say(api, api->get_count(&n), "nvmlDeviceGetCount", reason)) {
        return false;
    }
    if (n == 0 || n > MAX_GPUS) {
        snprintf(reason, ENERGY_TEXT_BYTES, "%u NVIDIA GPUs, expected 1 to %d", n, MAX_GPUS);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!say(api, api->get_device(i, &source->gpus[i]), "nvmlDeviceGetHandleByIndex", reason) ||
            !say(api, api->get_energy(source->gpus[i], &source->last_mj[i]),
                 "nvmlDeviceGetTotalEnergyConsumption", reason)) {
            return false;
        }
    }
    source->n = n;
    return true;
}

static bool nvml_read(struct energy_source *source, double *value, bool *wrapped,
                      char reason[ENERGY_TEXT_BYTES])
{
    (void)wrapped;
    unsigned long long sum_mj = 0;
    for (unsigned i = 0; i < source->n; i++) {
        unsigned long long now_mj;
        if (!say(&source->api, source->api.get_energy(source->gpus[i], &now_mj),
                 "nvmlDeviceGetTotalEnergyConsumption", reason)) {
            return false;
        }
        if (now_mj < source->last_mj[i]) {
            snprintf(reason, ENERGY_TEXT_BYTES, "GPU %u: counter fell from %llu to %llu mJ", i,
                     source->last_mj[i], now_mj);
            return false;
        }
        sum_mj += now_mj - source->last_mj[i];
        source->last_mj[i] = now_mj;
    }
    source->joules += (double)sum_mj * 1e-3;
    *value = source->joules;
    return true;
}

static bool say(const struct nvml_api *api, int result, const char *what,
                char reason[ENERGY_TEXT_BYTES])
{
    if (result != 0) {
        snprintf(reason, ENERGY_TEXT_BYTES, "%s: %.120s", what, api->get_text(result));
    }
    return result == 0;
}

static void nvml_close(struct energy_source *source)
{
    source->api.shutdown();
    if (source->library != NULL) {
        dlclose(source->library);
    }
    free(source);
}
