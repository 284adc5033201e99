/* SPDX-License-Identifier: MIT */
/*
 * Floats to super-blocks of 256 with a search. Two stages, both least squares: real parameters for
 * each group, then the common half-precision factors and the groups' small integers in turn, each
 * the best for the other.
 */
#include "kernels/pack.h"
#include "kernels/quants_fit.h"
#include "kernels/quants_internal.h"

#include <math.h>

enum { MAX_GROUPS = 16, N_TURNS = 2 };

/* Scale-only super-block: value = d * sc * level. */
struct scaled {
    float d;
    int sc[MAX_GROUPS];
    float err;
};

/* Super-block with minima: value = d * sc * q - dmin * m. */
struct shifted {
    float d, dmin;
    uint8_t sc[MAX_GROUPS], m[MAX_GROUPS];
    float err;
};

static void search_scaled(uint8_t *q, struct scaled *best, const float *src, int n_groups,
                          const struct fit_levels *levels, int lo, int hi)
{
    int n = SUPER_BLOCK_ELEMS / n_groups;
    float x[SUPER_BLOCK_ELEMS], extreme = 0.0f;
    struct fit_group fit[MAX_GROUPS];
    fit_load(x, src, SUPER_BLOCK_ELEMS);
    for (int g = 0; g < n_groups; g++) {
        fit_scale(&fit[g], x + n * g, n, levels);
        extreme = fabsf(fit[g].scale) > fabsf(extreme) ? fit[g].scale : extreme;
    }
    *best = (struct scaled){.err = INFINITY};
    float d = extreme / (float)lo;
    for (int turn = 0; turn < N_TURNS; turn++) {
        struct scaled now = {.d = fit_half_scale(d)};
        float xq = 0.0f, qq = 0.0f;
        for (int g = 0; g < n_groups; g++) {
            struct fit_group group;
            now.sc[g] = fit_int_scale(&group, x + n * g, n, levels, now.d, fit[g].scale, lo, hi);
            now.err += group.err;
            xq += (float)now.sc[g] * group.xq;
            qq += (float)(now.sc[g] * now.sc[g]) * group.qq;
        }
        if (now.err < best->err) {
            *best = now;
        }
        if (qq > 0.0f) {
            d = xq / qq;
        }
    }
    for (int g = 0; g < n_groups; g++) {
        fit_quants(q + n * g, x + n * g, n, levels, best->d * (float)best->sc[g], 0.0f);
    }
}

static void search_shifted(uint8_t *q, struct shifted *best, const float *src, int n_groups,
                           float hi, int limit)
{
    int n = SUPER_BLOCK_ELEMS / n_groups;
    float x[SUPER_BLOCK_ELEMS], most = 0.0f, least = 0.0f;
    struct fit_group fit[MAX_GROUPS];
    fit_load(x, src, SUPER_BLOCK_ELEMS);
    for (int g = 0; g < n_groups; g++) {
        fit_affine(&fit[g], x + n * g, n, hi, -1);
        most = fmaxf(most, fit[g].scale);
        least = fminf(least, fit[g].offset);
    }
    *best = (struct shifted){.err = INFINITY};
    float d = most / (float)limit, dmin = -least / (float)limit;
    for (int turn = 0; turn < N_TURNS; turn++) {
        struct shifted now = {.d = fit_half_scale(d), .dmin = fit_half_scale(dmin)};
        float ss = 0.0f, sm = 0.0f, mm = 0.0f, sx = 0.0f, mx = 0.0f;
        for (int g = 0; g < n_groups; g++) {
            struct fit_group group = fit[g];
            fit_int_affine(&group, &now.sc[g], &now.m[g], x + n * g, n, hi, now.d, now.dmin, limit);
            now.err += group.err;
            float s = (float)now.sc[g], m = (float)now.m[g];
            ss += s * s * group.qq;
            sm -= s * m * group.q;
            mm += m * m * (float)n;
            sx += s * group.xq;
            mx -= m * group.x;
        }
        if (now.err < best->err) {
            *best = now;
        }
        float det = ss * mm - sm * sm;
        if (det > 1e-6f * ss * mm) {
            d = (sx * mm - mx * sm) / det;
            dmin = (mx * ss - sx * sm) / det;
        } else if (ss > 0.0f) {
            d = sx / ss;
        }
        d = d > 0.0f ? d : 0.0f;
        dmin = dmin > 0.0f ? dmin : 0.0f;
    }
    const struct fit_levels levels = {0.0f, hi, 0.0f, false};
    for (int g = 0; g < n_groups; g++) {
        fit_quants(q + n * g, x + n * g, n, &levels, best->d * (float)best->sc[g],
                   -(best->dmin * (float)best->m[g]));
    }
}

void quants_search_q2_k(void *dst, const float *src, size_t n)
{
    struct block_q2_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS];
        struct shifted best;
        search_shifted(q, &best, src + i, 16, 3.0f, 15);
        for (int g = 0; g < 16; g++) {
            block->scales[g] = (uint8_t)(best.sc[g] | best.m[g] << 4);
        }
        pack_half(block->d, best.d);
        pack_half(block->dmin, best.dmin);
        pack_pairs(block->qs, q);
    }
}

void quants_search_q3_k(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-4.0f, 3.0f, 0.06f, false};
    struct block_q3_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], sc[16];
        struct scaled best;
        search_scaled(q, &best, src + i, 16, &levels, -32, 31);
        for (int g = 0; g < 16; g++) {
            sc[g] = (uint8_t)(best.sc[g] + 32);
        }
        pack_half(block->d, best.d);
        pack_q3_k_scales(block->scales, sc);
        pack_pairs(block->qs, q);
        pack_mask(block->hmask, q, 2);
    }
}

void quants_search_q4_k(void *dst, const float *src, size_t n)
{
    struct block_q4_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS];
        struct shifted best;
        search_shifted(q, &best, src + i, 8, 15.0f, 63);
        pack_half(block->d, best.d);
        pack_half(block->dmin, best.dmin);
        pack_k4_scales(block->scales, best.sc, best.m);
        pack_q4_k(block->qs, q);
    }
}

void quants_search_q5_k(void *dst, const float *src, size_t n)
{
    struct block_q5_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS];
        struct shifted best;
        search_shifted(q, &best, src + i, 8, 31.0f, 63);
        pack_half(block->d, best.d);
        pack_half(block->dmin, best.dmin);
        pack_k4_scales(block->scales, best.sc, best.m);
        pack_q4_k(block->qs, q);
        pack_mask(block->qh, q, 4);
    }
}

void quants_search_q6_k(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-32.0f, 31.0f, 0.018f, false};
    struct block_q6_k *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS];
        struct scaled best;
        search_scaled(q, &best, src + i, 16, &levels, -128, 127);
        for (int g = 0; g < 16; g++) {
            block->scales[g] = (int8_t)best.sc[g];
        }
        pack_half(block->d, best.d);
        pack_q6_k(block, q);
    }
}

void quants_search_iq4_xs(void *dst, const float *src, size_t n)
{
    static const struct fit_levels levels = {-127.0f, 113.0f, 0.04f, true};
    struct block_iq4_xs *block = dst;
    for (size_t i = 0; i < n; i += SUPER_BLOCK_ELEMS, block++) {
        uint8_t q[SUPER_BLOCK_ELEMS], sc[8];
        struct scaled best;
        search_scaled(q, &best, src + i, 8, &levels, -32, 31);
        for (int g = 0; g < 8; g++) {
            sc[g] = (uint8_t)(best.sc[g] + 32);
            pack_nibbles(block->qs + 16 * g, q + 32 * g);
        }
        pack_half(block->d, best.d);
        pack_iq4_xs_scales(block, sc);
    }
}
