/* SPDX-License-Identifier: MIT */
/* The answer in words. */
#include "report/scene.h"

#include <math.h>
#include <string.h>

/* Unknown: nothing to compare with. Open: too few runs for an interval. */
enum side { SIDE_UNKNOWN, SIDE_OPEN, SIDE_SLOWER, SIDE_EVEN, SIDE_FASTER };

static enum side judge(struct estimate *ratio, const struct scene *scene,
                       const struct scene_arm *dense, struct store *store);
static bool is_full_answer(const struct scene *scene, enum side active, enum side memory);
static void write_answer(const struct scene *scene, enum side active, enum side memory,
                         struct strbuf *to);
static void write_memory(const struct scene *scene, const char *start, const char *end,
                         struct strbuf *to);
static void write_ratio(const struct scene_arm *dense, const struct estimate *ratio,
                        const char *what, struct strbuf *to);

void scene_write_whose(const struct scene_list *list, size_t i, struct strbuf *to)
{
    const struct scene *scene = &list->scenes[i];
    bool one_host = true;
    for (size_t k = 0; k < list->n; k++) {
        one_host = one_host && strcmp(list->scenes[k].host, scene->host) == 0;
    }
    if (!one_host) {
        strbuf_printf(to, "%s on %s (%.6s): ", scene->engine, scene->cpu, scene->host);
    } else if (list->n > 1) {
        strbuf_printf(to, "With %s: ", scene->engine);
    }
}

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
        write_ratio(scene->nearest_active, &by_active, "which has about as many active parameters",
                    to);
        join = ", and";
    }
    if (memory != SIDE_UNKNOWN && scene->nearest_memory != scene->nearest_active) {
        strbuf_printf(to, "%s", join);
        write_ratio(scene->nearest_memory, &by_memory, "the dense model nearest in memory", to);
    }
    strbuf_printf(to, ".");
    if (!is_full_answer(scene, active, memory)) {
        write_memory(scene, " It takes ", ".", to);
    }
}

/* Both axes, each with an interval. */
static bool is_full_answer(const struct scene *scene, enum side active, enum side memory)
{
    return active >= SIDE_SLOWER && memory >= SIDE_SLOWER &&
           scene->nearest_active != scene->nearest_memory;
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
        return SIDE_OPEN;
    }
    return ratio->low > 1 ? SIDE_FASTER : ratio->high < 1 ? SIDE_SLOWER : SIDE_EVEN;
}

static void write_answer(const struct scene *scene, enum side active, enum side memory,
                         struct strbuf *to)
{
    static const char *const words[] = {
        [SIDE_SLOWER] = "more slowly than",
        [SIDE_EVEN] = "neither faster nor more slowly than",
        [SIDE_FASTER] = "faster than",
    };
    if (is_full_answer(scene, active, memory)) {
        strbuf_printf(to,
                      "%son this machine the MoE model generates %s a dense model with about as "
                      "many active parameters%s%s the dense one nearest to it in memory",
                      active != memory        ? "It depends on what it is held against: "
                      : active == SIDE_FASTER ? "Yes, for speed: "
                      : active == SIDE_SLOWER ? "No: "
                                              : "Not for speed: ",
                      words[active], active == memory ? ", and " : ", but ", words[memory]);
        write_memory(scene, ", at ", "", to);
        strbuf_printf(to, ".");
    } else if (active == SIDE_UNKNOWN && memory == SIDE_UNKNOWN) {
        strbuf_printf(to, "Whether MoE helps here is open: no dense model was measured beside it.");
    } else if (active == SIDE_OPEN || memory == SIDE_OPEN) {
        strbuf_printf(to, "Whether MoE helps here is open: too few runs for an interval.");
    } else {
        strbuf_printf(to, "Only one axis was measured, so this is half the answer.");
    }
}

static void write_memory(const struct scene *scene, const char *start, const char *end,
                         struct strbuf *to)
{
    const struct scene_arm *active = scene->nearest_active, *memory = scene->nearest_memory;
    double much = active != NULL ? scene->moe->peak_rss / active->peak_rss : NAN;
    double some = memory != NULL ? scene->moe->peak_rss / memory->peak_rss : NAN;
    if (isfinite(much) && isfinite(some) && memory != active) {
        strbuf_printf(to, "%s%.1f and %.1f times their memory%s", start, much, some, end);
    } else if (isfinite(much) || isfinite(some)) {
        strbuf_printf(to, "%s%.1f times the memory%s", start, isfinite(much) ? much : some, end);
    }
}

static void write_ratio(const struct scene_arm *dense, const struct estimate *ratio,
                        const char *what, struct strbuf *to)
{
    strbuf_printf(to, " %.2f times", ratio->value);
    if (estimate_has_interval(ratio)) {
        strbuf_printf(to, " (95\u00a0%%: %.2f–%.2f)", ratio->low, ratio->high);
    } else {
        strbuf_printf(to, " (too few runs for an interval)");
    }
    strbuf_printf(to, " the rate of %s, %s", dense->name, what);
}
