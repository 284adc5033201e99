/* SPDX-License-Identifier: MIT */
/*
 * Speed of opening and encoding, not a test:
 *
 *   bench_tokenizer MODEL.gguf TEXT [TEXT...]
 *
 * prints the median processor time of opening the tokenizer and, for each text, the median rate of
 * encoding it. Built by hand: link mscope_token, mscope_gguf, mscope_base and libpcre2-8.
 */
#include "token/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { N_RUNS = 9 };

/* Processor time, which other programs disturb less than the clock on the wall; one thread. */
static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t median(uint64_t times[N_RUNS])
{
    qsort(times, N_RUNS, sizeof times[0], compare_u64);
    return times[N_RUNS / 2];
}

static int fail(const struct mscope_error *err)
{
    char text[800];
    fprintf(stderr, "bench_tokenizer: %s\n", mscope_error_text(err, text, sizeof text));
    return 1;
}

static char *read_text(const char *path, size_t *n_bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        return NULL;
    }
    *n_bytes = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*n_bytes + 1);
    if (text != NULL && fread(text, 1, *n_bytes, file) != *n_bytes) {
        free(text);
        text = NULL;
    }
    fclose(file);
    return text;
}

static int bench_text(const struct tokenizer *tokenizer, const char *path)
{
    struct mscope_error err;
    size_t n_bytes, n_ids = 0;
    char *text = read_text(path, &n_bytes);
    if (text == NULL) {
        perror(path);
        return 1;
    }
    int32_t *ids = malloc((n_bytes + 16) * sizeof *ids);
    uint64_t times[N_RUNS];
    for (int run = 0; run < N_RUNS; run++) {
        uint64_t start = cpu_now_ns();
        if (tokenizer_encode(tokenizer, text, n_bytes, 0, ids, n_bytes + 16, &n_ids, &err) !=
            MSCOPE_OK) {
            return fail(&err);
        }
        times[run] = cpu_now_ns() - start;
    }
    double seconds = (double)median(times) / 1e9;
    printf("%8.2f MB/s  %10zu bytes %9zu ids (%.2f bytes/id)  %s\n",
           (double)n_bytes / 1e6 / seconds, n_bytes, n_ids, (double)n_bytes / (double)n_ids, path);
    free(ids);
    free(text);
    return 0;
}

int main(int argc, char **argv)
{
    struct mscope_error err;
    struct gguf *gguf;
    struct tokenizer *tokenizer = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer MODEL.gguf TEXT [TEXT...]\n");
        return 2;
    }
    if (gguf_open(&gguf, argv[1], &err) != MSCOPE_OK) {
        return fail(&err);
    }
    uint64_t times[N_RUNS];
    for (int run = 0; run < N_RUNS; run++) {
        tokenizer_close(&tokenizer);
        uint64_t start = cpu_now_ns();
        if (tokenizer_open(&tokenizer, gguf, &err) != MSCOPE_OK) {
            return fail(&err);
        }
        times[run] = cpu_now_ns() - start;
    }
    if (tokenizer == NULL) {
        fprintf(stderr, "bench_tokenizer: %s has no tokenizer\n", argv[1]);
        return 1;
    }
    printf("open %.1f ms, %" PRIu32 " tokens\n", (double)median(times) / 1e6,
           tokenizer_n_vocab(tokenizer));
    int failed = 0;
    for (int i = 2; i < argc; i++) {
        failed |= bench_text(tokenizer, argv[i]);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak RSS %ld MB\n", usage.ru_maxrss / 1024);
    tokenizer_close(&tokenizer);
    gguf_close(&gguf);
    return failed;
}
