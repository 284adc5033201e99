/* SPDX-License-Identifier: MIT */
/* Tables of the verbs about this machine and its models, for verbs.c. */
#ifndef CLI_VERBS_MACHINE_H
#define CLI_VERBS_MACHINE_H

#include "cli/cli.h"

extern const struct option_argument fetch_arguments[], machine_arguments[];
extern const struct option_spec fetch_options[], machine_options[];
extern const struct cli_example fetch_examples[], machine_examples[];
extern const char fetch_text[], machine_text[];

#endif
