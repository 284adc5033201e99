/* SPDX-License-Identifier: MIT */
/* Every model and vocabulary file of the golden data opens, and written again is the same file. */
#include "folder.h"
#include "rewrite.h"
#include "walk.h"

static char golden_folder[512];
static struct mscope_error err;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static void check_file(const char *path)
{
    struct gguf *gguf;
    assert_ok(gguf_open(&gguf, path, &err), &err);
    assert_non_null(gguf_find(gguf, "general.architecture"));
    walk_all(gguf);
    assert_ok(rewrite(gguf, folder_file("again.gguf"), &err), &err);
    gguf_close(&gguf);
    size_t n, n_again;
    unsigned char *bytes = folder_read(path, &n);
    unsigned char *again = folder_read(folder_file("again.gguf"), &n_again);
    if (n != n_again || memcmp(bytes, again, n) != 0) {
        fail_msg("%s: written again, it differs (%zu and %zu bytes)", path, n, n_again);
    }
    free(bytes);
    free(again);
}

/* Calls `check` for each file of golden_folder/subfolder with this ending; returns how many. */
static int for_each_file(const char *subfolder, const char *ending, void (*check)(const char *path))
{
    char folder[600], path[1000];
    snprintf(folder, sizeof folder, "%s/%s", golden_folder, subfolder);
    DIR *dir = opendir(folder);
    int n = 0;
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (ends_with(entry->d_name, ending)) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            check(path);
            n++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

static void check_compressed(const char *path)
{
    char command[2000], buffer[1 << 14];
    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    FILE *file = fopen(folder_file("vocab.gguf"), "wb");
    assert_true(pipe != NULL && file != NULL);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
        assert_int_equal(fwrite(buffer, 1, n, file), n);
    }
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(fclose(file), 0);
    check_file(folder_file("vocab.gguf"));
}

static void every_model_opens_and_is_rewritten_the_same(void **state)
{
    (void)state;
    int n = for_each_file("models", ".gguf", check_file);
    print_message("%d models\n", n);
    assert_true(n > 0);
}

static void every_vocabulary_opens_and_is_rewritten_the_same(void **state)
{
    (void)state;
    int n = for_each_file("tokenizers", ".gguf.gz", check_compressed);
    print_message("%d vocabularies\n", n);
    assert_true(n > 0);
}

int main(void)
{
    const char *folder = unit_golden("gguf/test_golden_gguf");
    if (folder == NULL) {
        return UNIT_SKIPPED;
    }
    snprintf(golden_folder, sizeof golden_folder, "%s", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_opens_and_is_rewritten_the_same),
        cmocka_unit_test(every_vocabulary_opens_and_is_rewritten_the_same),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
