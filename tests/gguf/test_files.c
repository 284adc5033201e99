/* SPDX-License-Identifier: MIT */
/* What is at the path but is no usable file: each gets its own message. */
#include "folder.h"
#include "image.h"
#include "walk.h"

#include <sys/stat.h>

static struct mscope_error err;
static struct image image;

static void expect_refused(const char *path, const char *detail)
{
    struct gguf *gguf;
    char object[700];
    snprintf(object, sizeof object, "file %s", path);
    assert_int_not_equal(gguf_open(&gguf, path, &err), MSCOPE_OK);
    assert_null(gguf);
    assert_string_equal(err.object, object);
    assert_string_equal(err.detail, detail);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    (void)state;
    expect_refused(folder_path, "is a directory, expected a regular file");
    expect_refused("/dev/zero", "is not a regular file, expected a regular file");
    assert_int_equal(mkfifo(folder_file("fifo"), 0600), 0);
    expect_refused(folder_file("fifo"), "is not a regular file, expected a regular file");
    folder_clear();
}

static void what_is_not_there_or_closed_to_us_is_refused(void **state)
{
    (void)state;
    expect_refused(folder_file("vanished.gguf"), "cannot open: No such file or directory");
    folder_write(folder_file("secret.gguf"), "GGUF", 4);
    expect_refused(folder_file("secret.gguf/x"), "cannot open: Not a directory");
    assert_int_equal(symlink("nowhere", folder_file("dangling.gguf")), 0);
    expect_refused(folder_file("dangling.gguf"), "cannot open: No such file or directory");
    assert_int_equal(chmod(folder_file("secret.gguf"), 0), 0);
    if (access(folder_file("secret.gguf"), R_OK) == 0) {
        print_message("SKIP unreadable file: this user may read everything\n");
    } else {
        expect_refused(folder_file("secret.gguf"), "cannot open: Permission denied");
    }
    folder_clear();
}

static void files_too_short_for_a_header_are_refused(void **state)
{
    (void)state;
    folder_write(folder_file("empty.gguf"), "", 0);
    expect_refused(folder_file("empty.gguf"), "empty file, expected a header of at least 24 bytes");
    folder_write(folder_file("short.gguf"), "GGUF\3\0\0\0", 8);
    expect_refused(folder_file("short.gguf"),
                   "truncated: 8 bytes, expected a header of at least 24");
    folder_clear();
}

static void a_file_cut_anywhere_is_refused_from_disk_too(void **state)
{
    (void)state;
    image_small_model(&image);
    for (size_t n = 0; n < image.n; n += 13) {
        struct gguf *gguf;
        folder_write(folder_file("cut.gguf"), image.bytes, n);
        assert_int_equal(gguf_open(&gguf, folder_file("cut.gguf"), &err), MSCOPE_ERR_FORMAT);
        assert_null(gguf);
    }
    folder_clear();
}

static void an_opened_file_outlives_its_name(void **state)
{
    (void)state;
    image_small_model(&image);
    struct gguf *gguf;
    folder_write(folder_file("model.gguf"), image.bytes, image.n);
    assert_ok(gguf_open(&gguf, folder_file("model.gguf"), &err), &err);
    folder_clear();
    walk_all(gguf);
    gguf_close(&gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(what_is_not_there_or_closed_to_us_is_refused),
        cmocka_unit_test(files_too_short_for_a_header_are_refused),
        cmocka_unit_test(a_file_cut_anywhere_is_refused_from_disk_too),
        cmocka_unit_test(an_opened_file_outlives_its_name),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
