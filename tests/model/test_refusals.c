/* SPDX-License-Identifier: MIT */
/* A file that is wrong in one respect is refused with an error that names the object and what was
 * expected. */
#include "fixture.h"

struct refusal {
    const char *shape;
    struct edit edit, edit2;
    const char *object, *detail; /* the first whole, a part of the second */
};

#define TENSOR(kind_, name_, ...)                                                                  \
    {                                                                                              \
        .kind = (kind_), .name = (name_), __VA_ARGS__                                              \
    }

static const struct refusal refusals[] = {
    {"tiny-llama",
     TENSOR(EDIT_SET_STRING, "general.architecture", .text = "qwen3"),
     {0},
     "architecture qwen3",
     "not supported, expected one of llama, qwen2, gemma2, olmoe, qwen3moe"},
    {"tiny-llama",
     TENSOR(EDIT_DROP_KEY, "general.architecture"),
     {0},
     "key general.architecture",
     ""},
    {"tiny-llama", TENSOR(EDIT_DROP_KEY, "llama.block_count"), {0}, "key llama.block_count", ""},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.block_count", .value = 1u << 30),
     {0},
     "key llama.block_count",
     "1073741824 layers, but the file has only"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.block_count", .value = 3),
     {0},
     "tensor blk.2.attn_norm.weight",
     "absent, expected shape [256, 1, 1]"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.block_count", .value = 1),
     {0},
     "tensor blk.1.attn_norm.weight",
     "not a tensor of the family llama with 1 layers"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.embedding_length", .value = 0),
     {0},
     "key llama.embedding_length",
     "0, expected 1 .."},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.embedding_length", .value = 128),
     {0},
     "tensor token_embd.weight",
     "shape [256, 512, 1, 1], expected [128, 512, 1, 1]"},
    {"tiny-llama",
     TENSOR(EDIT_SET_STRING, "llama.feed_forward_length", .text = "wide"),
     {0},
     "key llama.feed_forward_length",
     ""},
    {"tiny-llama",
     TENSOR(EDIT_SET_LAYERS, "llama.feed_forward_length", .value = 512, .value2 = 256),
     {0},
     "key llama.feed_forward_length",
     "256 in layer 1 and 512 in layer 0"},
    {"tiny-llama",
     TENSOR(EDIT_SET_LAYERS, "llama.attention.head_count", .value = 8, .value2 = 4),
     {0},
     "key llama.attention.head_count",
     "expected the same value in every layer"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.attention.head_count_kv", .value = 3),
     {0},
     "key llama.attention.head_count_kv",
     "3, expected a divisor of the 8 heads"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.attention.head_count", .value = 0),
     {0},
     "key llama.attention.head_count",
     "0, expected 1 .."},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.rope.dimension_count", .value = 31),
     {0},
     "key llama.rope.dimension_count",
     "31, expected an even number up to the head size 32"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.rope.dimension_count", .value = 34),
     {0},
     "key llama.rope.dimension_count",
     "34, expected an even number up to the head size 32"},
    {"tiny-llama",
     TENSOR(EDIT_SET_F32, "llama.rope.freq_base", .number = 0.0f),
     {0},
     "key llama.rope.freq_base",
     "0, expected"},
    {"tiny-llama",
     TENSOR(EDIT_SET_STRING, "llama.rope.scaling.type", .text = "spiral"),
     {0},
     "key llama.rope.scaling.type",
     "spiral, expected none, linear or yarn"},
    {"tiny-llama",
     TENSOR(EDIT_SET_U32, "llama.vocab_size", .value = 500),
     {0},
     "tensor token_embd.weight",
     "512 rows, expected 500, the value of llama.vocab_size"},
    {"tiny-llama", TENSOR(EDIT_SHAPE, "token_embd.weight", .value = 256, .value2 = 500),
     TENSOR(EDIT_SET_U32, "llama.vocab_size", .value = 500), "tensor token_embd.weight",
     "500 rows, expected 512, the length of tokenizer.ggml.tokens"},
    {"tiny-llama",
     TENSOR(EDIT_DROP, "token_embd.weight"),
     {0},
     "tensor token_embd.weight",
     "absent"},
    {"tiny-llama",
     TENSOR(EDIT_DROP, "blk.1.attn_v.weight"),
     {0},
     "tensor blk.1.attn_v.weight",
     "absent, expected shape [256, 64, 1]"},
    {"tiny-llama",
     TENSOR(EDIT_SHAPE, "blk.0.attn_q.weight", .value = 256, .value2 = 255),
     {0},
     "tensor blk.0.attn_q.weight",
     "shape [256, 255, 1, 1], expected [256, 256, 1, 1]"},
    {"tiny-llama",
     TENSOR(EDIT_TYPE, "blk.0.ffn_norm.weight", .value = DTYPE_F16),
     {0},
     "tensor blk.0.ffn_norm.weight",
     "type F16, expected F32"},
    {"tiny-llama",
     TENSOR(EDIT_ADD, "blk.0.attn_sinks.weight", .value = 8),
     {0},
     "tensor blk.0.attn_sinks.weight",
     "not a tensor of the family llama"},
    {"tiny-llama",
     TENSOR(EDIT_ADD, "blk.0.ffn_gate_exps.weight", .value = 8),
     {0},
     "key llama.expert_count",
     "0 experts, but the file holds tensor blk.0.ffn_gate_exps.weight"},
    {"tiny-llama",
     TENSOR(EDIT_SET_F32, "llama.logit_scale", .number = 8.0f),
     {0},
     "key llama.logit_scale",
     "8, not supported in the family llama"},
    {"tiny-qwen2",
     TENSOR(EDIT_SET_U32, "qwen2.expert_count", .value = 4),
     {0},
     "key qwen2.expert_count",
     "4, expected 0: the family qwen2 is dense"},
    {"tiny-qwen2",
     TENSOR(EDIT_DROP, "blk.0.attn_k.bias"),
     {0},
     "tensor blk.0.attn_k.bias",
     "absent"},
    {"tiny-gemma2",
     TENSOR(EDIT_DROP, "blk.2.post_ffw_norm.weight"),
     {0},
     "tensor blk.2.post_ffw_norm.weight",
     "absent"},
    {"tiny-gemma2",
     TENSOR(EDIT_ADD, "output.weight", .value = 256),
     {0},
     "tensor output.weight",
     "not a tensor of the family gemma2"},
    {"tiny-olmoe",
     TENSOR(EDIT_SET_U32, "olmoe.expert_count", .value = 0),
     {0},
     "key olmoe.expert_count",
     "0 experts, expected at least 1"},
    {"tiny-olmoe",
     TENSOR(EDIT_SET_U32, "olmoe.expert_used_count", .value = 7),
     {0},
     "key olmoe.expert_used_count",
     "7 experts, expected 1 .. 6"},
    {"tiny-olmoe",
     TENSOR(EDIT_SET_U32, "olmoe.expert_used_count", .value = 0),
     {0},
     "key olmoe.expert_used_count",
     "0 experts, expected 1 .. 6"},
    {"tiny-olmoe",
     TENSOR(EDIT_SET_U32, "olmoe.expert_count", .value = 5),
     {0},
     "tensor blk.0.ffn_gate_inp.weight",
     "shape [256, 6, 1, 1], expected [256, 5, 1, 1]"},
    {"tiny-olmoe",
     TENSOR(EDIT_SET_U32, "olmoe.expert_gating_func", .value = 4),
     {0},
     "key olmoe.expert_gating_func",
     "4, expected 1 (softmax), 2 (sigmoid)"},
    {"tiny-olmoe",
     TENSOR(EDIT_TYPE, "blk.1.ffn_gate_inp.weight", .value = DTYPE_F16),
     {0},
     "tensor blk.1.ffn_gate_inp.weight",
     "type F16, expected F32"},
    {"tiny-olmoe", TENSOR(EDIT_DROP, "output.weight"), {0}, "tensor output.weight", "absent"},
    {"tiny-olmoe",
     TENSOR(EDIT_DROP, "blk.1.ffn_down_exps.weight"),
     {0},
     "tensor blk.1.ffn_down_exps.weight",
     "absent, expected shape [256, 256, 6]"},
    {"tiny-olmoe",
     TENSOR(EDIT_ADD, "blk.0.ffn_up_shexp.weight", .value = 8),
     {0},
     "tensor blk.0.ffn_up_shexp.weight",
     "not a tensor of the family olmoe"},
};

static void one_fault_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        char name[64];
        snprintf(name, sizeof name, "%s.gguf", r->shape);
        const char *good = fixture_path(name), *bad = fixture_path("bad.gguf");
        if (access(good, R_OK) != 0) {
            fixture_synth(good, r->shape, "F32");
        }
        const struct edit edits[3] = {r->edit, r->edit2, {.kind = EDIT_END}};
        fixture_edit(bad, good, edits);
        struct opened o;
        enum mscope_status status = opened_try(&o, bad);
        if (status == MSCOPE_OK || strcmp(o.err.object, r->object) != 0 ||
            strstr(o.err.detail, r->detail) == NULL) {
            fail_msg("%s, case %zu: got \"%s: %s\", expected \"%s: %s\"", r->shape, i,
                     status == MSCOPE_OK ? "no error" : o.err.object,
                     status == MSCOPE_OK ? "" : o.err.detail, r->object, r->detail);
        }
        opened_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_fault_is_named),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
