/* SPDX-License-Identifier: MIT */
/* Tiny models of every family bind; fused, legacy and per-layer variants mean the same as the plain
 * ones. */
#include "fixture.h"

#include "model/synth_parts.h"

#include <math.h>

static void every_tiny_shape_binds_with_its_numbers(void **state)
{
    (void)state;
    static const char *const recipes[] = {"F32", "Q8_0", "Q4_K_M"};
    for (const char *const *name = synth_shapes(); *name != NULL; name++) {
        if (strncmp(*name, "tiny-", 5) != 0) {
            continue;
        }
        const struct synth_shape *shape = synth_shape_find(*name);
        for (size_t r = 0; r < sizeof recipes / sizeof recipes[0]; r++) {
            const char *path = fixture_path("tiny.gguf");
            fixture_synth(path, *name, recipes[r]);
            struct opened o;
            assert_ok(opened_try(&o, path), &o.err);
            assert_string_equal(o.config.arch, shape->arch);
            assert_int_equal(o.config.n_vocab, shape->n_vocab);
            assert_int_equal(o.config.n_layer, shape->n_layer);
            assert_int_equal(o.config.n_head_kv, shape->n_head_kv);
            assert_int_equal(o.config.head_dim_k, shape->head_dim);
            assert_int_equal(o.config.n_expert, shape->n_expert);
            assert_int_equal(o.config.n_ff, shape->n_expert > 0 ? 0 : shape->n_ff);
            assert_int_equal(o.config.n_ff_expert, shape->n_expert > 0 ? shape->n_ff : 0);
            assert_int_equal(o.weights.tied_output, shape->tied);
            assert_int_equal(o.weights.output.data == o.weights.token_embd.data, shape->tied);
            assert_int_equal(o.weights.rope_factors.data != NULL, shape->rope_factor > 0.0f);
            assert_true(o.info.is_synthetic);
            assert_string_equal(o.info.file_type, recipes[r]);
            opened_close(&o);
        }
    }
}

static void families_differ_where_they_should(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    struct opened o;
    fixture_synth(path, "tiny-gemma2", "F32");
    assert_ok(opened_try(&o, path), &o.err);
    assert_int_equal(o.config.activation, FFN_GELU);
    assert_true(o.config.attn_softcap == 50.0f && o.config.logit_softcap == 30.0f);
    assert_true(o.config.embedding_scale == 16.0f);
    assert_true(fabsf(o.config.attn_scale - 1.0f / sqrtf(128.0f)) < 1e-7f);
    assert_int_equal(o.weights.layers[0].window, 16);
    assert_int_equal(o.weights.layers[1].window, 0);
    assert_int_equal(o.weights.layers[2].window, 16);
    assert_non_null(o.weights.layers[1].ffn_post_norm.data);
    opened_close(&o);
    fixture_synth(path, "tiny-olmoe", "F32");
    assert_ok(opened_try(&o, path), &o.err);
    assert_true(o.config.qk_norm_full && !o.config.expert_renorm);
    assert_int_equal(o.config.rope.style, ROPE_NEOX);
    assert_int_equal(o.config.gating, GATING_SOFTMAX);
    assert_int_equal(o.weights.layers[0].attn_q_norm.n_in, 256);
    opened_close(&o);
    fixture_synth(path, "tiny-mixtral", "F32");
    assert_ok(opened_try(&o, path), &o.err);
    assert_true(o.config.expert_renorm && o.config.rope.style == ROPE_NORM);
    opened_close(&o);
    fixture_synth(path, "tiny-qwen2", "F32");
    assert_ok(opened_try(&o, path), &o.err);
    assert_non_null(o.weights.layers[1].attn_v_bias.data);
    assert_null(o.weights.layers[1].attn_output_bias.data);
    opened_close(&o);
}

static void optional_keys_are_honoured(void **state)
{
    (void)state;
    const char *good = fixture_path("good.gguf"), *path = fixture_path("edited.gguf");
    struct opened o;
    fixture_synth(good, "tiny-olmoe", "F32");
    const struct edit experts[] = {
        {.kind = EDIT_SET_F32, .name = "olmoe.expert_weights_scale", .number = 2.5f},
        {.kind = EDIT_SET_U32, .name = "olmoe.expert_gating_func", .value = 2},
        {.kind = EDIT_SET_LAYERS, .name = "olmoe.attention.head_count", .value = 4, .value2 = 4},
        {.kind = EDIT_END}};
    fixture_edit(path, good, experts);
    assert_ok(opened_try(&o, path), &o.err);
    assert_true(o.config.expert_scale == 2.5f && o.config.gating == GATING_SIGMOID);
    assert_int_equal(o.config.n_head, 4);
    opened_close(&o);
    const struct edit linear[] = {
        {.kind = EDIT_SET_F32, .name = "olmoe.rope.scale_linear", .number = 4.0f},
        {.kind = EDIT_END}};
    fixture_edit(path, good, linear);
    assert_ok(opened_try(&o, path), &o.err);
    assert_int_equal(o.config.rope.scaling, ROPE_SCALING_LINEAR);
    assert_true(o.config.rope.factor == 4.0f && o.config.rope.attn_factor == 1.0f);
    opened_close(&o);
    const struct edit yarn[] = {
        {.kind = EDIT_SET_STRING, .name = "olmoe.rope.scaling.type", .text = "yarn"},
        {.kind = EDIT_SET_F32, .name = "olmoe.rope.scaling.factor", .number = 8.0f},
        {.kind = EDIT_SET_U32, .name = "olmoe.rope.scaling.original_context_length", .value = 256},
        {.kind = EDIT_END}};
    fixture_edit(path, good, yarn);
    assert_ok(opened_try(&o, path), &o.err);
    assert_int_equal(o.config.rope.scaling, ROPE_SCALING_YARN);
    assert_int_equal(o.config.rope.n_ctx_orig, 256);
    assert_true(o.config.rope.yarn_ext_factor == 1.0f && o.config.rope.yarn_beta_fast == 32.0f);
    assert_true(fabsf(o.config.rope.attn_factor - (1.0f + 0.1f * logf(8.0f))) < 1e-6f);
    opened_close(&o);
}

/* Copies `from`, with the tensors of each layer that `replace` wants given out in another
 * arrangement. */
typedef bool rearrange_fn(struct gguf_writer *w, const struct gguf *gguf,
                          const struct gguf_tensor *t, bool declare);

static void rewrite(const char *to, const char *from, rearrange_fn *rearrange)
{
    struct mscope_error err;
    struct gguf *gguf;
    struct gguf_writer *w;
    assert_ok(gguf_open(&gguf, from, &err), &err);
    assert_ok(gguf_writer_open(&w, to, &err), &err);
    for (uint64_t i = 0; i < gguf_n_kv(gguf); i++) {
        gguf_writer_copy_kv(w, gguf_kv_at(gguf, i));
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
            const struct gguf_tensor *t = gguf_tensor_at(gguf, i);
            if (rearrange(w, gguf, t, pass == 0)) {
                continue;
            }
            if (pass == 0) {
                gguf_writer_add_tensor(w, t->name, t->n_dims, t->ne, t->type);
            } else {
                assert_ok(gguf_writer_write(w, t->data, (size_t)t->n_bytes, &err), &err);
            }
        }
        if (pass == 0) {
            assert_ok(gguf_writer_begin_data(w, &err), &err);
        }
    }
    assert_ok(gguf_writer_finish(w, &err), &err);
    gguf_writer_close(&w);
    gguf_close(&gguf);
}

static const struct gguf_tensor *sibling(const struct gguf *gguf, unsigned layer,
                                         const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s", layer, suffix);
    const struct gguf_tensor *t = gguf_find_tensor(gguf, name);
    assert_non_null(t);
    return t;
}

/* attn_q, attn_k, attn_v (weights or biases) become attn_qkv in the place of q. */
static bool fuse_qkv(struct gguf_writer *w, const struct gguf *gguf, const struct gguf_tensor *t,
                     bool declare)
{
    struct mscope_error err;
    unsigned layer;
    char part, kind[8];
    if (sscanf(t->name, "blk.%u.attn_%c.%7s", &layer, &part, kind) != 3 ||
        strchr("qkv", part) == NULL) {
        return false;
    }
    if (part != 'q') {
        return true;
    }
    char name[64];
    snprintf(name, sizeof name, "blk.%u.attn_qkv.%s", layer, kind);
    uint64_t ne[2] = {t->ne[0], t->ne[1]};
    for (int i = 0; i < 3; i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "attn_%c.%s", "qkv"[i], kind);
        const struct gguf_tensor *s = sibling(gguf, layer, suffix);
        ne[t->n_dims - 1] += i > 0 ? s->ne[t->n_dims - 1] : 0;
        if (!declare) {
            assert_ok(gguf_writer_write(w, s->data, (size_t)s->n_bytes, &err), &err);
        }
    }
    if (declare) {
        gguf_writer_add_tensor(w, name, t->n_dims, ne, t->type);
    }
    return true;
}

/* ffn_gate_exps and ffn_up_exps become ffn_gate_up_exps; gate rows of an expert first. */
static bool fuse_gate_up(struct gguf_writer *w, const struct gguf *gguf,
                         const struct gguf_tensor *t, bool declare)
{
    struct mscope_error err;
    unsigned layer;
    if (strstr(t->name, "ffn_up_exps") != NULL) {
        return true;
    }
    if (strstr(t->name, "ffn_gate_exps") == NULL || sscanf(t->name, "blk.%u.", &layer) != 1) {
        return false;
    }
    const struct gguf_tensor *up = sibling(gguf, layer, "ffn_up_exps.weight");
    if (declare) {
        char name[64];
        const uint64_t ne[3] = {t->ne[0], 2 * t->ne[1], t->ne[2]};
        snprintf(name, sizeof name, "blk.%u.ffn_gate_up_exps.weight", layer);
        gguf_writer_add_tensor(w, name, 3, ne, t->type);
        return true;
    }
    size_t expert_bytes = (size_t)(t->n_bytes / t->ne[2]);
    for (uint64_t e = 0; e < t->ne[2]; e++) {
        assert_ok(
            gguf_writer_write(w, (const char *)t->data + e * expert_bytes, expert_bytes, &err),
            &err);
        assert_ok(
            gguf_writer_write(w, (const char *)up->data + e * expert_bytes, expert_bytes, &err),
            &err);
    }
    return true;
}

/* ffn_*_exps become one tensor per expert, as in old Mixtral files. */
static bool split_experts(struct gguf_writer *w, const struct gguf *gguf,
                          const struct gguf_tensor *t, bool declare)
{
    struct mscope_error err;
    unsigned layer;
    char part[8];
    (void)gguf;
    if (strstr(t->name, "_exps") == NULL ||
        sscanf(t->name, "blk.%u.ffn_%7[a-z]", &layer, part) != 2) {
        return false;
    }
    size_t expert_bytes = (size_t)(t->n_bytes / t->ne[2]);
    for (unsigned e = 0; e < t->ne[2]; e++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.ffn_%s.%u.weight", layer, part, e);
        if (declare) {
            gguf_writer_add_tensor(w, name, 2, t->ne, t->type);
        } else {
            assert_ok(
                gguf_writer_write(w, (const char *)t->data + e * expert_bytes, expert_bytes, &err),
                &err);
        }
    }
    return true;
}

static void assert_same_weight(const struct weight *a, const struct weight *b)
{
    assert_int_equal(a->data == NULL, b->data == NULL);
    if (a->data != NULL) {
        assert_true(a->type == b->type && a->n_in == b->n_in && a->n_out == b->n_out &&
                    a->row_bytes == b->row_bytes && a->cls == b->cls);
        assert_memory_equal(a->data, b->data, a->row_bytes * a->n_out);
    }
}

static void assert_same_experts(const struct expert_weights *a, const struct expert_weights *b,
                                uint32_t n)
{
    assert_true(a->type == b->type && a->n_in == b->n_in && a->n_out == b->n_out &&
                a->row_bytes == b->row_bytes && a->expert_bytes == b->expert_bytes);
    for (uint32_t e = 0; e < n; e++) {
        assert_memory_equal(a->data[e], b->data[e], a->expert_bytes);
    }
}

static void check_rearranged(const char *shape, const char *recipe, rearrange_fn *rearrange)
{
    const char *plain = fixture_path("plain.gguf"), *other = fixture_path("other.gguf");
    fixture_synth(plain, shape, recipe);
    rewrite(other, plain, rearrange);
    struct opened a, b;
    assert_ok(opened_try(&a, plain), &a.err);
    assert_ok(opened_try(&b, other), &b.err);
    assert_int_equal(a.config.n_expert, b.config.n_expert);
    assert_int_equal(a.config.n_ff_expert, b.config.n_ff_expert);
    assert_int_equal(a.info.n_params_active, b.info.n_params_active);
    assert_int_equal(a.info.bytes_per_token, b.info.bytes_per_token);
    assert_memory_equal(a.info.class_bytes, b.info.class_bytes, sizeof a.info.class_bytes);
    for (uint32_t il = 0; il < a.config.n_layer; il++) {
        const struct layer_weights *x = &a.weights.layers[il], *y = &b.weights.layers[il];
        assert_same_weight(&x->attn_q, &y->attn_q);
        assert_same_weight(&x->attn_k, &y->attn_k);
        assert_same_weight(&x->attn_v, &y->attn_v);
        assert_same_weight(&x->attn_q_bias, &y->attn_q_bias);
        assert_same_weight(&x->attn_k_bias, &y->attn_k_bias);
        assert_same_weight(&x->attn_v_bias, &y->attn_v_bias);
        if (x->is_moe) {
            assert_same_experts(&x->expert_gate, &y->expert_gate, a.config.n_expert);
            assert_same_experts(&x->expert_up, &y->expert_up, a.config.n_expert);
            assert_same_experts(&x->expert_down, &y->expert_down, a.config.n_expert);
        }
    }
    opened_close(&a);
    opened_close(&b);
}

static void fused_qkv_equals_split(void **state)
{
    (void)state;
    check_rearranged("tiny-qwen2", "F32", fuse_qkv);
    check_rearranged("tiny-llama", "Q8_0", fuse_qkv);
}

static void fused_gate_up_experts_equal_split(void **state)
{
    (void)state;
    check_rearranged("tiny-olmoe", "Q4_K_M", fuse_gate_up);
}

static void legacy_experts_equal_merged(void **state)
{
    (void)state;
    check_rearranged("tiny-mixtral", "Q4_K_M", split_experts);
    check_rearranged("tiny-olmoe", "Q6_K", split_experts);
}

static void old_rope_frequencies_are_ignored(void **state)
{
    (void)state;
    const char *good = fixture_path("good.gguf"), *path = fixture_path("edited.gguf");
    fixture_synth(good, "tiny-llama", "Q4_0");
    const struct edit edits[] = {
        {.kind = EDIT_ADD, .name = "blk.1.attn_rot_embd.weight", .value = 16}, {.kind = EDIT_END}};
    fixture_edit(path, good, edits);
    struct opened o;
    assert_ok(opened_try(&o, path), &o.err);
    opened_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tiny_shape_binds_with_its_numbers),
        cmocka_unit_test(families_differ_where_they_should),
        cmocka_unit_test(optional_keys_are_honoured),
        cmocka_unit_test(fused_qkv_equals_split),
        cmocka_unit_test(fused_gate_up_experts_equal_split),
        cmocka_unit_test(legacy_experts_equal_merged),
        cmocka_unit_test(old_rope_frequencies_are_ignored),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
