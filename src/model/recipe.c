/* SPDX-License-Identifier: MIT */
/* Applying a mixture to one tensor after the other. The mixtures themselves are in recipe_table.c.
 */
#include "model/recipe_table.h"

#include <assert.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { N_LAYER_70B = 80, N_EXPERT_8X = 8 };

static bool is_quantisable(const char *name, uint32_t n_dims);
static enum mscope_status find_override(const struct recipe_override **out,
                                        struct recipe_state *state, const char *name,
                                        struct mscope_error *err);
static enum dtype choose_in_mixture(struct recipe_state *state, const char *name, uint64_t ne0);
static enum dtype type_by_rules(const struct recipe_state *state, enum tensor_group group,
                                const char *name);
static bool condition_holds(const struct recipe_state *state, enum rule_condition condition, int i,
                            int n);
static enum dtype fall_back(enum dtype type, uint64_t ne0);
static enum tensor_group group_of(const char *name);
static int layer_of(const char *name, int otherwise);
static bool fits(enum dtype type, uint64_t ne0);

enum mscope_status recipe_choose(enum dtype *out, struct recipe_state *state, const char *name,
                                 uint32_t n_dims, const uint64_t *ne, enum dtype source,
                                 struct mscope_error *err)
{
    const struct recipe *recipe = state->recipe;
    *out = source;
    if (!is_quantisable(name, n_dims)) {
        return MSCOPE_OK;
    }
    enum dtype type = recipe->default_type;
    enum tensor_group group = group_of(name);
    if (recipe->kind == RECIPE_MIXTURE) {
        type = choose_in_mixture(state, name, ne[0]); /* also advances the counters */
    } else if (recipe->kind == RECIPE_MXFP4_MOE) {
        bool is_output =
            group == GROUP_OUTPUT || (group == GROUP_TOKEN_EMBD && state->model.tied_output);
        bool is_stacked = n_dims > 2 && ne[2] > 1;
        type = is_stacked && !is_output ? DTYPE_MXFP4 : DTYPE_Q8_0;
    }
    const struct recipe_override *override = NULL;
    enum mscope_status status = find_override(&override, state, name, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (override != NULL && !fits(override->type, ne[0])) {
        status = error_set(
            err, MSCOPE_ERR_ARGUMENT, "tensor",
            "rows of %llu elements, expected a multiple of %u for %s (--tensor-type %s)",
            (unsigned long long)ne[0], (unsigned)dtype_get((uint32_t) override->type)->block_elems,
            dtype_name((uint32_t) override->type), override->pattern);
        error_set_object(err, "tensor %s", name);
        return status;
    }
    *out = override != NULL ? override->type : fall_back(type, ne[0]);
    return MSCOPE_OK;
}

enum mscope_status recipe_check_overrides(const struct recipe_state *state,
                                          struct mscope_error *err)
{
    for (int i = 0; i < state->n_overrides; i++) {
        if ((state->overrides_used & (uint64_t)1 << i) == 0) {
            error_set(err, MSCOPE_ERR_ARGUMENT, "pattern",
                      "matches no tensor, expected at least one that can be quantised and that "
                      "no pattern before it has taken");
            error_set_object(err, "pattern %s", state->overrides[i].pattern);
            return MSCOPE_ERR_ARGUMENT;
        }
    }
    return MSCOPE_OK;
}

void recipe_begin(struct recipe_state *state, const struct recipe *recipe,
                  const struct recipe_model *model)
{
    *state =
        (struct recipe_state){.recipe = recipe, .model = *model, .n_ffn_down = (int)model->n_layer};
}

void recipe_count(struct recipe_state *state, const char *name, uint32_t n_dims)
{
    if (is_quantisable(name, n_dims) && group_of(name) == GROUP_ATTN_V) {
        state->n_attn_v++;
    }
}

const struct recipe *recipe_find(const char *name)
{
    for (int i = 0; i < recipe_table_n; i++) {
        if (strcasecmp(recipe_table[i].name, name) == 0) {
            return &recipe_table[i];
        }
    }
    return NULL;
}

const char *const *recipe_names(void)
{
    return recipe_table_names;
}

const char *recipe_name(const struct recipe *recipe)
{
    return recipe->name;
}

uint32_t recipe_file_type(const struct recipe *recipe)
{
    return recipe->file_type;
}

/* Matrices whose name ends in "weight", but no norms, no routers, no position or token-type tables.
 */
static bool is_quantisable(const char *name, uint32_t n_dims)
{
    static const char *const kept[] = {"_norm.weight", "ffn_gate_inp", "position_embd",
                                       "token_types", "attn_rel_b"};
    size_t n = strlen(name);
    if (n_dims < 2 || n < 6 || strcmp(name + n - 6, "weight") != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        if (strstr(name, kept[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static enum mscope_status find_override(const struct recipe_override **out,
                                        struct recipe_state *state, const char *name,
                                        struct mscope_error *err)
{
    *out = NULL;
    assert(state->n_overrides <= RECIPE_MAX_OVERRIDES);
    for (int i = 0; i < state->n_overrides && *out == NULL; i++) {
        regex_t regex;
        int code = regcomp(&regex, state->overrides[i].pattern, REG_EXTENDED | REG_NOSUB);
        if (code != 0) {
            char reason[128];
            regerror(code, &regex, reason, sizeof reason);
            enum mscope_status status =
                error_set(err, MSCOPE_ERR_ARGUMENT, "pattern", "%s", reason);
            error_set_object(err, "pattern %s", state->overrides[i].pattern);
            return status;
        }
        if (regexec(&regex, name, 0, NULL, 0) == 0) {
            *out = &state->overrides[i];
            state->overrides_used |= (uint64_t)1 << i;
        }
        regfree(&regex);
    }
    return MSCOPE_OK;
}

static enum dtype choose_in_mixture(struct recipe_state *state, const char *name, uint64_t ne0)
{
    enum dtype type = state->recipe->default_type;
    enum tensor_group group = group_of(name);
    if (group == GROUP_OUTPUT || (group == GROUP_TOKEN_EMBD && state->model.tied_output)) {
        if (!fits(type, ne0)) {
            return DTYPE_Q8_0;
        }
        return type == DTYPE_Q8_0 ? type : DTYPE_Q6_K;
    }
    type = type_by_rules(state, group, name);
    state->i_attn_v += group == GROUP_ATTN_V;
    state->i_ffn_down += group == GROUP_FFN_DOWN;
    return type;
}

/* The rules of the recipe, then what all mixtures do for 70B models and for models of 8 experts. */
static enum dtype type_by_rules(const struct recipe_state *state, enum tensor_group group,
                                const char *name)
{
    const struct recipe *recipe = state->recipe;
    const struct recipe_model *model = &state->model;
    bool is_8x = model->n_expert == N_EXPERT_8X;
    if (is_8x && (group == GROUP_ATTN_V || group == GROUP_ATTN_K)) {
        return DTYPE_Q8_0;
    }
    if (is_8x && group == GROUP_ATTN_OUTPUT) {
        return recipe->promotes_output_8x ? DTYPE_Q5_K : recipe->default_type;
    }
    int i = group == GROUP_ATTN_V ? state->i_attn_v : state->i_ffn_down;
    int n = group == GROUP_ATTN_V ? state->n_attn_v : state->n_ffn_down;
    if (group == GROUP_FFN_DOWN && model->n_expert > 1) {
        i = layer_of(name, i);
    }
    enum dtype type = recipe->default_type;
    for (int r = 0; r < recipe->n_rules; r++) {
        if (recipe->rules[r].group == group &&
            condition_holds(state, recipe->rules[r].condition, i, n)) {
            type = recipe->rules[r].type;
            break;
        }
    }
    bool is_70b = model->n_layer == N_LAYER_70B &&
                  (strcmp(model->arch, "qwen2") == 0 ||
                   (strcmp(model->arch, "llama") == 0 && model->n_head != model->n_head_kv));
    if (is_70b && group == GROUP_ATTN_V && (type == DTYPE_Q3_K || type == DTYPE_Q4_K)) {
        type = DTYPE_Q5_K;
    }
    return type;
}

static bool condition_holds(const struct recipe_state *state, enum rule_condition condition, int i,
                            int n)
{
    const struct recipe_model *model = &state->model;
    switch (condition) {
    case RULE_ALWAYS:
        return true;
    case RULE_MORE:
        return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case RULE_FIRST_8TH:
        return i < n / 8;
    case RULE_FIRST_16TH:
        return i < n / 16;
    case RULE_FIRST_2:
        return i < 2;
    case RULE_FIRST_4:
        return i < 4;
    case RULE_GQA_4:
        return model->n_head_kv > 0 && model->n_head / model->n_head_kv >= 4;
    }
    return false;
}

static enum dtype fall_back(enum dtype type, uint64_t ne0)
{
    if (fits(type, ne0)) {
        return type;
    }
    switch (type) {
    case DTYPE_Q2_K:
    case DTYPE_Q3_K:
        type = DTYPE_Q4_0;
        break;
    case DTYPE_Q4_K:
        type = DTYPE_Q5_0;
        break;
    case DTYPE_Q5_K:
        type = DTYPE_Q5_1;
        break;
    case DTYPE_Q6_K:
        type = DTYPE_Q8_0;
        break;
    case DTYPE_IQ4_XS:
        type = DTYPE_IQ4_NL;
        break;
    default:
        break;
    }
    return fits(type, ne0) ? type : DTYPE_F16;
}

static enum tensor_group group_of(const char *name)
{
    static const struct {
        const char *part;
        enum tensor_group group;
    } parts[] = {
        {"output.weight", GROUP_OUTPUT}, {"token_embd.weight", GROUP_TOKEN_EMBD},
        {"attn_qkv", GROUP_ATTN_V},      {"attn_kv_b", GROUP_ATTN_V},
        {"attn_v.", GROUP_ATTN_V},       {"attn_k.", GROUP_ATTN_K},
        {"attn_q.", GROUP_ATTN_Q},       {"attn_output", GROUP_ATTN_OUTPUT},
        {"ffn_up", GROUP_FFN_UP},        {"ffn_gate", GROUP_FFN_GATE},
        {"ffn_down", GROUP_FFN_DOWN},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *found = strstr(name, parts[i].part);
        if (found != NULL && (parts[i].group != GROUP_OUTPUT || found == name)) {
            return parts[i].group;
        }
    }
    return GROUP_OTHER;
}

/* Layer number in "blk.N....". */
static int layer_of(const char *name, int otherwise)
{
    int layer;
    return sscanf(name, "blk.%d.", &layer) == 1 ? layer : otherwise;
}

static bool fits(enum dtype type, uint64_t ne0)
{
    return ne0 % dtype_get((uint32_t)type)->block_elems == 0;
}
