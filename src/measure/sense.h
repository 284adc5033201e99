/* SPDX-License-Identifier: MIT */
/*
 * Energy, heat and memory of a run, between the sensors of machine/ and the fields of a row. A
 * source that is not there, or goes away in the middle, leaves null fields and a reason. One thread
 * (the sampler's own thread aside).
 */
#ifndef MEASURE_SENSE_H
#define MEASURE_SENSE_H

#include "measure/config.h"
#include "measure/driver.h"

struct sense;
/* `root` "": this machine. Fails only for lack of memory. */
enum mscope_status sense_open(struct sense **out, const struct config_device *device,
                              const char *root, struct mscope_error *err);
void sense_close(struct sense **sense);

/* Idle power and temperature before a run (a pause of some seconds where there is a source). */
void sense_before(struct sense *sense, struct record *record);
void sense_start(struct sense *sense);
void sense_stop(struct sense *sense);
/* Slices the samples of the run to its phases and fills energy_* and temp_*; samples idle power
 * after it. */
enum mscope_status sense_report(struct sense *sense, const struct driver_marks *marks,
                                struct record *record, struct mscope_error *err);

/* peak_rss_bytes, pss_bytes, rss_anonymous_bytes, rss_file_bytes of this process. */
void sense_memory(struct record *record);

#endif
