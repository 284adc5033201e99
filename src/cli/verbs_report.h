/* SPDX-License-Identifier: MIT */
/* Tables of the verbs that show and prove, for verbs.c. */
#ifndef CLI_VERBS_REPORT_H
#define CLI_VERBS_REPORT_H

#include "cli/cli.h"

extern const struct option_argument report_arguments[], reproduce_arguments[];
extern const struct option_spec report_options[], reproduce_options[];
extern const struct cli_example report_examples[], reproduce_examples[];
extern const char report_text_help[], reproduce_text_help[];

#endif
