/* SPDX-License-Identifier: MIT */
/*
 * Which experts the tokens of one run were sent to, counted per layer: prefill and decode apart.
 * Fed by mscope_engine_on_routing; one thread.
 */
#ifndef MEASURE_ROUTING_H
#define MEASURE_ROUTING_H

#include "measure/record.h"

struct routing {
    int n_layer, n_expert, n_used;
    bool in_decode;
    int64_t *prefill, *decode;    /* (n_layer, n_expert) uses */
    int32_t *before;              /* (n_layer, n_used) experts of the token before */
    bool *has_before;             /* (n_layer) */
    int64_t n_reused, n_compared; /* in decode */
};

enum mscope_status routing_open(struct routing *routing, int n_layer, int n_expert, int n_used,
                                struct mscope_error *err);
void routing_close(struct routing *routing);
void routing_reset(struct routing *routing);

/* An mscope_routing_fn; `user` is the struct. */
void routing_take(void *user, const struct mscope_routing *rows);

/* Fills routing_* of the row; the histogram only when wanted. */
enum mscope_status routing_report(const struct routing *routing, bool want_histogram,
                                  struct record *record, struct mscope_error *err);

#endif
