/* SPDX-License-Identifier: MIT */
/*
 * From logits to one token. Nothing sorts the whole vocabulary: top-k keeps a heap of k candidates,
 * and top-p takes as many off a heap as it asks for.
 */
#include "moescope.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/rng.h"
#include "sample/measure.h"

#include <math.h>

enum { MAX_REPEAT_LAST_N = 1 << 24 };
enum heap_order { BEST_ON_TOP, WORST_ON_TOP };

struct candidate {
    float logit; /* after the repetition penalty; never NaN */
    int32_t id;
};

struct mscope_sampler {
    struct arena *arena; /* holds everything below, sealed after open */
    struct mscope_sampler_params params;
    int n_vocab;
    struct rng rng;
    struct candidate *candidates; /* (n_vocab) */
    float *logits;                /* (n_vocab) penalised copy */
    int32_t *recent;              /* (repeat_last_n) ring of the latest tokens */
    int n_recent, i_oldest;
};

static enum mscope_status check_params(int n_vocab, const struct mscope_sampler_params *params,
                                       struct mscope_error *err);
static enum mscope_status take_memory(struct mscope_sampler *sampler, struct mscope_error *err);
static void penalise(struct mscope_sampler *sampler, const float *logits);
static int collect(struct mscope_sampler *sampler, const float *logits, int top_k);
static int keep_top_p(struct candidate *all, int n_all, float top_p);
static int keep_min_p(struct candidate *all, int n_all, float min_p);
static int32_t draw(struct mscope_sampler *sampler, int n);
static float best_logit(const struct candidate *all, int n);
static double weight(float logit, float best, double temperature);
static struct candidate pop_best(struct candidate *heap, int n);
static void make_heap(struct candidate *heap, int n, enum heap_order order);
static void sift_down(struct candidate *heap, int n, int i, enum heap_order order);
static void reverse(struct candidate *all, int n);

int32_t mscope_sampler_next(struct mscope_sampler *sampler, const float *logits)
{
    const struct mscope_sampler_params *params = &sampler->params;
    if (params->repeat_penalty != 1.0f && sampler->n_recent > 0) {
        penalise(sampler, logits);
        logits = sampler->logits;
    }
    if (params->temperature == 0.0f) {
        return measure_argmax(logits, sampler->n_vocab);
    }
    int n = collect(sampler, logits, params->top_k);
    if (n == 0) {
        return -1;
    }
    n = keep_top_p(sampler->candidates, n, params->top_p);
    n = keep_min_p(sampler->candidates, n, params->min_p);
    return draw(sampler, n);
}

void mscope_sampler_accept(struct mscope_sampler *sampler, int32_t id)
{
    int window = sampler->params.repeat_last_n;
    if (window == 0 || id < 0 || id >= sampler->n_vocab) {
        return;
    }
    if (sampler->n_recent < window) {
        sampler->recent[sampler->n_recent++] = id;
    } else {
        sampler->recent[sampler->i_oldest] = id;
        sampler->i_oldest = (sampler->i_oldest + 1) % window;
    }
}

struct mscope_sampler_params mscope_sampler_defaults(void)
{
    return (struct mscope_sampler_params){
        .temperature = 0.8f,
        .top_k = 40,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .repeat_penalty = 1.0f,
        .repeat_last_n = 64,
        .seed = 0,
    };
}

enum mscope_status mscope_sampler_open(struct mscope_sampler **out, int n_vocab,
                                       const struct mscope_sampler_params *params,
                                       struct mscope_error *err)
{
    *out = NULL;
    enum mscope_status status = check_params(n_vocab, params, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct arena *arena;
    status = arena_open(&arena, "sampler", err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct mscope_sampler *sampler = arena_take(arena, 1, sizeof *sampler, err);
    if (sampler == NULL) {
        status = MSCOPE_ERR_MEMORY;
        goto fail;
    }
    *sampler = (struct mscope_sampler){.arena = arena, .params = *params, .n_vocab = n_vocab};
    status = take_memory(sampler, err);
    if (status != MSCOPE_OK) {
        goto fail;
    }
    arena_seal(arena);
    rng_seed(&sampler->rng, params->seed);
    *out = sampler;
    return MSCOPE_OK;

fail:
    arena_close(&arena);
    return status;
}

void mscope_sampler_close(struct mscope_sampler **sampler)
{
    if (*sampler != NULL) {
        struct arena *arena = (*sampler)->arena; /* the sampler itself lies in it */
        arena_close(&arena);
        *sampler = NULL;
    }
}

static enum mscope_status check_params(int n_vocab, const struct mscope_sampler_params *params,
                                       struct mscope_error *err)
{
    const char *object = "sampler";
    const enum mscope_status bad = MSCOPE_ERR_ARGUMENT;
    if (n_vocab < 1) {
        return error_set(err, bad, object, "vocabulary of %d tokens, expected at least 1", n_vocab);
    }
    if (!isfinite(params->temperature) || params->temperature < 0) {
        return error_set(err, bad, object, "temperature %g, expected 0 or more",
                         (double)params->temperature);
    }
    if (params->top_k < 0) {
        return error_set(err, bad, object, "top-k %d, expected 0 (off) or more", params->top_k);
    }
    if (!(params->top_p >= 0 && params->top_p <= 1)) {
        return error_set(err, bad, object, "top-p %g, expected 0 to 1", (double)params->top_p);
    }
    if (!(params->min_p >= 0 && params->min_p <= 1)) {
        return error_set(err, bad, object, "min-p %g, expected 0 to 1", (double)params->min_p);
    }
    if (!isfinite(params->repeat_penalty) || params->repeat_penalty <= 0) {
        return error_set(err, bad, object, "repetition penalty %g, expected more than 0",
                         (double)params->repeat_penalty);
    }
    if (params->repeat_last_n < 0 || params->repeat_last_n > MAX_REPEAT_LAST_N) {
        return error_set(err, bad, object, "repetition window of %d tokens, expected 0 to %d",
                         params->repeat_last_n, MAX_REPEAT_LAST_N);
    }
    return MSCOPE_OK;
}

static enum mscope_status take_memory(struct mscope_sampler *sampler, struct mscope_error *err)
{
    struct arena *arena = sampler->arena;
    size_t n_vocab = (size_t)sampler->n_vocab;
    size_t window = (size_t)sampler->params.repeat_last_n;
    sampler->candidates = arena_take(arena, n_vocab, sizeof *sampler->candidates, err);
    sampler->logits = arena_take(arena, n_vocab, sizeof *sampler->logits, err);
    sampler->recent = arena_take(arena, window, sizeof *sampler->recent, err);
    bool ok = sampler->candidates != NULL && sampler->logits != NULL && sampler->recent != NULL;
    return ok ? MSCOPE_OK : MSCOPE_ERR_MEMORY;
}

/* Copies the logits; each distinct token of the window is penalised once, however often it occurs.
 */
static void penalise(struct mscope_sampler *sampler, const float *logits)
{
    float penalty = sampler->params.repeat_penalty;
    for (int i = 0; i < sampler->n_vocab; i++) {
        sampler->logits[i] = logits[i];
    }
    for (int i = 0; i < sampler->n_recent; i++) {
        int32_t id = sampler->recent[i];
        float logit = logits[id];
        sampler->logits[id] = logit > 0 ? logit / penalty : logit * penalty;
    }
}

/*
 * Fills candidates with the logits that are numbers, only the top_k best if that is not 0; returns
 * how many. The best so far lie in a heap with the worst on top, which the next better one
 * replaces.
 */
static int collect(struct mscope_sampler *sampler, const float *logits, int top_k)
{
    struct candidate *kept = sampler->candidates;
    int n_max = top_k == 0 || top_k > sampler->n_vocab ? sampler->n_vocab : top_k;
    int n = 0;
    int i = 0;
    for (; i < sampler->n_vocab && n < n_max; i++) {
        if (!isnan(logits[i])) {
            kept[n++] = (struct candidate){logits[i], i};
        }
    }
    if (i == sampler->n_vocab) {
        return n;
    }
    make_heap(kept, n, WORST_ON_TOP);
    for (; i < sampler->n_vocab; i++) {
        if (logits[i] > kept[0].logit) { /* never true for NaN; of equals the lower id stays */
            kept[0] = (struct candidate){logits[i], i};
            sift_down(kept, n, 0, WORST_ON_TOP);
        }
    }
    return n;
}

/* Each keep_ function moves its survivors to the front and returns their number, at least 1. */

/* The smallest set of best candidates whose probability at temperature 1 is at least top_p. */
static int keep_top_p(struct candidate *all, int n_all, float top_p)
{
    if (top_p >= 1.0f) {
        return n_all;
    }
    float best = best_logit(all, n_all);
    double total = 0;
    for (int i = 0; i < n_all; i++) {
        total += weight(all[i].logit, best, 1);
    }
    make_heap(all, n_all, BEST_ON_TOP);
    double mass = 0;
    int n_kept = 0;
    do {
        mass += weight(pop_best(all, n_all - n_kept).logit, best, 1);
        n_kept++;
    } while (n_kept < n_all && mass < (double)top_p * total);
    reverse(all, n_all);
    return n_kept;
}

/* Those at least min_p times as probable, at temperature 1, as the best. */
static int keep_min_p(struct candidate *all, int n_all, float min_p)
{
    if (min_p <= 0.0f) {
        return n_all;
    }
    float best = best_logit(all, n_all);
    int n_kept = 0;
    for (int i = 0; i < n_all; i++) {
        if (weight(all[i].logit, best, 1) >= (double)min_p) {
            all[n_kept++] = all[i];
        }
    }
    return n_kept;
}

static int32_t draw(struct mscope_sampler *sampler, int n)
{
    const struct candidate *all = sampler->candidates;
    double temperature = (double)sampler->params.temperature;
    float best = best_logit(all, n);
    double total = 0;
    for (int i = 0; i < n; i++) {
        total += weight(all[i].logit, best, temperature);
    }
    double left = rng_uniform_double(&sampler->rng) * total;
    int32_t id = -1;
    for (int i = 0; i < n; i++) {
        double w = weight(all[i].logit, best, temperature);
        if (w > 0) {
            id =
                all[i]
                    .id; /* rounding may leave a remainder after the last: then the last is drawn */
            left -= w;
            if (left < 0) {
                break;
            }
        }
    }
    return id;
}

static float best_logit(const struct candidate *all, int n)
{
    float best = all[0].logit;
    for (int i = 1; i < n; i++) {
        best = all[i].logit > best ? all[i].logit : best;
    }
    return best;
}

/* Unnormalised probability. Equal infinities share evenly instead of giving NaN. */
static double weight(float logit, float best, double temperature)
{
    return logit == best ? 1.0 : exp(((double)logit - (double)best) / temperature);
}

/* Moves the best of a heap to its end, out of the heap, and returns it: after some pops, reverse().
 */
static struct candidate pop_best(struct candidate *heap, int n)
{
    struct candidate best = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = best;
    sift_down(heap, n - 1, 0, BEST_ON_TOP);
    return best;
}

/* A total order: of equal logits the lower id is the better. */
static bool is_above(struct candidate a, struct candidate b, enum heap_order order)
{
    bool a_is_better = a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
    return a_is_better == (order == BEST_ON_TOP);
}

static void make_heap(struct candidate *heap, int n, enum heap_order order)
{
    for (int i = n / 2 - 1; i >= 0; i--) {
        sift_down(heap, n, i, order);
    }
}

static void sift_down(struct candidate *heap, int n, int i, enum heap_order order)
{
    for (;;) {
        int top = i;
        int left = 2 * i + 1;
        int right = left + 1;
        if (left < n && is_above(heap[left], heap[top], order)) {
            top = left;
        }
        if (right < n && is_above(heap[right], heap[top], order)) {
            top = right;
        }
        if (top == i) {
            return;
        }
        struct candidate moved = heap[i];
        heap[i] = heap[top];
        heap[top] = moved;
        i = top;
    }
}

static void reverse(struct candidate *all, int n)
{
    for (int i = 0, j = n - 1; i < j; i++, j--) {
        struct candidate moved = all[i];
        all[i] = all[j];
        all[j] = moved;
    }
}
