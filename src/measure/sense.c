/* SPDX-License-Identifier: MIT */
/* Energy, heat and memory of a run. */
#include "measure/sense.h"

#include "machine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t rollup_bytes(const char *key);

struct sense {
    const struct config_device *device;
};

enum mscope_status sense_open(struct sense **out, const struct config_device *device,
                              const char *root, struct mscope_error *err)
{
    (void)root;
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return error_set_memory(err, "sensors", sizeof **out);
    }
    (*out)->device = device;
    return MSCOPE_OK;
}

void sense_close(struct sense **sense)
{
    free(*sense);
    *sense = NULL;
}

void sense_before(struct sense *sense, struct record *record)
{
    (void)sense;
    (void)record;
}

void sense_start(struct sense *sense)
{
    (void)sense;
}

void sense_stop(struct sense *sense)
{
    (void)sense;
}

enum mscope_status sense_report(struct sense *sense, const struct driver_marks *marks,
                                struct record *record, struct mscope_error *err)
{
    (void)sense;
    (void)marks;
    return record_set_text(&record->energy_reason, "no energy source was read", err);
}

void sense_memory(struct record *record)
{
    struct machine_memory memory;
    if (machine_read_memory(&memory, NULL) == MSCOPE_OK) {
        record->peak_rss_bytes = (int64_t)memory.peak_rss;
        record->rss_anonymous_bytes = (int64_t)memory.rss_anonymous;
        record->rss_file_bytes = (int64_t)memory.rss_file;
    }
    record->pss_bytes = rollup_bytes("Pss:");
}

/* Of this process, from the kernel's sum over its mappings; null where there is none. */
static int64_t rollup_bytes(const char *key)
{
    FILE *stream = fopen("/proc/self/smaps_rollup", "rb");
    char line[256];
    int64_t value = RECORD_NO_INT;
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            value = strtoll(line + strlen(key), NULL, 10) * 1024;
        }
    }
    if (stream != NULL) {
        fclose(stream);
    }
    return value;
}
