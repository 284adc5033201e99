/* SPDX-License-Identifier: MIT */
/*
 * Inside `check` only: five gates, each a measurement with its allowance. A gate that cannot run
 * because something fails has failed, with the error as its text. One thread.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/input.h"
#include "cli/runtime.h"
#include "gguf/gguf.h"

enum { CHECK_N_GATES = 5 };

struct check_gate {
    const char *name;
    bool passed;
    char measured[200]; /* what was found, next to what is allowed */
};

/* Value and size of element i of a block, from the published formula in double precision. */
struct check_value {
    double value,
        magnitude; /* the second: sum of the magnitudes of its terms, for the rounding allowance */
};
/* `type` holds weights, i is below its block size. Written from the format's description alone
 * (docs/TYPES.md). */
struct check_value check_formula(enum dtype type, const unsigned char *block, uint32_t i);

/* Gate 1: 512 elements of every type in the file, as `cpu_level` dequantises them, against the
 * formula. */
void check_dequantise(struct check_gate *gate, const char *path, const char *cpu_level);

/* Gates 2 to 5 share their evaluations; `gates` are those four. */
void check_evaluate(struct check_gate gates[4], struct runtime *runtime,
                    const struct input_ids *ids, int n_threads, const char *cpu_level);

void check_pass_if(struct check_gate *gate, bool passed, const char *format, ...) BASE_PRINTF(3, 4);
void check_fail_with(struct check_gate *gate, const struct mscope_error *err);

#endif
