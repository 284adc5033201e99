/* SPDX-License-Identifier: MIT */
/* The size of a synthetic model without writing it: the same tensors and types as synth.c. */
#include "model/recipe.h"
#include "model/synth.h"
#include "model/synth_parts.h"

#include <stdlib.h>

static enum mscope_status add_tensors(struct synth_description *out,
                                      const struct synth_shape *shape, const struct recipe *recipe,
                                      struct synth_tensor *tensors, struct mscope_error *err);

enum mscope_status synth_describe(struct synth_description *out, const char *shape_name,
                                  const char *recipe_name, struct mscope_error *err)
{
    const struct synth_shape *shape = synth_shape_find(shape_name);
    const struct recipe *recipe = recipe_find(recipe_name);
    if (shape == NULL || recipe == NULL) {
        error_set(err, MSCOPE_ERR_ARGUMENT, "", "unknown, expected %s",
                  shape == NULL ? "one of the listed shapes" : "a recipe such as Q4_K_M");
        error_set_object(err, shape == NULL ? "shape %s" : "type %s",
                         shape == NULL ? shape_name : recipe_name);
        return MSCOPE_ERR_ARGUMENT;
    }
    struct synth_tensor *tensors = calloc(SYNTH_MAX_TENSORS, sizeof *tensors);
    if (tensors == NULL) {
        return error_set_memory(err, "list of tensors", SYNTH_MAX_TENSORS * sizeof *tensors);
    }
    *out = (struct synth_description){
        .arch = shape->arch,
        .n_layer = shape->n_layer,
        .n_expert = shape->n_expert,
        .n_expert_used = shape->n_expert_used,
    };
    enum mscope_status status = add_tensors(out, shape, recipe, tensors, err);
    free(tensors);
    return status;
}

static enum mscope_status add_tensors(struct synth_description *out,
                                      const struct synth_shape *shape, const struct recipe *recipe,
                                      struct synth_tensor *tensors, struct mscope_error *err)
{
    const struct recipe_model model = {.arch = shape->arch,
                                       .n_layer = shape->n_layer,
                                       .n_expert = shape->n_expert,
                                       .n_head = shape->n_head,
                                       .n_head_kv = shape->n_head_kv,
                                       .tied_output = shape->tied};
    int n_tensors = synth_list_tensors(tensors, shape, arch_find_name(shape->arch));
    struct recipe_state state;
    recipe_begin(&state, recipe, &model);
    for (int i = 0; i < n_tensors; i++) {
        recipe_count(&state, tensors[i].name, tensors[i].n_dims);
    }
    for (int i = 0; i < n_tensors; i++) {
        const struct synth_tensor *t = &tensors[i];
        enum dtype type;
        enum mscope_status status =
            recipe_choose(&type, &state, t->name, t->n_dims, t->ne, DTYPE_F32, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        uint64_t n_rows = 1;
        for (uint32_t k = 1; k < t->n_dims; k++) {
            n_rows *= t->ne[k];
        }
        out->n_params += n_rows * t->ne[0];
        out->n_bytes += n_rows * dtype_row_bytes(type, t->ne[0]);
    }
    return MSCOPE_OK;
}
