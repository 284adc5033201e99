/* SPDX-License-Identifier: MIT */
/* Histogram, entropy, distinct experts and reuse of a run's routing. */
#include "measure/routing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double entropy_share(const int64_t *uses, int n_expert);
static double mean_distinct(const struct routing *routing, const int64_t *uses);

enum mscope_status routing_open(struct routing *routing, int n_layer, int n_expert, int n_used,
                                struct mscope_error *err)
{
    *routing = (struct routing){.n_layer = n_layer, .n_expert = n_expert, .n_used = n_used};
    size_t n_uses = (size_t)n_layer * (size_t)n_expert;
    size_t n_before = (size_t)n_layer * (size_t)n_used;
    routing->prefill = calloc(n_uses, sizeof *routing->prefill);
    routing->decode = calloc(n_uses, sizeof *routing->decode);
    routing->before = calloc(n_before, sizeof *routing->before);
    routing->has_before = calloc((size_t)n_layer, sizeof *routing->has_before);
    if (routing->prefill == NULL || routing->decode == NULL || routing->before == NULL ||
        routing->has_before == NULL) {
        routing_close(routing);
        return error_set_memory(err, "routing counts", n_uses * sizeof *routing->prefill);
    }
    return MSCOPE_OK;
}

void routing_close(struct routing *routing)
{
    free(routing->prefill);
    free(routing->decode);
    free(routing->before);
    free(routing->has_before);
    *routing = (struct routing){0};
}

void routing_reset(struct routing *routing)
{
    size_t n_uses = (size_t)routing->n_layer * (size_t)routing->n_expert;
    memset(routing->prefill, 0, n_uses * sizeof *routing->prefill);
    memset(routing->decode, 0, n_uses * sizeof *routing->decode);
    memset(routing->has_before, 0, (size_t)routing->n_layer * sizeof *routing->has_before);
    routing->in_decode = false;
    routing->n_reused = routing->n_compared = 0;
}

void routing_take(void *user, const struct mscope_routing *rows)
{
    struct routing *routing = user;
    int64_t *uses = (routing->in_decode ? routing->decode : routing->prefill) +
                    (size_t)rows->i_layer * (size_t)routing->n_expert;
    int32_t *before = routing->before + (size_t)rows->i_layer * (size_t)routing->n_used;
    for (int i = 0; i < rows->n_rows; i++) {
        const int32_t *experts = rows->experts + (size_t)i * (size_t)rows->n_used;
        for (int j = 0; j < rows->n_used; j++) {
            uses[experts[j]]++;
            for (int k = 0;
                 routing->in_decode && routing->has_before[rows->i_layer] && k < routing->n_used;
                 k++) {
                routing->n_reused += experts[j] == before[k];
            }
        }
        if (routing->in_decode && routing->has_before[rows->i_layer]) {
            routing->n_compared += rows->n_used;
        }
        memcpy(before, experts, (size_t)routing->n_used * sizeof *before);
        routing->has_before[rows->i_layer] = true;
    }
}

enum mscope_status routing_report(const struct routing *routing, bool want_histogram,
                                  struct record *record, struct mscope_error *err)
{
    record->routing_distinct_prefill = mean_distinct(routing, routing->prefill);
    record->routing_distinct_decode = mean_distinct(routing, routing->decode);
    double sum = 0;
    int n = 0;
    for (int i = 0; i < routing->n_layer; i++) {
        double share = entropy_share(routing->decode + (size_t)i * (size_t)routing->n_expert,
                                     routing->n_expert);
        if (!isnan(share)) {
            sum += share;
            n++;
        }
    }
    record->routing_entropy_share = n > 0 ? sum / n : NAN;
    if (routing->n_compared > 0) {
        record->routing_reuse_share = (double)routing->n_reused / (double)routing->n_compared;
    }
    if (!want_histogram) {
        return MSCOPE_OK;
    }
    size_t n_uses = (size_t)routing->n_layer * (size_t)routing->n_expert;
    int64_t *copy = malloc(n_uses * sizeof *copy);
    if (copy == NULL) {
        return error_set_memory(err, "routing histogram", n_uses * sizeof *copy);
    }
    memcpy(copy, routing->decode, n_uses * sizeof *copy);
    free(record->routing_histogram.values);
    record->routing_histogram = (struct record_table){
        .values = copy, .n_rows = (size_t)routing->n_layer, .n_cols = (size_t)routing->n_expert};
    return MSCOPE_OK;
}

/* Shannon entropy of one layer's uses over ln(n_expert): 1 is even use. NaN for an unused layer. */
static double entropy_share(const int64_t *uses, int n_expert)
{
    double total = 0, entropy = 0;
    for (int i = 0; i < n_expert; i++) {
        total += (double)uses[i];
    }
    for (int i = 0; i < n_expert && total > 0; i++) {
        double share = (double)uses[i] / total;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    return total > 0 && n_expert > 1 ? entropy / log(n_expert) : NAN;
}

/* Layers without a use (a leading dense layer) do not count. NaN when no layer was used. */
static double mean_distinct(const struct routing *routing, const int64_t *uses)
{
    int64_t n_distinct = 0;
    int n_layers = 0;
    for (int i = 0; i < routing->n_layer; i++) {
        int64_t here = 0;
        for (int j = 0; j < routing->n_expert; j++) {
            here += uses[(size_t)i * (size_t)routing->n_expert + (size_t)j] > 0;
        }
        n_distinct += here;
        n_layers += here > 0;
    }
    return n_layers > 0 ? (double)n_distinct / n_layers : NAN;
}
