/* SPDX-License-Identifier: MIT */
/* The description of a model: sums, what one token reads, files we cannot run, files without
 * tensors. */
#include "fixture.h"

static uint64_t tensor_bytes(const struct gguf *gguf, const char *part)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(gguf, i);
        sum += strstr(t->name, part) != NULL ? t->n_bytes : 0;
    }
    return sum;
}

static void check_sums(const struct opened *o)
{
    uint64_t n_class = 0, n_token = 0, n_type_bytes = 0, n_type_params = 0;
    uint32_t n_type_tensors = 0;
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        n_class += o->info.class_bytes[i];
        n_token += o->info.class_bytes_token[i];
    }
    for (uint32_t i = 0; i < o->info.n_types; i++) {
        n_type_bytes += o->info.types[i].n_bytes;
        n_type_params += o->info.types[i].n_params;
        n_type_tensors += o->info.types[i].n_tensors;
        assert_true(i == 0 || o->info.types[i - 1].n_bytes >= o->info.types[i].n_bytes);
    }
    assert_int_equal(n_class, tensor_bytes(o->gguf, ""));
    assert_int_equal(n_type_bytes, n_class);
    assert_int_equal(n_type_params, o->info.n_params);
    assert_int_equal(n_type_tensors, gguf_n_tensors(o->gguf));
    assert_int_equal(n_token, o->info.bytes_per_token);
    assert_true(o->info.file_bytes > n_class);
}

static void a_token_reads_the_chosen_experts_and_one_embedding_row(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    fixture_synth(path, "tiny-olmoe", "Q4_K_M");
    struct opened o;
    assert_ok(opened_try(&o, path), &o.err);
    check_sums(&o);
    const uint64_t *bytes = o.info.class_bytes, *token = o.info.class_bytes_token;
    assert_int_equal(bytes[MSCOPE_CLASS_EXPERTS], tensor_bytes(o.gguf, "_exps"));
    assert_int_equal(token[MSCOPE_CLASS_EXPERTS] * 2, bytes[MSCOPE_CLASS_EXPERTS]); /* 3 of 6 */
    assert_int_equal(token[MSCOPE_CLASS_EMBEDDING] * 512, bytes[MSCOPE_CLASS_EMBEDDING]);
    assert_int_equal(token[MSCOPE_CLASS_ATTENTION], bytes[MSCOPE_CLASS_ATTENTION]);
    assert_int_equal(token[MSCOPE_CLASS_OUTPUT], tensor_bytes(o.gguf, "output.weight") -
                                                     tensor_bytes(o.gguf, "attn_output.weight"));
    assert_int_equal(bytes[MSCOPE_CLASS_ROUTER], 2 * 6 * 256 * sizeof(float));
    assert_int_equal(bytes[MSCOPE_CLASS_FFN] + bytes[MSCOPE_CLASS_SHARED], 0);
    uint64_t n_expert_params = 2ull * 6 * 3 * 256 * 256;
    assert_int_equal(o.info.n_params - o.info.n_params_active, n_expert_params / 2 + 511 * 256);
    assert_int_equal(o.info.kv_bytes_per_token_f16, 2 * 2 * 4 * 64 * 2);
    assert_int_equal(o.info.n_ff_expert, 256);
    assert_int_equal(o.info.n_ff, 0);
    assert_string_equal(o.info.tokenizer_model, "gpt2");
    assert_string_equal(o.info.tokenizer_pre, "olmo");
    assert_false(o.info.tied_output || o.info.has_chat_template);
    opened_close(&o);
}

static void a_tied_embedding_is_read_as_output(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    fixture_synth(path, "tiny-gemma2", "Q8_0");
    struct opened o;
    assert_ok(opened_try(&o, path), &o.err);
    check_sums(&o);
    uint64_t embedding = tensor_bytes(o.gguf, "token_embd");
    assert_true(o.info.tied_output);
    assert_int_equal(o.info.class_bytes[MSCOPE_CLASS_OUTPUT], 0);
    assert_int_equal(o.info.class_bytes[MSCOPE_CLASS_EMBEDDING], embedding);
    assert_int_equal(o.info.class_bytes_token[MSCOPE_CLASS_OUTPUT], embedding);
    assert_int_equal(o.info.class_bytes_token[MSCOPE_CLASS_EMBEDDING], embedding / 512);
    assert_int_equal(o.info.n_params_active, o.info.n_params);
    opened_close(&o);
}

static void unknown_families_are_described_too(void **state)
{
    (void)state;
    const char *good = fixture_path("tiny.gguf"), *path = fixture_path("other.gguf");
    fixture_synth(good, "tiny-llama", "Q4_0");
    const struct edit edits[] = {
        {.kind = EDIT_SET_STRING, .name = "general.architecture", .text = "mystery"},
        {.kind = EDIT_SET_U32, .name = "mystery.block_count", .value = 2},
        {.kind = EDIT_SET_U32, .name = "mystery.embedding_length", .value = 256},
        {.kind = EDIT_SET_LAYERS, .name = "mystery.attention.head_count", .value = 8, .value2 = 4},
        {.kind = EDIT_SET_LAYERS,
         .name = "mystery.attention.head_count_kv",
         .value = 2,
         .value2 = 1},
        {.kind = EDIT_SET_U32, .name = "general.file_type", .value = 1024 + 15},
        {.kind = EDIT_SET_STRING, .name = "tokenizer.chat_template", .text = "{{ x }}"},
        {.kind = EDIT_DROP_KEY, .name = "moescope.synthetic"},
        {.kind = EDIT_END}};
    fixture_edit(path, good, edits);
    struct opened o;
    assert_int_equal(opened_try(&o, path), MSCOPE_ERR_UNSUPPORTED);
    check_sums(&o);
    assert_string_equal(o.info.architecture, "mystery");
    assert_string_equal(o.info.file_type, "Q4_K_M");
    assert_int_equal(o.info.n_head, 8);
    assert_int_equal(o.info.kv_bytes_per_token_f16, (2 + 1) * 2 * 32 * 2);
    assert_true(o.info.has_chat_template && !o.info.is_synthetic);
    opened_close(&o);
}

static void a_file_of_keys_alone_is_described(void **state)
{
    (void)state;
    struct mscope_error err;
    struct gguf_writer *w;
    const char *path = fixture_path("vocabulary.gguf");
    assert_ok(gguf_writer_open(&w, path, &err), &err);
    const struct gguf_string tokens[3] = {{"a", 1}, {"b", 1}, {"c", 1}};
    gguf_writer_set_string(w, "general.architecture", "llama", 5);
    gguf_writer_set_string(w, "tokenizer.ggml.model", "gpt2", 4);
    gguf_writer_set_string_array(w, "tokenizer.ggml.tokens", tokens, 3);
    assert_ok(gguf_writer_begin_data(w, &err), &err);
    assert_ok(gguf_writer_finish(w, &err), &err);
    gguf_writer_close(&w);
    struct opened o;
    assert_int_equal(opened_try(&o, path), MSCOPE_ERR_FORMAT);
    assert_string_equal(o.err.object, "key llama.block_count");
    assert_int_equal(o.info.n_vocab, 3);
    assert_int_equal(o.info.n_params + o.info.bytes_per_token + o.info.n_types, 0);
    assert_string_equal(o.info.file_type, "");
    assert_string_equal(o.info.name, "");
    opened_close(&o);
}

static void classes_follow_the_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum mscope_class cls;
    } cases[] = {
        {"token_embd.weight", MSCOPE_CLASS_EMBEDDING},
        {"output.weight", MSCOPE_CLASS_OUTPUT},
        {"output.bias", MSCOPE_CLASS_OUTPUT},
        {"output_norm.weight", MSCOPE_CLASS_NORM},
        {"rope_freqs.weight", MSCOPE_CLASS_NORM},
        {"blk.0.attn_norm.weight", MSCOPE_CLASS_NORM},
        {"blk.0.post_attention_norm.weight", MSCOPE_CLASS_NORM},
        {"blk.0.ffn_norm.weight", MSCOPE_CLASS_NORM},
        {"blk.0.post_ffw_norm.weight", MSCOPE_CLASS_NORM},
        {"blk.0.attn_q.bias", MSCOPE_CLASS_ATTENTION},
        {"blk.0.attn_output.weight", MSCOPE_CLASS_ATTENTION},
        {"blk.0.attn_q_norm.weight", MSCOPE_CLASS_ATTENTION},
        {"blk.0.attn_kv_a_mqa.weight", MSCOPE_CLASS_ATTENTION},
        {"blk.0.attn_sinks.weight", MSCOPE_CLASS_ATTENTION},
        {"blk.0.ffn_gate_inp.weight", MSCOPE_CLASS_ROUTER},
        {"blk.0.exp_probs_b.bias", MSCOPE_CLASS_ROUTER},
        {"blk.0.ffn_gate_inp_shexp.weight", MSCOPE_CLASS_SHARED},
        {"blk.0.ffn_down_shexp.weight", MSCOPE_CLASS_SHARED},
        {"blk.0.ffn_down_exps.weight", MSCOPE_CLASS_EXPERTS},
        {"blk.0.ffn_up_exps.bias", MSCOPE_CLASS_EXPERTS},
        {"blk.3.ffn_gate.7.weight", MSCOPE_CLASS_EXPERTS},
        {"blk.3.ffn_gate.weight", MSCOPE_CLASS_FFN},
        {"blk.3.ffn_down.bias", MSCOPE_CLASS_FFN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (model_tensor_class(cases[i].name) != cases[i].cls) {
            fail_msg("%s: class %d, expected %d", cases[i].name,
                     (int)model_tensor_class(cases[i].name), (int)cases[i].cls);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_reads_the_chosen_experts_and_one_embedding_row),
        cmocka_unit_test(a_tied_embedding_is_read_as_output),
        cmocka_unit_test(unknown_families_are_described_too),
        cmocka_unit_test(a_file_of_keys_alone_is_described),
        cmocka_unit_test(classes_follow_the_names),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
