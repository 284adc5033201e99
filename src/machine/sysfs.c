/* SPDX-License-Identifier: MIT */
/* Small files of sysfs and procfs. */
#include "machine/energy_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_names(const void *a, const void *b);

bool sysfs_read_text(char *text, size_t size, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, size - 1);
    int error = n == 0 ? ENODATA : errno;
    close(fd);
    if (n <= 0) {
        errno = error;
        return false;
    }
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}

bool sysfs_read_number(double *value, const char *path)
{
    char text[64];
    if (!sysfs_read_text(text, sizeof text, path)) {
        return false;
    }
    char *end;
    *value = strtod(text, &end);
    if (end == text || end[strspn(end, " \t")] != '\0' || !isfinite(*value)) {
        errno = EINVAL;
        return false;
    }
    return true;
}

int sysfs_list(const char *folder, bool (*visit)(void *user, const char *path, const char *name),
               void *user)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, NULL, NULL);
    if (n < 0) {
        return -1;
    }
    if (n > 0) {
        qsort(entries, (size_t)n, sizeof entries[0], compare_names);
    }
    int n_visited = 0;
    bool goes_on = true;
    for (int i = 0; i < n; i++) {
        char path[SYSFS_PATH_BYTES];
        const char *name = entries[i]->d_name;
        int n_path = snprintf(path, sizeof path, "%s/%s", folder, name);
        if (name[0] != '.' && n_path > 0 && n_path < SYSFS_PATH_BYTES) {
            n_visited++;
            goes_on = goes_on && visit(user, path, name);
        }
        free(entries[i]);
    }
    free(entries);
    return n_visited;
}

static int compare_names(const void *a, const void *b)
{
    const char *x = (*(struct dirent *const *)a)->d_name;
    const char *y = (*(struct dirent *const *)b)->d_name;
    size_t n_x = strlen(x);
    size_t n_y = strlen(y);
    if (n_x != n_y && strncmp(x, y, 4) == 0) {
        return n_x < n_y ? -1 : 1; /* zone9 before zone10 */
    }
    return strcmp(x, y);
}
