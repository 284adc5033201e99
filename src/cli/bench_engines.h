/* SPDX-License-Identifier: MIT */
/* The engines that --engine names, and the key for servers. One thread. */
#ifndef CLI_BENCH_ENGINES_H
#define CLI_BENCH_ENGINES_H

#include "cli/options.h"

#include "base/strbuf.h"
#include "measure/bench.h"

/* --engine, repeated; none: the own one. Names are made unlike each other: "llama.cpp#2" for the
 * second without a name of its own. Targets point into the options. */
enum mscope_status engines_read(struct bench_engine engines[BENCH_MAX_ENGINES], int *n,
                                const struct options *options, struct mscope_error *err);

/* First line of --api-key-file, else the environment's MOESCOPE_API_KEY, else nothing. */
enum mscope_status engines_read_key(struct strbuf *key, const struct options *options,
                                    struct mscope_error *err);

#endif
