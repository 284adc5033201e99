/* SPDX-License-Identifier: MIT */
/*
 * Energy of the computer over time. A sampler reads one source at a fixed rate from a thread of its
 * own; afterwards any stretch between two stamps of clock_now_ns() can be asked for:
 *
 *   open ── start ═══ samples ═══ stop ── slice, slice, ... ── start ... ── close
 *
 * Sources: RAPL zones (powercap), a Jetson's INA3221 rails (hwmon), a Jetson's tegrastats, a
 * discharging battery, NVIDIA GPUs (NVML, loaded at run time). All but the last cover the CPU; a
 * GPU's energy is only measured when asked for by name. There is no number rather than a weak one:
 * where samples are missing, joules and watts are NaN and a flag says why. All calls from one
 * thread.
 */
#ifndef MACHINE_ENERGY_H
#define MACHINE_ENERGY_H

#include "base/error.h"

struct energy_sampler;

/*
 * Chooses a source below `root` ("" for this machine; tests give a tree of their own). `want`: NULL
 * or "auto", else the only source tried: "rapl", "ina3221", "tegrastats", "battery", "nvml",
 * "none". A machine without source is no error: energy_source() is then NULL and energy_reason()
 * tells why. Fails for an unknown `want` (MSCOPE_ERR_ARGUMENT) and for lack of memory.
 */
enum mscope_status energy_open(struct energy_sampler **out, const char *root, const char *want,
                               struct mscope_error *err);
void energy_close(struct energy_sampler **sampler);

const char *energy_source(const struct energy_sampler *sampler); /* "rapl"; NULL: none */
/* Why there is no source, or why it stopped giving numbers; "" while all is well. */
const char *energy_reason(const struct energy_sampler *sampler);
/* What the number covers: "package-0 + dram", "VDD_IN". "" without source. */
const char *energy_scope(const struct energy_sampler *sampler);
double energy_rate_hz(const struct energy_sampler *sampler); /* 0 without source */

/* Forgets all samples, takes the first and begins: what starts after it is covered. Without source
 * both do nothing and succeed. */
enum mscope_status energy_start(struct energy_sampler *sampler, struct mscope_error *err);
/* Takes a last sample and ends the thread; within a period of the source. */
void energy_stop(struct energy_sampler *sampler);

enum energy_flag {
    ENERGY_FEW_SAMPLES = 1,      /* fewer than ENERGY_MIN_SAMPLES inside: no number */
    ENERGY_NOT_COVERED = 2,      /* samples do not reach from end to end: no number */
    ENERGY_GAP = 4,              /* a hole between samples: no number from a power sensor */
    ENERGY_VANISHED = 8,         /* the sensor went away while sampling: no number after that */
    ENERGY_STALE = 16,           /* the sensor repeats one value: no number (battery only) */
    ENERGY_COUNTER_WRAPPED = 32, /* and was put right */
    ENERGY_HIGH_CV = 64,         /* raw samples vary by more than ENERGY_CV_LIMIT */
    ENERGY_CLOCK_BACKWARDS = 128 /* samples were dropped because time did not advance */
};
enum { ENERGY_MIN_SAMPLES = 12, ENERGY_N_FLAGS = 8 };
#define ENERGY_CV_LIMIT 0.35

/* "few_samples", ... of the i-th flag (1 << i). */
const char *energy_flag_name(int i);

struct energy_slice {
    double joules; /* counter difference, or left Riemann sum of power */
    double w_mean; /* joules / seconds */
    double w_max, w_median;
    double cv;      /* standard deviation / mean of the raw samples inside */
    int n_samples;  /* inside */
    unsigned flags; /* set of energy_flag */
};
/* After energy_stop. Without source, or where flags say so, all numbers are NaN. */
void energy_slice(struct energy_slice *out, const struct energy_sampler *sampler, uint64_t start_ns,
                  uint64_t end_ns);

#endif
