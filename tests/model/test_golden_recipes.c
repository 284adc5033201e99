/* SPDX-License-Identifier: MIT */
/* Every quantised golden file has exactly the types that our recipe of the same name chooses. */
#include "gguf/gguf.h"
#include "model/hints.h"
#include "model/recipe.h"
#include "unit.h"

#include <dirent.h>
#include <string.h>

static const char *folder;

static struct recipe_model describe(const struct gguf *gguf, char arch[64])
{
    struct gguf_string name = {"", 0};
    struct mscope_error err;
    assert_ok(gguf_get_string(gguf, "general.architecture", &name, &err), &err);
    snprintf(arch, 64, "%.*s", (int)name.n_bytes, name.data);
    return (struct recipe_model){
        .arch = arch,
        .n_layer = hint_u32(gguf, "block_count"),
        .n_expert = hint_u32(gguf, "expert_count"),
        .n_head = hint_u32(gguf, "attention.head_count"),
        .n_head_kv = hint_u32(gguf, "attention.head_count_kv"),
        .tied_output = gguf_find_tensor(gguf, "output.weight") == NULL,
    };
}

/* Compares all tensors of one file; returns how many differ. */
static int compare_file(const char *path, const struct recipe *recipe)
{
    struct mscope_error err;
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, path, &err), &err);
    char arch[64];
    struct recipe_model model = describe(gguf, arch);
    struct recipe_state state;
    recipe_begin(&state, recipe, &model);
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        recipe_count(&state, gguf_tensor_at(gguf, i)->name, gguf_tensor_at(gguf, i)->n_dims);
    }
    int n_wrong = 0;
    for (uint64_t i = 0; i < gguf_n_tensors(gguf); i++) {
        const struct gguf_tensor *t = gguf_tensor_at(gguf, i);
        enum dtype type;
        assert_ok(recipe_choose(&type, &state, t->name, t->n_dims, t->ne, DTYPE_F32, &err), &err);
        if (type != t->type) {
            n_wrong++;
            printf("%s %s: file %s, recipe %s\n", path, t->name, dtype_name(t->type),
                   dtype_name(type));
        }
    }
    gguf_close(&gguf);
    return n_wrong;
}

static void recipes_equal_the_published_ones(void **unused)
{
    (void)unused;
    char path[1024];
    snprintf(path, sizeof path, "%s/models", folder);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n_files = 0, n_wrong = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char name[256];
        snprintf(name, sizeof name, "%s", entry->d_name);
        char *end = strstr(name, ".gguf");
        char *dot = strchr(name, '.');
        if (end == NULL || dot == end) {
            continue;
        }
        *end = '\0';
        const struct recipe *recipe = recipe_find(dot + 1);
        if (recipe == NULL) {
            printf("%s: no recipe of this name, left out\n", entry->d_name);
            continue;
        }
        snprintf(path, sizeof path, "%s/models/%s", folder, entry->d_name);
        n_wrong += compare_file(path, recipe);
        n_files++;
    }
    closedir(dir);
    printf("%d quantised files compared\n", n_files);
    assert_true(n_files > 0);
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    folder = unit_golden("model/test_golden_recipes");
    if (folder == NULL) {
        return UNIT_SKIPPED;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipes_equal_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
