/* SPDX-License-Identifier: MIT */
/*
 * Where expert bytes live, behind one small interface: forward/ acquires expert (layer, i), reads
 * its three matrices, and releases it. The resident store points into the mapping; later stores
 * cache and stream. A view is valid from acquire to release. Called by the evaluating thread only;
 * the views may be read by all.
 */
#ifndef EXPERTS_STORE_H
#define EXPERTS_STORE_H

#include "base/error.h"
#include "model/model.h"

struct expert_view {
    struct weight gate, up, down;
};

struct expert_store;

struct expert_store_ops {
    /* Fills `view`. Fails only when bytes could not be brought in (I/O); nothing is then held. */
    enum mscope_status (*acquire)(struct expert_store *store, uint32_t i_layer, uint32_t i_expert,
                                  struct expert_view *view, struct mscope_error *err);
    void (*release)(struct expert_store *store, uint32_t i_layer, uint32_t i_expert);
    void (*close)(struct expert_store *store);
};

struct expert_store { /* first member of every implementation */
    const struct expert_store_ops *ops;
    uint32_t max_held; /* experts that may be held at once; forward/ works in waves of at most this
                          many */
};

/* All experts in the mapping: acquire is pointer arithmetic. */
enum mscope_status expert_store_open_resident(struct expert_store **out,
                                              const struct model_config *config,
                                              const struct weights *weights,
                                              struct mscope_error *err);
void expert_store_close(struct expert_store **store);

#endif
