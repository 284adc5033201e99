/* SPDX-License-Identifier: MIT */
/* Every golden model of a family we know binds; the others are refused by name; info adds up for
 * all of them. */
#include "gguf/gguf.h"
#include "model/model.h"
#include "unit.h"

#include <dirent.h>
#include <string.h>

static const char *folder;

static bool is_known(const char *arch)
{
    for (const char *const *known = model_known_archs(); *known != NULL; known++) {
        if (strcmp(*known, arch) == 0) {
            return true;
        }
    }
    return false;
}

static void check_weights(const struct model_config *config, const struct weights *weights)
{
    assert_int_equal(weights->token_embd.n_in, config->n_embd);
    assert_int_equal(weights->output.n_out, config->n_vocab);
    for (uint32_t il = 0; il < config->n_layer; il++) {
        const struct layer_weights *layer = &weights->layers[il];
        assert_int_equal(layer->is_moe, config->n_expert > 0);
        assert_non_null(layer->attn_q.data);
        assert_int_equal(layer->attn_q.n_out, config->n_head * config->head_dim_k);
        if (layer->is_moe) {
            assert_non_null(layer->expert_down.data[config->n_expert - 1]);
        } else {
            assert_int_equal(layer->ffn_down.n_in, config->n_ff);
        }
    }
}

static void check_info(const struct mscope_model_info *info, const struct gguf *gguf)
{
    uint64_t n_class = 0, n_type = 0, n_tensor = 0, n_token = 0;
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        n_tensor += gguf_tensor_at(gguf, i)->n_bytes;
    }
    for (int i = 0; i < MSCOPE_N_CLASS; i++) {
        n_class += info->class_bytes[i];
        n_token += info->class_bytes_token[i];
    }
    for (uint32_t i = 0; i < info->n_types; i++) {
        n_type += info->types[i].n_bytes;
        assert_true(i == 0 || info->types[i - 1].n_bytes >= info->types[i].n_bytes);
    }
    assert_true(n_class == n_tensor && n_type == n_tensor);
    assert_true(n_token == info->bytes_per_token && info->n_params_active <= info->n_params);
    assert_true(info->kv_bytes_per_token_f16 > 0);
}

static void every_golden_model_binds_or_is_refused(void **unused)
{
    (void)unused;
    char path[1024];
    snprintf(path, sizeof path, "%s/models", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n_bound = 0, n_refused = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strstr(entry->d_name, ".gguf") == NULL) {
            continue;
        }
        snprintf(path, sizeof path, "%s/models/%s", folder, entry->d_name);
        struct mscope_error err;
        struct gguf *gguf;
        struct arena *arena;
        assert_ok(gguf_open(&gguf, path, &err), &err);
        assert_ok(arena_open(&arena, "test", &err), &err);
        struct mscope_model_info info;
        assert_ok(model_info_fill(&info, gguf, arena, &err), &err);
        check_info(&info, gguf);
        struct model_config config;
        enum mscope_status status = model_config_read(&config, gguf, &err);
        if (is_known(info.architecture)) {
            assert_ok(status, &err);
            struct weights weights;
            assert_ok(model_weights_bind(&weights, &config, gguf, arena, &err), &err);
            check_weights(&config, &weights);
            n_bound++;
        } else {
            assert_int_equal(status, MSCOPE_ERR_UNSUPPORTED);
            assert_non_null(strstr(err.object, info.architecture));
            assert_non_null(strstr(err.detail, "llama, qwen2, gemma2, olmoe, qwen3moe"));
            n_refused++;
        }
        arena_close(&arena);
        gguf_close(&gguf);
    }
    closedir(dir);
    printf("%d bound, %d refused\n", n_bound, n_refused);
    assert_true(n_bound > 0);
}

int main(void)
{
    folder = unit_golden("model/test_golden_bind");
    if (folder == NULL) {
        return UNIT_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_model_binds_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
