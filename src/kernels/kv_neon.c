/* SPDX-License-Identifier: MIT */
/* Key-value cache rows of F32, F16 and Q8_0: store, scores, weighted sum; NEON. */
#include "kernels/neon.h"

typedef float32x4_t kv_vec;

enum { KV_LANES = 4 };

TILES_INLINE kv_vec kv_set1(float value)
{
    return vdupq_n_f32(value);
}

TILES_INLINE kv_vec kv_mul(kv_vec a, kv_vec b)
{
    return vmulq_f32(a, b);
}

TILES_INLINE kv_vec kv_fma(kv_vec a, kv_vec b, kv_vec sum)
{
    return vfmaq_f32(sum, a, b);
}

TILES_INLINE kv_vec kv_load(const uint8_t *p)
{
    return neon_load_f32(p, 0);
}

TILES_INLINE void kv_store(float *p, kv_vec value)
{
    vst1q_f32(p, value);
}

TILES_INLINE kv_vec kv_load_f16(const uint8_t *p)
{
    return neon_load_f16(p, 0);
}

TILES_INLINE kv_vec kv_load_i8(const uint8_t *p)
{
    uint32_t four = block_u32(p);
    int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))));
}

TILES_INLINE float kv_half(const uint8_t *p)
{
    return neon_half(p);
}

/* Thirty-two registers: sixteen sums with four queries, eight with fewer. */
#define KV_KEY_PANELS(n_q)  ((n_q) == 1 ? 2 : 1)
#define KV_VALUE_VECS(n_q)  ((n_q) == 1 ? 8 : 4)
#define KV_FOR_QUERIES(run) run(4) run(2) run(1)

#include "kernels/kv_tiles.h"

KV_DEFINE(neon, f32, KERNEL_KV_F32)
KV_DEFINE(neon, f16, KERNEL_KV_F16)
KV_DEFINE(neon, q8_0, KERNEL_KV_Q8_0)

void neon_kv_store_f32(void *dst, const float *src, int n)
{
    memcpy(dst, src, (size_t)n * sizeof *src);
}

void neon_kv_store_f16(void *dst, const float *src, int n)
{
    uint8_t *out = dst;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        vst1_u8(out + 2 * i, vreinterpret_u8_f16(vcvt_f16_f32(vld1q_f32(src + i))));
    }
    for (; i < n; i++) {
        __fp16 half = (__fp16)src[i];
        memcpy(out + 2 * i, &half, sizeof half);
    }
}
