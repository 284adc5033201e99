/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of energy over time, without any sensor: a growing list of samples and the energy
 * between two moments. A counter series holds joules that only grow; a power series holds watts,
 * each valid until the next sample. Inside machine/ only. One owner at a time.
 */
#ifndef MACHINE_ENERGY_SERIES_H
#define MACHINE_ENERGY_SERIES_H

#include "machine/energy.h"

#include <stdbool.h>

struct energy_sample {
    uint64_t clock_ns;
    double value; /* joules since some moment, or watts */
};

struct energy_series {
    bool is_counter;
    bool wants_change;  /* one value again and again means that the sensor is not alive */
    uint64_t period_ns; /* expected between samples */
    struct energy_sample *samples;
    size_t n, capacity;
    unsigned flags; /* of the whole series: COUNTER_WRAPPED, VANISHED, CLOCK_BACKWARDS */
};

/* Forgets the samples, keeps the settings. */
void energy_series_clear(struct energy_series *series);
void energy_series_free(struct energy_series *series);

/* A sample not later than the one before is dropped and flagged. False when memory ran out. */
bool energy_series_add(struct energy_series *series, uint64_t clock_ns, double value);

/*
 * The energy from start_ns to end_ns. Counter: the difference of the counter at both ends,
 * interpolated between the samples around them. Power: left Riemann sum, the value of a sample held
 * until the next one, clipped to the stretch.
 */
void energy_series_slice(struct energy_slice *out, const struct energy_series *series,
                         uint64_t start_ns, uint64_t end_ns);

#endif
