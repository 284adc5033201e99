/* SPDX-License-Identifier: MIT */
/*
 * The kernel checker: every function of every level of this CPU against the scalar reference. What
 * its parts share: random inputs, memory behind guard pages, the tally of one kernel.
 * Single-threaded.
 */
#ifndef CHECKER_CHECKER_H
#define CHECKER_CHECKER_H

#include "base/rng.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- memory whose neighbourhood is watched (guard.c) ---- */

/*
 * One of these; the canary is less than two pages, all beyond is without access:
 *   GUARD_AFTER    canary ... data |     data ends where the last page ends
 *   GUARD_BEFORE   | data ... canary     data begins where the first page begins
 */
enum guard_side { GUARD_AFTER, GUARD_BEFORE };

struct guard {
    uint8_t *data; /* of the current placement */
    size_t bytes;
    uint8_t *open; /* the pages around it that may be accessed */
    size_t open_bytes;
    uint8_t *pages; /* all pages between the two guards */
    size_t pages_bytes;
};

/* Ends the process when memory is refused: there is nothing to check then. */
void guard_open(struct guard *guard, size_t capacity);
void guard_close(struct guard *guard);
/* Makes all writable, fills it with the canary and places `bytes`, a multiple of the alignment
 * wanted. */
void *guard_place(struct guard *guard, size_t bytes, enum guard_side side);
/* Inputs become read-only, so that a kernel that writes to them faults. */
void guard_lock(struct guard *guard);
/* True while nothing outside the placed bytes was written. */
bool guard_intact(const struct guard *guard);
/* Byte `i` of the placement still holds the canary. */
bool guard_untouched(const struct guard *guard, size_t i, size_t bytes);
/* Runs call(argument); false when it touched a page that it must not (SIGSEGV, SIGBUS). */
bool guard_run(void (*call)(void *), void *argument);

/* ---- tally ---- */

struct checker {
    uint64_t seed;
    int n_cases;      /* per kernel */
    const char *only; /* part of a name, or NULL */
    bool quiet;       /* failures are counted, not described */
    struct rng rng;
    struct kernels ref;    /* the specification */
    struct kernels tested; /* NULL: nothing to check */
    long n_passed, n_failed;
    /* of the kernel being checked */
    char name[40];
    long kernel_passed, kernel_failed;
    double worst; /* largest error as a share of the tolerance */
    bool exact;   /* nothing but bits was compared */
    char doing[120];
    struct guard guards[5];
};

/* False when the name is not selected; otherwise the tally starts and the generator depends on name
 * and seed. */
bool checker_begin(struct checker *c, const char *kind, const char *type);
/* Prints the line of the kernel. */
void checker_end(struct checker *c);
/* What the next failures are about. */
void checker_doing(struct checker *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Counts one case; the first failures of a kernel are described. */
void checker_count(struct checker *c, bool ok, const char *what);
/* |got - want| <= tolerance, false for NaN; keeps the worst share. */
bool checker_close(struct checker *c, float got, double want, double tolerance);

/* ---- random inputs (inputs.c) ---- */

int checker_range(struct checker *c, int least, int most); /* inclusive */
enum guard_side checker_side(struct checker *c);
/* Floats of a random kind: normal, zero, constant, outlier, regular or random signs, wide. */
void checker_floats(struct checker *c, float *dst, size_t n);
/* Blocks of a weight type of a random character: random bits, all zero, all ones; scales stay sane.
 */
void checker_weights(struct checker *c, enum dtype type, uint8_t *dst, size_t n_blocks);
/* A row of activations to floats; type F32, Q8_0, Q8_1 or Q8_K. */
void checker_decode_act(enum dtype type, float *dst, const uint8_t *src, int n);
size_t checker_row_bytes(enum dtype type, int n);
int checker_block_elems(enum dtype type);
/* Smallest alignment that a row of this type may have. */
size_t checker_align(enum dtype type);

/* ---- the kernels by topic ---- */

void check_matmul(struct checker *c);
void check_blocks(struct checker *c); /* quantise, dequantise */
void check_cache(struct checker *c);
void check_vectors(struct checker *c);

/* 0 when every deliberately broken kernel is caught and the sound one is not. */
int selftest_run(uint64_t seed);
/* Times every kernel of `level` (NULL: all) whose name holds `only`. 0, or 1 when no level matched.
 */
int bench_run(const char *level, const char *only);

/* Checks every function of c->tested that is not NULL. */
void checker_all(struct checker *c);
void checker_close_memory(struct checker *c);

/* The table of a level that exists. */
void checker_select(struct kernels *out, const char *level);
/* The table of `level` with every function that equals the one of a weaker level NULL. */
void checker_own_kernels(struct kernels *own, const char *level);

#endif
