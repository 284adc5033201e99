/* SPDX-License-Identifier: MIT */
/*
 * Runs one fuzz target over the files of a folder, for compilers without libFuzzer: replay_NAME
 * FOLDER. Every prefix at a few lengths is given as well, since cut-off input is the commonest
 * damage.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path);
static void run_copy(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        printf("SKIP %s: %s\n", argv[1], strerror(errno));
        return 77;
    }
    int n_files = 0;
    int n_failed = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        n_failed += replay_file(path);
        n_files++;
    }
    closedir(folder);
    printf("%d inputs replayed\n", n_files);
    return n_failed > 0 || n_files == 0 ? 1 : 0;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t n = 0;
    int failed = 1;
    if (file == NULL) {
        goto done;
    }
    for (size_t n_read = 1; n_read > 0; n += n_read) {
        uint8_t *grown = realloc(data, n + 65536);
        if (grown == NULL) {
            goto done;
        }
        data = grown;
        n_read = fread(data + n, 1, 65536, file);
    }
    if (ferror(file)) {
        goto done;
    }
    run_copy(data, n);
    for (size_t part = 1; part < 8; part++) {
        run_copy(data, n * part / 8);
    }
    failed = 0;
done:
    if (failed) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    if (file != NULL) {
        fclose(file);
    }
    free(data);
    return failed;
}

/* In a block of exactly this size, so that the sanitizer sees a read past its end. */
static void run_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}
