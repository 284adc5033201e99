/* SPDX-License-Identifier: MIT */
/* `run` on a terminal: each line continues one conversation. One thread. */
#ifndef CLI_INTERACTIVE_H
#define CLI_INTERACTIVE_H

#include "cli/generate.h"

/* No prompt was given and standard input is a terminal. */
bool interactive_wanted(const struct options *options);
/* enum mscope_tokenize_flags from --no-bos and --no-special. */
unsigned interactive_tokenize_flags(const struct options *options);
/* Until the end of input. What is wrong with one line is told and the conversation goes on. */
enum mscope_status interactive_run(struct runtime *runtime, const struct options *options,
                                   const struct generate_params *params, struct mscope_error *err);

#endif
