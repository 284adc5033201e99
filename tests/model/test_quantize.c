/* SPDX-License-Identifier: MIT */
/* Quantising a file: every recipe gives a file that binds, close to the original, the same for any
 * thread count. */
#include "fixture.h"

#include "kernels/quants.h"
#include "model/quantize.h"

#include <math.h>

static enum mscope_status quantize(const char *in, const char *out, const char *recipe,
                                   int n_threads, bool again, struct mscope_error *err)
{
    struct quantize_summary summary;
    const struct quantize_params params = {
        .recipe = recipe_find(recipe), .n_threads = n_threads, .allow_requantize = again};
    return quantize_file(&summary, in, out, &params, err);
}

/* Root mean square difference over that of the original, of all weights. */
static double relative_error(const struct gguf *a, const struct gguf *b)
{
    double difference = 0.0, square = 0.0;
    for (uint64_t i = 0; i < gguf_n_tensors(a); i++) {
        const struct gguf_tensor *x = gguf_tensor_at(a, i);
        const struct gguf_tensor *y = gguf_find_tensor(b, x->name);
        assert_non_null(y);
        assert_int_equal(x->n_elems, y->n_elems);
        float *u = malloc((size_t)x->n_elems * sizeof *u),
              *v = malloc((size_t)x->n_elems * sizeof *v);
        quants_dequantize_row(x->type, u, x->data, (size_t)x->n_elems);
        quants_dequantize_row(y->type, v, y->data, (size_t)x->n_elems);
        for (uint64_t k = 0; k < x->n_elems; k++) {
            difference += ((double)u[k] - (double)v[k]) * ((double)u[k] - (double)v[k]);
            square += (double)u[k] * (double)u[k];
        }
        free(u);
        free(v);
    }
    return sqrt(difference / square);
}

static void every_recipe_gives_a_model_that_binds(void **state)
{
    (void)state;
    static const struct {
        const char *recipe;
        double limit; /* of the relative error for normally distributed weights */
    } cases[] = {{"F32", 0.0},     {"F16", 0.0005},   {"BF16", 0.003}, {"Q8_0", 0.008},
                 {"Q6_K", 0.03},   {"Q5_K_M", 0.05},  {"Q5_1", 0.06},  {"Q5_0", 0.06},
                 {"Q4_K_M", 0.1},  {"Q4_K_S", 0.1},   {"Q4_1", 0.12},  {"Q4_0", 0.12},
                 {"IQ4_NL", 0.11}, {"IQ4_XS", 0.11},  {"Q3_K_M", 0.2}, {"Q2_K", 0.4},
                 {"MXFP4", 0.2},   {"MXFP4_MOE", 0.2}};
    const char *in = fixture_path("in.gguf"), *out = fixture_path("out.gguf");
    fixture_synth(in, "tiny-llama", "F32");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct opened a, b;
        struct mscope_error err;
        assert_ok(quantize(in, out, cases[i].recipe, 2, false, &err), &err);
        assert_ok(opened_try(&a, in), &a.err);
        assert_ok(opened_try(&b, out), &b.err);
        assert_string_equal(b.info.file_type,
                            strcmp(cases[i].recipe, "MXFP4") == 0 ? "MXFP4_MOE" : cases[i].recipe);
        assert_true(b.info.is_synthetic);
        assert_int_equal(gguf_n_kv(a.gguf), gguf_n_kv(b.gguf));
        double error = relative_error(a.gguf, b.gguf);
        if (error > cases[i].limit) {
            fail_msg("%s: relative error %.4f, expected at most %.4f", cases[i].recipe, error,
                     cases[i].limit);
        }
        opened_close(&a);
        opened_close(&b);
    }
}

static void synth_and_quantize_choose_the_same_types(void **state)
{
    (void)state;
    static const char *const recipes[] = {"Q4_K_M", "Q2_K", "MXFP4_MOE"};
    const char *in = fixture_path("in.gguf"), *out = fixture_path("out.gguf"),
               *direct = fixture_path("d.gguf");
    fixture_synth(in, "tiny-mixtral", "F32");
    for (size_t i = 0; i < 3; i++) {
        struct opened a, b;
        struct mscope_error err;
        assert_ok(quantize(in, out, recipes[i], 1, false, &err), &err);
        fixture_synth(direct, "tiny-mixtral", recipes[i]);
        assert_ok(opened_try(&a, out), &a.err);
        assert_ok(opened_try(&b, direct), &b.err);
        for (uint64_t t = 0; t < gguf_n_tensors(a.gguf); t++) {
            assert_int_equal(gguf_tensor_at(a.gguf, t)->type, gguf_tensor_at(b.gguf, t)->type);
        }
        opened_close(&a);
        opened_close(&b);
    }
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    const char *in = fixture_path("in.gguf");
    const char *one = fixture_path("one.gguf"), *three = fixture_path("three.gguf");
    struct mscope_error err;
    fixture_synth(in, "tiny-gemma2", "F32");
    assert_ok(quantize(in, one, "Q4_K_M", 1, false, &err), &err);
    assert_ok(quantize(in, three, "Q4_K_M", 3, false, &err), &err);
    struct opened a, b;
    assert_ok(opened_try(&a, one), &a.err);
    assert_ok(opened_try(&b, three), &b.err);
    for (uint64_t i = 0; i < gguf_n_tensors(a.gguf); i++) {
        const struct gguf_tensor *x = gguf_tensor_at(a.gguf, i), *y = gguf_tensor_at(b.gguf, i);
        assert_int_equal(x->n_bytes, y->n_bytes);
        assert_memory_equal(x->data, y->data, (size_t)x->n_bytes);
    }
    opened_close(&a);
    opened_close(&b);
}

static void overrides_apply_to_experts_alone(void **state)
{
    (void)state;
    const char *in = fixture_path("in.gguf"), *out = fixture_path("out.gguf");
    struct mscope_error err;
    struct quantize_summary summary;
    const struct recipe_override overrides[] = {{"_exps", DTYPE_Q2_K}};
    const struct quantize_params params = {
        .recipe = recipe_find("Q8_0"), .overrides = overrides, .n_overrides = 1, .n_threads = 2};
    fixture_synth(in, "tiny-olmoe", "F32");
    assert_ok(quantize_file(&summary, in, out, &params, &err), &err);
    struct opened o;
    assert_ok(opened_try(&o, out), &o.err);
    assert_int_equal(o.weights.layers[1].expert_down.type, DTYPE_Q2_K);
    assert_int_equal(o.weights.layers[1].attn_q.type, DTYPE_Q8_0);
    assert_int_equal(o.weights.layers[1].router.type, DTYPE_F32);
    assert_int_equal(summary.bytes_out, o.info.file_bytes);
    assert_int_equal(summary.n_tensors, gguf_n_tensors(o.gguf));
    assert_int_equal(summary.n_converted, 2 * 7 + 2); /* q k v o gate up down, embedding, output */
    opened_close(&o);
}

static void bad_requests_leave_no_file(void **state)
{
    (void)state;
    const char *in = fixture_path("in.gguf"), *out = fixture_path("none.gguf");
    struct mscope_error err;
    fixture_synth(in, "tiny-llama", "Q4_0");
    assert_int_equal(quantize(in, out, "Q8_0", 1, false, &err), MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "tensor token_embd.weight");
    assert_non_null(
        strstr(err.detail, "type Q6_K is quantised already, expected F32, F16 or BF16"));
    assert_int_equal(quantize(in, in, "Q8_0", 1, true, &err), MSCOPE_ERR_ARGUMENT);
    assert_non_null(strstr(err.detail, "is the input itself"));
    assert_int_equal(quantize(fixture_path("missing.gguf"), out, "Q8_0", 1, false, &err),
                     MSCOPE_ERR_IO);
    assert_int_not_equal(access(out, F_OK), 0);
    assert_int_not_equal(access(fixture_path("none.gguf.partial"), F_OK), 0);
    assert_ok(quantize(in, out, "Q8_0", 1, true, &err), &err);
    struct opened o;
    assert_ok(opened_try(&o, out), &o.err);
    opened_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recipe_gives_a_model_that_binds),
        cmocka_unit_test(synth_and_quantize_choose_the_same_types),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(overrides_apply_to_experts_alone),
        cmocka_unit_test(bad_requests_leave_no_file),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
