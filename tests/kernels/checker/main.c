/* SPDX-License-Identifier: MIT */
/*
 * kernel_checker: proves every kernel of every level that this CPU can run against the scalar
 * reference, or times them. Exit 0 when all passed, 1 when a kernel failed, 2 for wrong usage.
 */
#include "checker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    uint64_t seed;
    int n_cases;
    const char *level, *only;
    bool bench, self_test;
};

static const char usage[] =
    "usage: kernel_checker [--seed N] [--level NAME] [--only NAME] [--cases N] "
    "[--bench | --self-test]\n";

static bool parse(struct options *options, int argc, char **argv);
static bool parse_number(uint64_t *out, const char *text);

static int check_levels(const struct options *options)
{
    struct checker c;
    memset(&c, 0, sizeof c);
    c.seed = options->seed;
    c.n_cases = options->n_cases;
    c.only = options->only;
    checker_select(&c.ref, "ref");
    int n_levels = 0;
    printf("seed %llu, %d cases per kernel\n", (unsigned long long)c.seed, c.n_cases);
    for (const char *const *level = kernels_levels(); *level != NULL; level++) {
        if (options->level != NULL && strcmp(options->level, *level) != 0) {
            continue;
        }
        n_levels++;
        checker_own_kernels(&c.tested, *level);
        checker_all(&c);
    }
    checker_close_memory(&c);
    if (n_levels == 0) {
        fprintf(stderr, "kernel_checker: level \"%s\" is not one of this CPU\n", options->level);
        return 2;
    }
    printf("%ld passed, %ld failed\n", c.n_passed, c.n_failed);
    if (c.n_passed + c.n_failed == 0) {
        fprintf(stderr, "kernel_checker: no kernel has \"%s\" in its name\n", options->only);
        return 2;
    }
    return c.n_failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 20240229, .n_cases = 100};
    if (!parse(&options, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.self_test) {
        return selftest_run(options.seed);
    }
    if (options.bench) {
        return bench_run(options.level, options.only);
    }
    return check_levels(&options);
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        uint64_t number = 0;
        if (strcmp(argv[i], "--bench") == 0) {
            options->bench = true;
            continue;
        }
        if (strcmp(argv[i], "--self-test") == 0) {
            options->self_test = true;
            continue;
        }
        if (value == NULL) {
            return false;
        }
        if (strcmp(argv[i], "--level") == 0) {
            options->level = value;
        } else if (strcmp(argv[i], "--only") == 0) {
            options->only = value;
        } else if (strcmp(argv[i], "--seed") == 0 && parse_number(&number, value)) {
            options->seed = number;
        } else if (strcmp(argv[i], "--cases") == 0 && parse_number(&number, value) && number > 0 &&
                   number <= 1000000) {
            options->n_cases = (int)number;
        } else {
            return false;
        }
        i++;
    }
    return true;
}

static bool parse_number(uint64_t *out, const char *text)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}
