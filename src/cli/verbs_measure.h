/* SPDX-License-Identifier: MIT */
/* Tables of the verbs that measure, for verbs.c. */
#ifndef CLI_VERBS_MEASURE_H
#define CLI_VERBS_MEASURE_H

#include "cli/cli.h"

extern const struct option_argument study_arguments[], bench_arguments[];
extern const struct option_spec study_options[], bench_options[];
extern const struct cli_example study_examples[], bench_examples[];
extern const char study_text[], bench_text[];

#endif
