/* SPDX-License-Identifier: MIT */
/*
 * Reproducible random numbers: xoshiro256** seeded by splitmix64 (Blackman and Vigna, "Scrambled
 * linear pseudorandom number generators", 2021). The same seed gives the same stream on every
 * machine. A struct belongs to one thread; streams for parallel work come from rng_seed_stream.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed);
/* An independent stream: the same (seed, stream) always gives the same numbers. */
void rng_seed_stream(struct rng *rng, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *rng);
float rng_uniform(struct rng *rng);              /* [0, 1), 24 bits */
double rng_uniform_double(struct rng *rng);      /* [0, 1), 53 bits */
float rng_normal(struct rng *rng);               /* mean 0, deviation 1 (Box-Muller) */
uint32_t rng_below(struct rng *rng, uint32_t n); /* 0 .. n-1, n > 0, unbiased */

#endif
