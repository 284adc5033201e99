/* SPDX-License-Identifier: MIT */
/* One function per claim: fills `figure` and `measured`, or `reason`. Inside report/ only. */
#ifndef REPORT_VERDICT_TESTS_H
#define REPORT_VERDICT_TESTS_H

#include "report/verdict.h"

verdict_test_fn verdict_active_axis, verdict_memory_axis, verdict_footprint, verdict_peak_is_file,
    verdict_length_slope, verdict_energy, verdict_cost_tracks_total, verdict_whole_set,
    verdict_routing_short, verdict_routing_long, verdict_stable;

#endif
