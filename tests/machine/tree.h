/* SPDX-License-Identifier: MIT */
/* A folder of small files that stands for /sys and /proc of a recorded machine. */
#ifndef TESTS_MACHINE_TREE_H
#define TESTS_MACHINE_TREE_H

#include "unit.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

struct tree {
    char root[64];
};

static inline void tree_make(struct tree *tree)
{
    snprintf(tree->root, sizeof tree->root, "/tmp/moescope_tree_XXXXXX");
    assert_non_null(mkdtemp(tree->root));
}

static inline const char *tree_path(const struct tree *tree, const char *path)
{
    static char full[512];
    snprintf(full, sizeof full, "%s/%s", tree->root, path);
    return full;
}

/* Writes `text` to `path` below the root in place, making folders. */
static inline void tree_write(const struct tree *tree, const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s", tree_path(tree, path));
    for (char *slash = strchr(full + strlen(tree->root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static inline void tree_remove_at(const char *path)
{
    DIR *folder = opendir(path);
    if (folder != NULL) {
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                char inner[512];
                snprintf(inner, sizeof inner, "%.250s/%.250s", path, entry->d_name);
                tree_remove_at(inner);
            }
        }
        closedir(folder);
    }
    remove(path);
}

static inline void tree_remove(const struct tree *tree)
{
    tree_remove_at(tree->root);
}

#endif
