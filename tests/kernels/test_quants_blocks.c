/* SPDX-License-Identifier: MIT */
/*
 * Layouts: every type's dequantised values against the definition of the format, written here once
 * more element by element, on blocks of random bits; a few blocks computed by hand; and packing as
 * the inverse of unpacking.
 */
#include "base/rng.h"
#include "kernels/pack.h"
#include "kernels/quants.h"
#include "kernels/unpack.h"
#include "unit.h"

#include <math.h>
#include <string.h>

enum { SEED = 20240611 };

static const enum dtype block_types[] = {
    DTYPE_Q4_0, DTYPE_Q4_1, DTYPE_Q5_0, DTYPE_Q5_1,   DTYPE_Q8_0,   DTYPE_Q2_K,  DTYPE_Q3_K,
    DTYPE_Q4_K, DTYPE_Q5_K, DTYPE_Q6_K, DTYPE_IQ4_NL, DTYPE_IQ4_XS, DTYPE_MXFP4,
};
enum { N_BLOCK_TYPES = sizeof block_types / sizeof block_types[0] };

static double half_at(const uint8_t *p)
{
    return (double)quants_f16_to_f32((uint16_t)(p[0] | p[1] << 8));
}

/* Element i of 32: byte i has the low half for i < 16, byte i - 16 the high half above. */
static int nibble(const uint8_t *qs, int i)
{
    return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

static int bit(const uint8_t *bytes, int i)
{
    return bytes[i / 8] >> (i % 8) & 1;
}

static int iq4_level(int index)
{
    static const int levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
    return levels[index];
}

static double fp4_level(int index)
{
    static const double levels[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    return index < 8 ? levels[index] : -levels[index - 8];
}

static double simple_value(enum dtype type, const uint8_t *b, int i)
{
    switch (type) {
    case DTYPE_Q4_0:
        return half_at(b) * (nibble(b + 2, i) - 8);
    case DTYPE_Q4_1:
        return half_at(b) * nibble(b + 4, i) + half_at(b + 2);
    case DTYPE_Q5_0:
        return half_at(b) * (nibble(b + 6, i) + 16 * bit(b + 2, i) - 16);
    case DTYPE_Q5_1:
        return half_at(b) * (nibble(b + 8, i) + 16 * bit(b + 4, i)) + half_at(b + 2);
    case DTYPE_Q8_0:
        return half_at(b) * (int8_t)b[2 + i];
    case DTYPE_IQ4_NL:
        return half_at(b) * iq4_level(nibble(b + 2, i));
    default: /* MXFP4 */
        return ldexp(fp4_level(nibble(b + 1, i)), b[0] - 127);
    }
}

static double k4_value(const uint8_t *b, int q, int j)
{
    const uint8_t *s = b + 4;
    int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) + 16 * (s[j - 4] >> 6);
    int minimum = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) + 16 * (s[j] >> 6);
    return half_at(b) * scale * q - half_at(b + 2) * minimum;
}

static double super_value(enum dtype type, const uint8_t *b, int i)
{
    int run = i / 32, l = i % 32, group = i / 16; /* 8 runs of 32, 16 groups of 16 */
    switch (type) {
    case DTYPE_Q2_K: {
        int q = b[16 + 32 * (run / 4) + l] >> (2 * (run % 4)) & 3;
        return half_at(b + 80) * (b[group] & 15) * q - half_at(b + 82) * (b[group] >> 4);
    }
    case DTYPE_Q3_K: {
        const uint8_t *s = b + 96;
        int q = b[32 + 32 * (run / 4) + l] >> (2 * (run % 4)) & 3;
        int low = group < 8 ? s[group] & 15 : s[group - 8] >> 4;
        int high = s[8 + group % 4] >> (2 * (group / 4)) & 3;
        q -= (b[l] >> run & 1) != 0 ? 0 : 4;
        return half_at(b + 108) * (low + 16 * high - 32) * q;
    }
    case DTYPE_Q4_K: {
        int byte = b[16 + 32 * (run / 2) + l];
        return k4_value(b, run % 2 == 0 ? byte & 15 : byte >> 4, run);
    }
    case DTYPE_Q5_K: {
        int byte = b[48 + 32 * (run / 2) + l];
        return k4_value(b, (run % 2 == 0 ? byte & 15 : byte >> 4) + 16 * (b[16 + l] >> run & 1),
                        run);
    }
    case DTYPE_Q6_K: {
        int half = i / 128, quarter = i % 128 / 32;
        int byte = b[64 * half + 32 * (quarter % 2) + l];
        int low = quarter < 2 ? byte & 15 : byte >> 4;
        int high = b[128 + 32 * half + l] >> (2 * quarter) & 3;
        int scale = (int8_t)b[192 + 8 * half + l / 16 + 2 * quarter];
        return half_at(b + 208) * scale * (low + 16 * high - 32);
    }
    default: { /* IQ4_XS */
        int low = b[4 + run / 2] >> (4 * (run % 2)) & 15;
        int high = (b[2] | b[3] << 8) >> (2 * run) & 3;
        return half_at(b) * (low + 16 * high - 32) * iq4_level(nibble(b + 8 + 16 * run, l));
    }
    }
}

/* Byte offsets of the half-precision fields, -1 when there is none. */
static void half_fields(enum dtype type, int *first, int *second)
{
    *second = type == DTYPE_Q4_1 || type == DTYPE_Q5_1 || type == DTYPE_Q4_K || type == DTYPE_Q5_K
                  ? 2
                  : -1;
    *first = 0;
    if (type == DTYPE_Q2_K) {
        *first = 80;
        *second = 82;
    } else if (type == DTYPE_Q3_K) {
        *first = 108;
    } else if (type == DTYPE_Q6_K) {
        *first = 208;
    } else if (type == DTYPE_MXFP4) {
        *first = -1;
    }
}

/* Random bits with halves that are finite. */
static void random_block(enum dtype type, uint8_t *block, struct rng *rng)
{
    int at[2];
    for (uint32_t i = 0; i < dtype_get((uint32_t)type)->block_bytes; i++) {
        block[i] = (uint8_t)rng_next(rng);
    }
    half_fields(type, &at[0], &at[1]);
    for (int i = 0; i < 2; i++) {
        if (at[i] >= 0 && (block[at[i] + 1] & 0x7c) == 0x7c) {
            block[at[i] + 1] &= 0xbf;
        }
    }
}

static void random_blocks_have_the_defined_values(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, SEED);
    for (int t = 0; t < N_BLOCK_TYPES; t++) {
        enum dtype type = block_types[t];
        int n = (int)dtype_get((uint32_t)type)->block_elems;
        for (int repeat = 0; repeat < 300; repeat++) {
            uint8_t block[256];
            float values[256];
            random_block(type, block, &rng);
            if (type == DTYPE_MXFP4 && repeat < 256) {
                block[0] =
                    (uint8_t)(repeat < 252 ? repeat : 100); /* 6 * 2^(252-127) is near FLT_MAX */
            }
            quants_dequantize_row(type, values, block, (size_t)n);
            for (int i = 0; i < n; i++) {
                double expected =
                    n == 32 ? simple_value(type, block, i) : super_value(type, block, i);
                if (values[i] != (float)expected && fabs(expected) < 3.4e38) {
                    fail_msg("%s element %d of block %d: %a, expected %a (seed %d)",
                             dtype_name((uint32_t)type), i, repeat, (double)values[i], expected,
                             SEED);
                }
            }
        }
    }
}

static void check_values(enum dtype type, const void *block, int n, const int *elements,
                         const float *expected, int n_checks)
{
    float values[256];
    quants_dequantize_row(type, values, block, (size_t)n);
    for (int i = 0; i < n_checks; i++) {
        if (values[elements[i]] != expected[i]) {
            fail_msg("%s element %d: %g, expected %g", dtype_name((uint32_t)type), elements[i],
                     (double)values[elements[i]], (double)expected[i]);
        }
    }
}

#define CHECK(type, block, n, ...)                                                                 \
    do {                                                                                           \
        static const struct {                                                                      \
            int element;                                                                           \
            float value;                                                                           \
        } list[] = __VA_ARGS__;                                                                    \
        enum { N = sizeof list / sizeof list[0] };                                                 \
        int elements[N];                                                                           \
        float expected[N];                                                                         \
        for (int i_ = 0; i_ < N; i_++) {                                                           \
            elements[i_] = list[i_].element;                                                       \
            expected[i_] = list[i_].value;                                                         \
        }                                                                                          \
        check_values(type, block, n, elements, expected, N);                                       \
    } while (0)

/* d = 2 is 4000, 0.5 is 3800, 1 is 3c00 in hexadecimal halves; fields not named are zero. */
static void simple_blocks_by_hand(void **state)
{
    (void)state;
    struct block_q4_0 q4_0 = {.d = {0x00, 0x40}, .qs = {[0] = 0xf1, [15] = 0x80}};
    CHECK(DTYPE_Q4_0, &q4_0, 32, {{0, -14}, {16, 14}, {15, -16}, {31, 0}, {1, -16}});
    struct block_q4_1 q4_1 = {.d = {0, 0x38}, .m = {0, 0xc0}, .qs = {[3] = 0x2f}};
    CHECK(DTYPE_Q4_1, &q4_1, 32, {{3, 5.5f}, {19, -1}, {0, -2}});
    struct block_q5_0 q5_0 = {
        .d = {0, 0x40}, .qh = {0x02, 0, 0, 0x80}, .qs = {[1] = 3, [15] = 0xf0}};
    CHECK(DTYPE_Q5_0, &q5_0, 32, {{1, 6}, {0, -32}, {31, 30}, {17, -32}});
    struct block_q5_1 q5_1 = {.d = {0, 0x3c}, .m = {0, 0x38}, .qh = {0, 0, 1, 0}, .qs = {0x52}};
    CHECK(DTYPE_Q5_1, &q5_1, 32, {{0, 2.5f}, {16, 21.5f}, {31, 0.5f}});
    struct block_q8_0 q8_0 = {.d = {0, 0x38}, .qs = {127, -128, [31] = -1}};
    CHECK(DTYPE_Q8_0, &q8_0, 32, {{0, 63.5f}, {1, -64}, {31, -0.5f}, {2, 0}});
    struct block_iq4_nl iq4_nl = {.d = {0, 0x40}, .qs = {0xf0, 0x87}};
    CHECK(DTYPE_IQ4_NL, &iq4_nl, 32, {{0, -254}, {16, 226}, {1, -20}, {17, 2}, {2, -254}});
    struct block_mxfp4 mxfp4 = {.e = 128, .qs = {0xf7, 0x19, 0x80}};
    CHECK(DTYPE_MXFP4, &mxfp4, 32, {{0, 12}, {16, -12}, {1, -1}, {17, 1}, {2, 0}, {18, 0}});
    mxfp4.e = 0; /* 2^-127 and its half are subnormal floats */
    CHECK(DTYPE_MXFP4, &mxfp4, 32, {{0, 6 * 0x1p-127f}, {1, -0x1p-128f}});
    mxfp4.e = 1;
    CHECK(DTYPE_MXFP4, &mxfp4, 32, {{0, 6 * 0x1p-126f}, {1, -0x1p-127f}});
}

static void super_blocks_by_hand(void **state)
{
    (void)state;
    /* group 3 (elements 48..63, second run of the first half): scale 5, minimum 9 */
    struct block_q2_k q2_k = {
        .d = {0, 0x40}, .dmin = {0, 0x3c}, .scales = {[3] = 0x95}, .qs = {[20] = 0x0c}};
    CHECK(DTYPE_Q2_K, &q2_k, 256, {{52, 21}, {51, -9}, {20, 0}});
    /* group 9: scale 0b101101 - 32 = 13; element 150 is l 22 of run 4, q = 1 with and -3 without
     * its bit */
    struct block_q3_k q3_k = {
        .d = {0, 0x38}, .scales = {[1] = 0xd0, [9] = 2 << 4}, .qs = {[32 + 22] = 1}};
    CHECK(DTYPE_Q3_K, &q3_k, 256, {{150, -19.5f}, {151, -26}, {0, 64}});
    q3_k.hmask[22] = 1 << 4;
    CHECK(DTYPE_Q3_K, &q3_k, 256, {{150, 6.5f}, {151, -26}});
    /* run 5: scale 0b110101 = 53, minimum 0b011110 = 30; element 170 = l 10 of run 5: high half of
     * byte 74 */
    struct block_q4_k q4_k = {.d = {0, 0x3c},
                              .dmin = {0, 0x38},
                              .scales = {[1] = 3 << 6, [5] = 1 << 6, [9] = 0xe5},
                              .qs = {[74] = 0x70}};
    CHECK(DTYPE_Q4_K, &q4_k, 256, {{170, 53 * 7 - 15}, {171, -15}, {138, 0}});
    struct block_q5_k q5_k = {.d = {0, 0x3c},
                              .dmin = {0, 0x38},
                              .scales = {[1] = 3 << 6, [5] = 1 << 6, [9] = 0xe5},
                              .qh = {[10] = 1 << 5},
                              .qs = {[74] = 0x70}};
    CHECK(DTYPE_Q5_K, &q5_k, 256, {{170, 53 * 23 - 15}, {171, -15}, {138, 0}});
    /* element 239 = half 1, third quarter-run l + 96, l = 15: high half of ql[64 + 32 + 15], top
     * pair of qh[47] */
    struct block_q6_k q6_k = {
        .d = {0, 0x38}, .scales = {[14] = -3}, .ql = {[111] = 0xb0}, .qh = {[47] = 0xc0}};
    CHECK(DTYPE_Q6_K, &q6_k, 256, {{239, -1.5f * (48 + 11 - 32)}, {238, -1.5f * -32}, {0, 0}});
    /* run 6: scale 0b100111 - 32 = 7; element 6 * 32 + 18: high half of byte 96 + 2 */
    struct block_iq4_xs iq4_xs = {
        .d = {0, 0x40}, .scales_h = {0, 2 << 4}, .scales_l = {[3] = 0x07}, .qs = {[98] = 0x90}};
    CHECK(DTYPE_IQ4_XS, &iq4_xs, 256,
          {{210, 2 * 7 * 13}, {194, 2 * 7 * -127}, {0, 2 * -32 * -127}});
}

/* Quants of 256 unpacked from `bytes` and packed into `again`, which must give the same bytes. */
static void repack_super(enum dtype type, uint8_t *again, const uint8_t *bytes)
{
    int8_t values[256];
    uint8_t q[256];
    int offset = type == DTYPE_Q6_K ? 32 : type == DTYPE_Q3_K ? 4 : 0;
    switch (type) {
    case DTYPE_Q2_K:
        unpack_pairs(values, bytes + 16);
        break;
    case DTYPE_Q3_K:
        unpack_q3_k(values, (const void *)bytes);
        break;
    case DTYPE_Q4_K:
        unpack_q4_k(values, bytes + 16);
        break;
    case DTYPE_Q5_K:
        unpack_q5_k(values, (const void *)bytes);
        break;
    default:
        unpack_q6_k(values, (const void *)bytes);
        break;
    }
    for (int i = 0; i < 256; i++) {
        q[i] = (uint8_t)(values[i] + offset);
    }
    switch (type) {
    case DTYPE_Q2_K:
        pack_pairs(again + 16, q);
        break;
    case DTYPE_Q3_K:
        pack_mask(again, q, 2);
        pack_pairs(again + 32, q);
        break;
    case DTYPE_Q4_K:
        pack_q4_k(again + 16, q);
        break;
    case DTYPE_Q5_K:
        pack_mask(again + 16, q, 4);
        pack_q4_k(again + 48, q);
        break;
    default:
        pack_q6_k((void *)again, q);
        break;
    }
}

static void quants_survive_repacking(void **state)
{
    (void)state;
    static const struct {
        enum dtype type;
        int first, n_bytes; /* where the quants are */
    } where[] = {{DTYPE_Q2_K, 16, 64},
                 {DTYPE_Q3_K, 0, 96},
                 {DTYPE_Q4_K, 16, 128},
                 {DTYPE_Q5_K, 16, 160},
                 {DTYPE_Q6_K, 0, 192}};
    struct rng rng;
    rng_seed(&rng, SEED + 1);
    for (int repeat = 0; repeat < 200; repeat++) {
        uint8_t bytes[256], again[256], q[32];
        int8_t values[32];
        for (size_t t = 0; t < sizeof where / sizeof where[0]; t++) {
            random_block(where[t].type, bytes, &rng);
            memcpy(again, bytes, sizeof again);
            memset(again + where[t].first, 0x5a, (size_t)where[t].n_bytes);
            repack_super(where[t].type, again, bytes);
            assert_memory_equal(again, bytes, sizeof again);
        }
        unpack_fives(values, bytes + 4, bytes);
        memcpy(q, values, 32);
        pack_fives(again + 4, again, q);
        assert_memory_equal(again, bytes, 20);
        unpack_nibbles(values, bytes);
        memcpy(q, values, 32);
        pack_nibbles(again, q);
        assert_memory_equal(again, bytes, 16);
    }
}

static void scales_survive_repacking(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, SEED + 2);
    for (int repeat = 0; repeat < 200; repeat++) {
        uint8_t bytes[136], again[136], sc[16], m[8];
        random_block(DTYPE_IQ4_XS, bytes, &rng);
        memset(again, 0x5a, sizeof again);
        for (int j = 0; j < 8; j++) {
            block_k4_scale(&sc[j], &m[j], bytes, j);
        }
        pack_k4_scales(again, sc, m);
        assert_memory_equal(again, bytes, 12);
        for (int j = 0; j < 16; j++) {
            sc[j] = (uint8_t)(block_q3_k_scale(bytes, j) + 32);
        }
        memset(again, 0x5a, sizeof again);
        pack_q3_k_scales(again, sc);
        assert_memory_equal(again, bytes, 12);
        for (int j = 0; j < 8; j++) {
            sc[j] = (uint8_t)(block_iq4_xs_scale((const void *)bytes, j) + 32);
        }
        pack_iq4_xs_scales((void *)again, sc);
        assert_memory_equal(again + 2, bytes + 2, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks_have_the_defined_values),
        cmocka_unit_test(simple_blocks_by_hand),
        cmocka_unit_test(super_blocks_by_hand),
        cmocka_unit_test(quants_survive_repacking),
        cmocka_unit_test(scales_survive_repacking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
