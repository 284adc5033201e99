/* SPDX-License-Identifier: MIT */
/* Which levels this CPU can run, and the table of one of them. A new instruction set adds a line
 * here. */
#include "kernels/kernels.h"
#include "kernels/levels.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

typedef void fill_fn(struct kernels *out);

/* Weakest first; each level fills on top of all before it. */
static const struct {
    const char *name;
    fill_fn *fill;
} levels[] = {
    {"ref", kernels_fill_ref},
#if defined(__x86_64__)
    {"avx2", kernels_fill_avx2},
    {"avx512", kernels_fill_avx512},
#elif defined(__aarch64__)
    {"neon", kernels_fill_neon},
    {"neon-dotprod", kernels_fill_neon_dotprod},
    {"neon-i8mm", kernels_fill_neon_i8mm},
#endif
};
enum { N_LEVELS = sizeof levels / sizeof levels[0] };

static int n_levels_here(void);
static enum mscope_status unknown_level(const char *level, struct mscope_error *err);

enum mscope_status kernels_select(struct kernels *out, const char *level, struct mscope_error *err)
{
    int n_levels = n_levels_here();
    int last = n_levels - 1;
    if (level != NULL) {
        while (last >= 0 && strcmp(levels[last].name, level) != 0) {
            last--;
        }
        if (last < 0) {
            return unknown_level(level, err);
        }
    }
    for (int i = 0; i <= last; i++) {
        levels[i].fill(out);
    }
    out->level = levels[last].name;
    return MSCOPE_OK;
}

const char *const *kernels_levels(void)
{
    /* All lists that can be the answer are constant, so no thread ever sees one half made. */
#if defined(__x86_64__)
    static const char *const names[][4] = {
        {"ref", NULL}, {"ref", "avx2", NULL}, {"ref", "avx2", "avx512", NULL}};
#elif defined(__aarch64__)
    static const char *const names[][5] = {{"ref", NULL},
                                           {"ref", "neon", NULL},
                                           {"ref", "neon", "neon-dotprod", NULL},
                                           {"ref", "neon", "neon-dotprod", "neon-i8mm", NULL}};
#else
    static const char *const names[][4] = {{"ref", NULL}};
#endif
    return names[n_levels_here() - 1];
}

#if defined(__x86_64__)

static int n_levels_here(void)
{
    unsigned eax, ebx, ecx, edx;
    bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
    /* These also ask whether the system saves the wide registers. */
    bool avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vnni");
    return !avx2 ? 1 : avx512 ? 3 : 2;
}

#elif defined(__aarch64__)

static int n_levels_here(void)
{
#if defined(__linux__)
    bool dotprod = (getauxval(AT_HWCAP) & 1ul << 20) != 0; /* HWCAP_ASIMDDP */
    bool i8mm = (getauxval(AT_HWCAP2) & 1ul << 13) != 0;   /* HWCAP2_I8MM */
    return !dotprod ? 2 : i8mm ? 4 : 3;
#elif defined(__ARM_FEATURE_MATMUL_INT8)
    return 4;
#elif defined(__ARM_FEATURE_DOTPROD)
    return 3;
#else
    return 2;
#endif
}

#else

static int n_levels_here(void)
{
    return 1;
}

#endif

static enum mscope_status unknown_level(const char *level, struct mscope_error *err)
{
    char list[64] = "";
    size_t used = 0;
    for (const char *const *name = kernels_levels(); *name != NULL; name++) {
        int n = snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "", *name);
        used += n > 0 ? (size_t)n : 0;
    }
    for (int i = 0; i < N_LEVELS; i++) {
        if (strcmp(levels[i].name, level) == 0) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "CPU level",
                             "\"%s\" is beyond this CPU, expected one of %s", level, list);
        }
    }
    return error_set(err, MSCOPE_ERR_ARGUMENT, "CPU level", "\"%s\" is unknown, expected one of %s",
                     level, list);
}
