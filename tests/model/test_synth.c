/* SPDX-License-Identifier: MIT */
/* Synthetic models: reproducible bytes, the promised deviation for every type, published sizes, a
 * whole vocabulary. */
#include "fixture.h"

#include "kernels/quants.h"
#include "model/synth_parts.h"

#include <math.h>

static char *read_file(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*n_bytes);
    assert_int_equal(fread(data, 1, *n_bytes, file), *n_bytes);
    fclose(file);
    return data;
}

static void write_one(const char *path, const char *shape, const char *recipe, uint64_t seed,
                      int n_threads)
{
    struct mscope_error err;
    const struct synth_params params = {
        .shape = shape, .recipe = recipe, .seed = seed, .n_threads = n_threads};
    assert_ok(synth_write(path, &params, &err), &err);
}

static void bytes_depend_on_the_seed_only(void **state)
{
    (void)state;
    static const char *const recipes[] = {"Q4_K_M", "F16", "MXFP4_MOE"};
    for (size_t i = 0; i < sizeof recipes / sizeof recipes[0]; i++) {
        const char *one = fixture_path("one.gguf"), *two = fixture_path("two.gguf");
        size_t n_one, n_two;
        write_one(one, "tiny-olmoe", recipes[i], 5, 1);
        write_one(two, "tiny-olmoe", recipes[i], 5, 3);
        char *a = read_file(one, &n_one), *b = read_file(two, &n_two);
        assert_int_equal(n_one, n_two);
        assert_memory_equal(a, b, n_one);
        free(b);
        write_one(two, "tiny-olmoe", recipes[i], 6, 2);
        b = read_file(two, &n_two);
        assert_int_equal(n_one, n_two);
        size_t n_differ = 0;
        for (size_t k = 0; k < n_one; k++) {
            n_differ += a[k] != b[k];
        }
        assert_true(n_differ > n_one / 2);
        free(a);
        free(b);
    }
}

/* Mean near 0, deviation within 2 %, both halves of the stream unlike. */
static void every_type_has_the_deviation_asked_for(void **state)
{
    (void)state;
    enum { N = 256 * 2000 };
    static float values[N], normal[SYNTH_LEVELS];
    static struct synth_filler filler;
    void *packed = malloc(N * sizeof(float));
    synth_normal_levels(normal);
    for (int type = 0; type < DTYPE_COUNT; type++) {
        const struct dtype_info *info = dtype_get((uint32_t)type);
        if (info == NULL || !info->storage) {
            continue;
        }
        static const float sigmas[] = {1.0f, 0.022f, 0.0015f};
        for (size_t i = 0; i < sizeof sigmas / sizeof sigmas[0]; i++) {
            struct rng rng;
            rng_seed_stream(&rng, 11, (uint64_t)type);
            synth_filler_init(&filler, (enum dtype)type, 0.0f, sigmas[i], normal);
            synth_filler_run(&filler, &rng, packed, N / info->block_elems);
            quants_dequantize_row((enum dtype)type, values, packed, N);
            double sum = 0.0, squares = 0.0;
            for (int k = 0; k < N; k++) {
                sum += (double)values[k];
                squares += (double)values[k] * (double)values[k];
            }
            double mean = sum / N / (double)sigmas[i];
            double deviation = sqrt(squares / N) / (double)sigmas[i];
            if (fabs(mean) > 0.01 || fabs(deviation - 1.0) > 0.02) {
                fail_msg("%s, sigma %g: mean %.4f, deviation %.4f, in units of sigma", info->name,
                         (double)sigmas[i], mean, deviation);
            }
        }
    }
    free(packed);
}

/* Bytes of the tensors alone, against the published files (their vocabularies are below 1 %). */
static void q4_k_m_has_the_published_size(void **state)
{
    (void)state;
    static const struct {
        const char *shape;
        double gigabytes;
    } cases[] = {{"llama-3.2-1b", 0.80},  {"qwen2.5-1.5b", 0.98}, {"gemma-2-2b", 1.70},
                 {"olmoe-1b-7b", 4.21},   {"llama-3.2-3b", 2.02}, {"mixtral-8x7b", 28.45},
                 {"qwen3moe-1b-7b", 4.21}};
    static struct synth_tensor tensors[SYNTH_MAX_TENSORS];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct synth_shape *shape = synth_shape_find(cases[i].shape);
        int n = synth_list_tensors(tensors, shape, arch_find_name(shape->arch));
        const struct recipe_model model = {shape->arch,   shape->n_layer,   shape->n_expert,
                                           shape->n_head, shape->n_head_kv, shape->tied};
        struct recipe_state recipe;
        recipe_begin(&recipe, recipe_find("Q4_K_M"), &model);
        for (int t = 0; t < n; t++) {
            recipe_count(&recipe, tensors[t].name, tensors[t].n_dims);
        }
        double bytes = 0.0;
        for (int t = 0; t < n; t++) {
            struct mscope_error err;
            enum dtype type;
            assert_ok(recipe_choose(&type, &recipe, tensors[t].name, tensors[t].n_dims,
                                    tensors[t].ne, DTYPE_F32, &err),
                      &err);
            bytes += (double)(dtype_row_bytes(type, tensors[t].ne[0]) * tensors[t].ne[1] *
                              tensors[t].ne[2]);
        }
        if (fabs(bytes / 1e9 / cases[i].gigabytes - 1.0) > 0.01) {
            fail_msg("%s: %.4f GB, expected %.2f", cases[i].shape, bytes / 1e9, cases[i].gigabytes);
        }
    }
}

static void check_vocabulary(const struct gguf *gguf, const struct synth_shape *shape)
{
    struct mscope_error err;
    struct gguf_array tokens, types;
    assert_ok(gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, &err), &err);
    assert_ok(gguf_get_array(gguf, "tokenizer.ggml.token_type", GGUF_I32, &types, &err), &err);
    assert_int_equal(tokens.n, shape->n_vocab);
    assert_int_equal(types.n, shape->n_vocab);
    struct gguf_string *texts = calloc(tokens.n, sizeof *texts);
    const void *cursor = tokens.data;
    for (uint64_t i = 0; i < tokens.n; i++) {
        assert_true(gguf_array_next_string(&tokens, &cursor, &texts[i]));
        assert_true(texts[i].n_bytes > 0);
    }
    if (tokens.n <= 512) { /* no text twice */
        for (uint64_t i = 0; i < tokens.n; i++) {
            for (uint64_t k = 0; k < i; k++) {
                assert_false(texts[i].n_bytes == texts[k].n_bytes &&
                             memcmp(texts[i].data, texts[k].data, texts[i].n_bytes) == 0);
            }
        }
    }
    uint32_t bos = UINT32_MAX, eos = UINT32_MAX;
    assert_ok(gguf_get_u32(gguf, "tokenizer.ggml.bos_token_id", &bos, &err), &err);
    assert_ok(gguf_get_u32(gguf, "tokenizer.ggml.eos_token_id", &eos, &err), &err);
    assert_int_equal(gguf_array_i32(&types, bos), 3);
    assert_int_equal(gguf_array_i32(&types, eos), 3);
    free(texts);
}

/* Both parts of a merge and their union are tokens. */
static void check_merges(const struct gguf *gguf)
{
    struct mscope_error err;
    struct gguf_array tokens, merges;
    if (gguf_find(gguf, "tokenizer.ggml.merges") == NULL) {
        return;
    }
    assert_ok(gguf_get_array(gguf, "tokenizer.ggml.tokens", GGUF_STRING, &tokens, &err), &err);
    assert_ok(gguf_get_array(gguf, "tokenizer.ggml.merges", GGUF_STRING, &merges, &err), &err);
    assert_true(merges.n > 100);
    const void *at = merges.data;
    struct gguf_string merge;
    for (uint64_t i = 0; gguf_array_next_string(&merges, &at, &merge); i++) {
        char parts[3][64];
        char line[64];
        snprintf(line, sizeof line, "%.*s", (int)merge.n_bytes, merge.data);
        assert_int_equal(sscanf(line, "%63s %63s", parts[0], parts[1]), 2);
        snprintf(parts[2], sizeof parts[2], "%.30s%.30s", parts[0], parts[1]);
        for (int p = 0; p < 3; p++) {
            const void *cursor = tokens.data;
            struct gguf_string token;
            bool found = false;
            while (!found && gguf_array_next_string(&tokens, &cursor, &token)) {
                found = gguf_string_equals(token, parts[p]);
            }
            assert_true(found);
        }
    }
}

static void vocabularies_are_whole(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    for (const char *const *name = synth_shapes(); *name != NULL; name++) {
        if (strncmp(*name, "tiny-", 5) != 0) {
            continue;
        }
        fixture_synth(path, *name, "Q4_0");
        struct opened o;
        assert_ok(opened_try(&o, path), &o.err);
        check_vocabulary(o.gguf, synth_shape_find(*name));
        check_merges(o.gguf);
        opened_close(&o);
    }
}

/* The true sizes, without writing gigabytes: a file of keys alone. */
static void full_vocabularies_are_whole(void **state)
{
    (void)state;
    struct mscope_error err;
    for (const char *const *name = synth_shapes(); *name != NULL; name++) {
        if (strncmp(*name, "tiny-", 5) == 0) {
            continue;
        }
        const char *path = fixture_path("vocabulary.gguf");
        struct gguf_writer *w;
        struct gguf *gguf;
        assert_ok(gguf_writer_open(&w, path, &err), &err);
        assert_ok(synth_vocab_write(w, synth_shape_find(*name), &err), &err);
        assert_ok(gguf_writer_begin_data(w, &err), &err);
        assert_ok(gguf_writer_finish(w, &err), &err);
        gguf_writer_close(&w);
        assert_ok(gguf_open(&gguf, path, &err), &err);
        check_vocabulary(gguf, synth_shape_find(*name));
        gguf_close(&gguf);
    }
}

static void rope_factors_follow_the_published_rule(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    fixture_synth(path, "tiny-llama", "F32"); /* 16 pairs, theta 5e5, context 256, factor 32 */
    struct opened o;
    assert_ok(opened_try(&o, path), &o.err);
    const float *factors = o.weights.rope_factors.data;
    assert_true(factors[0] == 1.0f); /* wave length 6.3 is below 256 / 4 */
    assert_true(fabsf(factors[15] - 32.0f) < 1e-4f);
    for (int i = 1; i < 16; i++) {
        assert_true(factors[i] >= factors[i - 1]);
    }
    /* Pair 4: length 2 pi 5e5^(1/4) = 167.1, 1.532 turns, smooth 0.1774. */
    assert_true(fabsf(factors[4] - 4.9265f) < 0.01f);
    opened_close(&o);
}

static void tiny_files_are_small(void **state)
{
    (void)state;
    const char *path = fixture_path("tiny.gguf");
    for (const char *const *name = synth_shapes(); *name != NULL; name++) {
        if (strncmp(*name, "tiny-", 5) == 0) {
            fixture_synth(path, *name, "Q4_K_M");
            struct opened o;
            assert_ok(opened_try(&o, path), &o.err);
            assert_true(o.info.file_bytes < 2000000);
            opened_close(&o);
        }
    }
}

static void bad_requests_are_named(void **state)
{
    (void)state;
    struct mscope_error err;
    const char *path = fixture_path("never.gguf");
    struct synth_params params = {.shape = "huge-9t", .recipe = "Q4_K_M"};
    assert_int_equal(synth_write(path, &params, &err), MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "shape huge-9t");
    assert_non_null(strstr(err.detail, "olmoe-1b-7b"));
    params = (struct synth_params){.shape = "tiny-llama", .recipe = "Q99"};
    assert_int_equal(synth_write(path, &params, &err), MSCOPE_ERR_ARGUMENT);
    assert_string_equal(err.object, "type Q99");
    params.recipe = "Q8_0";
    assert_int_equal(synth_write("/nowhere/at/all.gguf", &params, &err), MSCOPE_ERR_IO);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void progress_ends_at_the_total(void *user, uint64_t done, uint64_t total)
{
    uint64_t *last = user;
    assert_true(done >= last[0] && done <= total);
    last[0] = done;
    last[1] = total;
}

static void progress_is_monotonic(void **state)
{
    (void)state;
    struct mscope_error err;
    uint64_t last[2] = {0, 1};
    const struct synth_params params = {.shape = "tiny-gemma2",
                                        .recipe = "F32",
                                        .seed = 1,
                                        .progress = progress_ends_at_the_total,
                                        .user = last};
    assert_ok(synth_write(fixture_path("tiny.gguf"), &params, &err), &err);
    assert_int_equal(last[0], last[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_depend_on_the_seed_only),
        cmocka_unit_test(every_type_has_the_deviation_asked_for),
        cmocka_unit_test(q4_k_m_has_the_published_size),
        cmocka_unit_test(vocabularies_are_whole),
        cmocka_unit_test(full_vocabularies_are_whole),
        cmocka_unit_test(rope_factors_follow_the_published_rule),
        cmocka_unit_test(tiny_files_are_small),
        cmocka_unit_test(bad_requests_are_named),
        cmocka_unit_test(progress_is_monotonic),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
