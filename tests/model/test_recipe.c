/* SPDX-License-Identifier: MIT */
/* Types of single tensors under the named mixtures, as published for models of these kinds. */
#include "model/recipe_table.h"
#include "unit.h"

#include <string.h>

static struct recipe_state begin(const char *recipe, uint32_t n_layer, uint32_t n_expert,
                                 uint32_t n_head, uint32_t n_head_kv, bool tied)
{
    struct recipe_state state;
    const struct recipe_model model = {"llama", n_layer, n_expert, n_head, n_head_kv, tied};
    assert_non_null(recipe_find(recipe));
    recipe_begin(&state, recipe_find(recipe), &model);
    for (uint32_t il = 0; il < n_layer; il++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.attn_v.weight", il);
        recipe_count(&state, name, 2);
        snprintf(name, sizeof name, "blk.%u.attn_v.bias", il);
        recipe_count(&state, name, 1);
    }
    return state;
}

static enum dtype choose(struct recipe_state *state, const char *name, uint64_t ne0, uint64_t ne2)
{
    struct mscope_error err;
    const uint64_t ne[4] = {ne0, 64, ne2, 1};
    enum dtype type = DTYPE_COUNT;
    assert_ok(recipe_choose(&type, state, name, ne2 > 1 ? 3 : 2, ne, DTYPE_F32, &err), &err);
    return type;
}

/* In 16 layers the promoted ones are 0 and 1, 14 and 15, and every third from 4 to 13. */
static void q4_k_m_promotes_outer_and_every_third_layer(void **unused)
{
    (void)unused;
    const char *promoted = "1100100100100111";
    struct recipe_state state = begin("q4_k_m", 16, 0, 32, 8, true);
    for (int il = 0; il < 16; il++) {
        char name[64];
        enum dtype expected = promoted[il] == '1' ? DTYPE_Q6_K : DTYPE_Q4_K;
        snprintf(name, sizeof name, "blk.%d.attn_v.weight", il);
        assert_int_equal(choose(&state, name, 2048, 1), expected);
        snprintf(name, sizeof name, "blk.%d.ffn_down.weight", il);
        assert_int_equal(choose(&state, name, 8192, 1), expected);
        snprintf(name, sizeof name, "blk.%d.ffn_up.weight", il);
        assert_int_equal(choose(&state, name, 2048, 1), DTYPE_Q4_K);
        snprintf(name, sizeof name, "blk.%d.attn_output.weight", il);
        assert_int_equal(choose(&state, name, 2048, 1), DTYPE_Q4_K);
    }
    assert_int_equal(choose(&state, "token_embd.weight", 2048, 1), DTYPE_Q6_K);
}

static void an_untied_embedding_keeps_the_default(void **unused)
{
    (void)unused;
    struct recipe_state state = begin("Q4_K_M", 16, 64, 16, 16, false);
    assert_int_equal(choose(&state, "token_embd.weight", 2048, 1), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "output.weight", 2048, 1), DTYPE_Q6_K);
    /* In MoE models the layer number in the name decides, in whatever order the tensors come. */
    assert_int_equal(choose(&state, "blk.4.ffn_down_exps.weight", 1024, 64), DTYPE_Q6_K);
    assert_int_equal(choose(&state, "blk.3.ffn_down_exps.weight", 1024, 64), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "blk.15.ffn_down_exps.weight", 1024, 64), DTYPE_Q6_K);
}

static void eight_experts_get_better_attention(void **unused)
{
    (void)unused;
    struct recipe_state state = begin("Q4_K_M", 32, 8, 32, 8, false);
    assert_int_equal(choose(&state, "blk.9.attn_v.weight", 4096, 1), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.9.attn_k.weight", 4096, 1), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.9.attn_q.weight", 4096, 1), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "blk.9.attn_output.weight", 4096, 1), DTYPE_Q5_K);
    state = begin("Q5_K_M", 32, 8, 32, 8, false);
    assert_int_equal(choose(&state, "blk.9.attn_output.weight", 4096, 1), DTYPE_Q5_K);
    state = begin("Q8_0", 32, 8, 32, 8, false);
    assert_int_equal(choose(&state, "blk.9.attn_output.weight", 4096, 1), DTYPE_Q8_0);
}

static void seventy_billions_share_values_among_heads(void **unused)
{
    (void)unused;
    struct recipe_state state = begin("Q4_K_M", 80, 0, 64, 8, false);
    for (int il = 0; il < 12; il++) {
        enum dtype expected = il < 10 ? DTYPE_Q6_K : DTYPE_Q5_K; /* never Q4_K */
        assert_int_equal(choose(&state, "blk.0.attn_v.weight", 8192, 1), expected);
    }
}

static void other_mixtures(void **unused)
{
    (void)unused;
    struct recipe_state state = begin("Q3_K_M", 32, 0, 32, 8, false);
    const enum dtype attn_v[3] = {DTYPE_Q5_K, DTYPE_Q5_K, DTYPE_Q4_K};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(choose(&state, "blk.0.attn_v.weight", 4096, 1), attn_v[i]);
        assert_int_equal(choose(&state, "blk.0.ffn_down.weight", 4096, 1), attn_v[i]); /* 2 of 32 */
    }
    assert_int_equal(choose(&state, "blk.0.attn_output.weight", 4096, 1), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "blk.0.attn_q.weight", 4096, 1), DTYPE_Q3_K);
    state = begin("Q2_K", 32, 0, 32, 32, false);
    assert_int_equal(choose(&state, "blk.0.attn_v.weight", 4096, 1), DTYPE_Q3_K);
    state = begin("Q2_K", 32, 0, 32, 8, false);
    assert_int_equal(choose(&state, "blk.0.attn_v.weight", 4096, 1), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "blk.0.ffn_down.weight", 4096, 1), DTYPE_Q3_K);
    state = begin("Q4_0", 32, 0, 32, 32, false);
    assert_int_equal(choose(&state, "output.weight", 4096, 1), DTYPE_Q6_K);
    assert_int_equal(choose(&state, "blk.0.attn_v.weight", 4096, 1), DTYPE_Q4_0);
    state = begin("MXFP4_MOE", 32, 32, 32, 32, false);
    assert_int_equal(choose(&state, "output.weight", 2880, 1), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.0.attn_q.weight", 2880, 1), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.0.ffn_up_exps.weight", 2880, 32), DTYPE_MXFP4);
    state = begin("Q4_K", 32, 8, 32, 8, true);
    assert_int_equal(choose(&state, "token_embd.weight", 4096, 1), DTYPE_Q4_K);
    assert_int_equal(choose(&state, "blk.0.attn_v.weight", 4096, 1), DTYPE_Q4_K);
}

static void rows_that_do_not_fit_fall_back(void **unused)
{
    (void)unused;
    struct recipe_state state = begin("Q4_K_M", 27, 64, 16, 16, false);
    assert_int_equal(choose(&state, "blk.0.ffn_down_exps.weight", 1408, 64), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.3.ffn_down_exps.weight", 1408, 64), DTYPE_Q5_0);
    assert_int_equal(choose(&state, "output.weight", 2880, 1), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.0.attn_q.weight", 172, 1), DTYPE_F16);
    static const struct {
        const char *recipe;
        enum dtype expected;
    } cases[] = {{"Q2_K", DTYPE_Q4_0}, {"Q3_K_M", DTYPE_Q4_0},   {"Q5_K_M", DTYPE_Q5_1},
                 {"Q6_K", DTYPE_Q8_0}, {"IQ4_XS", DTYPE_IQ4_NL}, {"IQ4_NL", DTYPE_IQ4_NL},
                 {"BF16", DTYPE_BF16}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        state = begin(cases[i].recipe, 27, 64, 16, 16, false);
        assert_int_equal(choose(&state, "blk.9.ffn_up.weight", 1408, 1), cases[i].expected);
    }
}

static void small_and_special_tensors_keep_their_type(void **unused)
{
    (void)unused;
    struct mscope_error err;
    struct recipe_state state = begin("Q4_K_M", 16, 64, 16, 16, false);
    const struct recipe_override all[] = {{".*", DTYPE_Q8_0}};
    state.overrides = all;
    state.n_overrides = 1;
    assert_int_equal(choose(&state, "blk.0.ffn_gate_inp.weight", 2048, 1), DTYPE_F32);
    assert_int_equal(choose(&state, "blk.0.attn_q_norm.weight", 2048, 1), DTYPE_F32);
    assert_int_equal(choose(&state, "blk.0.ffn_up_exps.bias", 2048, 1), DTYPE_F32);
    const uint64_t ne[1] = {2048};
    enum dtype type;
    assert_ok(recipe_choose(&type, &state, "blk.0.attn_norm.weight", 1, ne, DTYPE_F32, &err), &err);
    assert_int_equal(type, DTYPE_F32);
}

static void the_first_matching_override_wins(void **unused)
{
    (void)unused;
    struct mscope_error err;
    struct recipe_state state = begin("Q4_K_M", 16, 64, 16, 16, false);
    const struct recipe_override overrides[] = {
        {"blk\\.[0-3]\\.ffn_.*_exps", DTYPE_Q8_0}, {"_exps", DTYPE_Q2_K}, {"ffn_up", DTYPE_F16}};
    state.overrides = overrides;
    state.n_overrides = 3;
    assert_int_equal(choose(&state, "blk.2.ffn_up_exps.weight", 2048, 64), DTYPE_Q8_0);
    assert_int_equal(choose(&state, "blk.4.ffn_up_exps.weight", 2048, 64), DTYPE_Q2_K);
    assert_int_equal(choose(&state, "blk.4.attn_q.weight", 2048, 1), DTYPE_Q4_K);
    const uint64_t ne[3] = {1408, 64, 64};
    enum dtype type;
    assert_int_equal(
        recipe_choose(&type, &state, "blk.4.ffn_down_exps.weight", 3, ne, DTYPE_F32, &err),
        MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "tensor blk.4.ffn_down_exps.weight");
    assert_non_null(
        strstr(err.detail, "rows of 1408 elements, expected a multiple of 256 for Q2_K"));
    const struct recipe_override broken[] = {{"ffn_(up", DTYPE_F16}};
    state.overrides = broken;
    state.n_overrides = 1;
    assert_int_equal(recipe_choose(&type, &state, "blk.4.attn_q.weight", 2, ne, DTYPE_F32, &err),
                     MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "pattern ffn_(up");
}

static void names_lead_to_recipes(void **unused)
{
    (void)unused;
    int n = 0;
    for (const char *const *name = recipe_names(); *name != NULL; name++, n++) {
        assert_string_equal(recipe_name(recipe_find(*name)), *name);
        assert_string_equal(recipe_table[n].name, *name);
    }
    assert_int_equal(n, recipe_table_n);
    assert_null(recipe_find("Q9_K"));
    assert_int_equal(recipe_file_type(recipe_find("mxfp4_moe")), 38);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(q4_k_m_promotes_outer_and_every_third_layer),
        cmocka_unit_test(an_untied_embedding_keeps_the_default),
        cmocka_unit_test(eight_experts_get_better_attention),
        cmocka_unit_test(seventy_billions_share_values_among_heads),
        cmocka_unit_test(other_mixtures),
        cmocka_unit_test(rows_that_do_not_fit_fall_back),
        cmocka_unit_test(small_and_special_tensors_keep_their_type),
        cmocka_unit_test(the_first_matching_override_wins),
        cmocka_unit_test(names_lead_to_recipes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
