/* SPDX-License-Identifier: MIT */
/* xoshiro256** 1.0 and splitmix64. */
#include "base/rng.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    rng_seed_stream(rng, seed, 0);
}

void rng_seed_stream(struct rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t mixer = stream;
    uint64_t state = seed ^ splitmix64(&mixer);
    for (int i = 0; i < 4; i++) {
        rng->state[i] = splitmix64(&state);
    }
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

float rng_uniform(struct rng *rng)
{
    return (float)(rng_next(rng) >> 40) * 0x1p-24f;
}

double rng_uniform_double(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

float rng_normal(struct rng *rng)
{
    double u = 1.0 - rng_uniform_double(rng); /* (0, 1] */
    double v = rng_uniform_double(rng);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

uint32_t rng_below(struct rng *rng, uint32_t n)
{
    /* Lemire's method: the high half of a 32 x 32 product, rejecting the biased part. */
    uint64_t product = (rng_next(rng) >> 32) * n;
    uint32_t threshold = (uint32_t)-n % n;
    while ((uint32_t)product < threshold) {
        product = (rng_next(rng) >> 32) * n;
    }
    return (uint32_t)(product >> 32);
}
