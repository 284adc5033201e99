/* SPDX-License-Identifier: MIT */
/* The answer in words. */
#include "report/scene.h"

#include <math.h>

enum side { SIDE_UNKNOWN, SIDE_SLOWER, SIDE_EVEN, SIDE_FASTER };

static enum side judge(struct estimate *ratio, const struct scene *scene,
                       const struct scene_arm *dense, struct store *store);
static void write_answer(const struct scene *scene, enum side active, enum side memory,
                         struct strbuf *to);
static void write_ratio(const struct scene_arm *dense, const struct estimate *ratio,
                        const char *what, struct strbuf *to);

void scene_write_answer(const struct scene *scene, struct store *store, struct strbuf *to)
{
    struct estimate ratio;
    if (scene->moe == NULL || !isfinite(scene->moe->decode_tps)) {
        strbuf_printf(to, "No MoE model was measured, so whether MoE helps here is open.");
        return;
    }
    enum side active = judge(&ratio, scene, scene->nearest_active, store);
    write_answer(scene, active, judge(&ratio, scene, scene->nearest_memory, store), to);
}

void scene_write_figures(const struct scene *scene, struct store *store, struct strbuf *to)
{
    const struct scene_arm *moe = scene->moe;
    if (moe == NULL || !isfinite(moe->decode_tps)) {
        return;
    }
    struct estimate by_active, by_memory;
    enum side active = judge(&by_active, scene, scene->nearest_active, store);
    enum side memory = judge(&by_memory, scene, scene->nearest_memory, store);
    strbuf_printf(to, "%s%s generates %.*f tokens/s", moe->name,
                  moe->synthetic ? " (a synthetic stand-in)" : "",
                  moe->decode_tps < 10    ? 2
                  : moe->decode_tps < 100 ? 1
                                          : 0,
                  moe->decode_tps);
    if (scene->threads > 0) {
        strbuf_printf(to, " with %.0f thread%s", scene->threads, scene->threads > 1 ? "s" : "");
    }
    const char *join = ":";
    if (active != SIDE_UNKNOWN) {
        strbuf_printf(to, "%s", join);
        write_ratio(scene->nearest_active, &by_active, "about as many parameters at work", to);
        join = ", and";
    }
    if (memory != SIDE_UNKNOWN && scene->nearest_memory != scene->nearest_active) {
        strbuf_printf(to, "%s", join);
        write_ratio(scene->nearest_memory, &by_memory, "the dense model nearest in size", to);
    }
    strbuf_printf(to, ".");
    double much =
        scene->nearest_active != NULL ? moe->peak_rss / scene->nearest_active->peak_rss : NAN;
    double some =
        scene->nearest_memory != NULL ? moe->peak_rss / scene->nearest_memory->peak_rss : NAN;
    if (isfinite(much) && isfinite(some) && scene->nearest_memory != scene->nearest_active) {
        strbuf_printf(to, " It takes %.1f and %.1f times their memory.", much, some);
    } else if (isfinite(much) || isfinite(some)) {
        strbuf_printf(to, " It takes %.1f times the memory.", isfinite(much) ? much : some);
    }
}

static enum side judge(struct estimate *ratio, const struct scene *scene,
                       const struct scene_arm *dense, struct store *store)
{
    *ratio = estimate_none();
    if (dense == NULL ||
        estimate_ratio(ratio, store, "decode_tps", scene->moe->name, dense->name, NULL) !=
            MSCOPE_OK ||
        !isfinite(ratio->value)) {
        return SIDE_UNKNOWN;
    }
    if (!estimate_has_interval(ratio)) {
        return SIDE_EVEN;
    }
    return ratio->low > 1 ? SIDE_FASTER : ratio->high < 1 ? SIDE_SLOWER : SIDE_EVEN;
}

static void write_answer(const struct scene *scene, enum side active, enum side memory,
                         struct strbuf *to)
{
    bool both = active != SIDE_UNKNOWN && memory != SIDE_UNKNOWN &&
                scene->nearest_active != scene->nearest_memory;
    if (both && active == SIDE_FASTER && memory == SIDE_FASTER) {
        strbuf_printf(to, "MoE helps speed on this machine on both axes.");
    } else if (both && active == SIDE_SLOWER && memory == SIDE_SLOWER) {
        strbuf_printf(to, "MoE helps speed on this machine on neither axis.");
    } else if (both && active == SIDE_SLOWER && memory == SIDE_FASTER) {
        strbuf_printf(to, "MoE helps speed on this machine against a dense model near it in size, "
                          "not against one of its active parameters.");
    } else if (both && active == SIDE_FASTER && memory == SIDE_SLOWER) {
        strbuf_printf(to, "MoE helps speed on this machine against a dense model of its active "
                          "parameters, not against one near it in size.");
    } else if (both) {
        static const char *const words[] = {"", "slower than", "not told apart from",
                                            "faster than"};
        strbuf_printf(
            to,
            "On this machine the MoE model is %s a dense model of its active parameters and "
            "is %s one near it in size.",
            words[active], words[memory]);
    } else if (active == SIDE_UNKNOWN && memory == SIDE_UNKNOWN) {
        strbuf_printf(to, "Whether MoE helps here is open: no dense model was measured beside it.");
    } else {
        strbuf_printf(to, "Only one axis was measured, so this is half the answer.");
    }
}

static void write_ratio(const struct scene_arm *dense, const struct estimate *ratio,
                        const char *what, struct strbuf *to)
{
    strbuf_printf(to, " %.2f times", ratio->value);
    if (estimate_has_interval(ratio)) {
        strbuf_printf(to, " (95 %%: %.2f–%.2f)", ratio->low, ratio->high);
    } else {
        strbuf_printf(to, " (too few runs for an interval)");
    }
    strbuf_printf(to, " the rate of %s, %s", dense->name, what);
}
