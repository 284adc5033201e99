/* SPDX-License-Identifier: MIT */
/* The store for models that fit into memory: every expert is always there, in the mapping. */
#include "experts/store.h"

#include <assert.h>
#include <stdlib.h>

struct resident_store {
    struct expert_store base;
    const struct layer_weights *layers;
    uint32_t n_layer, n_expert;
};

static enum mscope_status resident_acquire(struct expert_store *store, uint32_t i_layer,
                                           uint32_t i_expert, struct expert_view *view,
                                           struct mscope_error *err);
static void resident_release(struct expert_store *store, uint32_t i_layer, uint32_t i_expert);
static void resident_close(struct expert_store *store);
static struct weight matrix_of(const struct expert_weights *experts, uint32_t i_expert);

enum mscope_status expert_store_open_resident(struct expert_store **out,
                                              const struct model_config *config,
                                              const struct weights *weights,
                                              struct mscope_error *err)
{
    static const struct expert_store_ops ops = {resident_acquire, resident_release, resident_close};
    struct resident_store *store = malloc(sizeof *store);
    *out = NULL;
    if (store == NULL) {
        return error_set_memory(err, "expert store", sizeof *store);
    }
    *store = (struct resident_store){.base = {.ops = &ops, .max_held = config->n_expert},
                                     .layers = weights->layers,
                                     .n_layer = config->n_layer,
                                     .n_expert = config->n_expert};
    *out = &store->base;
    return MSCOPE_OK;
}

void expert_store_close(struct expert_store **store)
{
    if (*store != NULL) {
        (*store)->ops->close(*store);
        *store = NULL;
    }
}

static enum mscope_status resident_acquire(struct expert_store *store, uint32_t i_layer,
                                           uint32_t i_expert, struct expert_view *view,
                                           struct mscope_error *err)
{
    const struct resident_store *resident = (const struct resident_store *)store;
    assert(i_layer < resident->n_layer && i_expert < resident->n_expert);
    const struct layer_weights *layer = &resident->layers[i_layer];
    (void)err;
    view->gate = matrix_of(&layer->expert_gate, i_expert);
    view->up = matrix_of(&layer->expert_up, i_expert);
    view->down = matrix_of(&layer->expert_down, i_expert);
    return MSCOPE_OK;
}

static void resident_release(struct expert_store *store, uint32_t i_layer, uint32_t i_expert)
{
    (void)store, (void)i_layer, (void)i_expert;
}

static void resident_close(struct expert_store *store)
{
    free(store);
}

static struct weight matrix_of(const struct expert_weights *experts, uint32_t i_expert)
{
    return (struct weight){.data = experts->data[i_expert],
                           .type = experts->type,
                           .n_in = experts->n_in,
                           .n_out = experts->n_out,
                           .row_bytes = experts->row_bytes,
                           .cls = MSCOPE_CLASS_EXPERTS};
}
