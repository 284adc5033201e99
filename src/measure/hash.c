/* SPDX-License-Identifier: MIT */
/* SHA-256 by libcrypto, with a memory beside large files. */
#include "measure/hash.h"

#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 20 };

static enum mscope_status hash_stream(EVP_MD_CTX *context, int fd, const char *path,
                                      struct mscope_error *err);
static bool finish(EVP_MD_CTX *context, char hex[HASH_TEXT_BYTES]);
static int count_parts(const char *path, size_t *prefix_bytes);
static enum mscope_status stamp_of(char stamp[64], const char *path, struct mscope_error *err);
static bool recall(char hex[HASH_TEXT_BYTES], const char *memory, const char *stamp);
static void remember(const char *hex, const char *memory, const char *stamp);

enum mscope_status hash_file(char hex[HASH_TEXT_BYTES], const char *path, struct mscope_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, path, "open");
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    enum mscope_status status = MSCOPE_OK;
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        status = error_set_memory(err, "hash", CHUNK_BYTES);
    } else {
        status = hash_stream(context, fd, path, err);
    }
    if (status == MSCOPE_OK && !finish(context, hex)) {
        status = error_set_memory(err, "hash", CHUNK_BYTES);
    }
    EVP_MD_CTX_free(context);
    close(fd);
    return status;
}

enum mscope_status hash_bytes(char hex[HASH_TEXT_BYTES], const void *bytes, size_t n_bytes,
                              struct mscope_error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(context, bytes, n_bytes) == 1 && finish(context, hex);
    EVP_MD_CTX_free(context);
    return done ? MSCOPE_OK : error_set_memory(err, "hash", n_bytes);
}

enum mscope_status hash_file_cached(char hex[HASH_TEXT_BYTES], const char *path,
                                    struct mscope_error *err)
{
    char stamp[64];
    enum mscope_status status = stamp_of(stamp, path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    struct strbuf memory = {0};
    strbuf_printf(&memory, "%s.sha256", path);
    if (memory.failed) {
        status = error_set_memory(err, "path", strlen(path));
    } else if (!recall(hex, memory.data, stamp)) {
        status = hash_file(hex, path, err);
        char after[64];
        if (status == MSCOPE_OK && stamp_of(after, path, NULL) == MSCOPE_OK &&
            strcmp(stamp, after) == 0) { /* nobody wrote to it meanwhile */
            remember(hex, memory.data, stamp);
        }
    }
    strbuf_free(&memory);
    return status;
}

enum mscope_status hash_model_cached(char hex[HASH_TEXT_BYTES], uint64_t *n_bytes, const char *path,
                                     struct mscope_error *err)
{
    size_t prefix_bytes = 0;
    int n_parts = count_parts(path, &prefix_bytes);
    struct strbuf hashes = {0};
    enum mscope_status status = MSCOPE_OK;
    *n_bytes = 0;
    for (int i = 0; i < n_parts && status == MSCOPE_OK; i++) {
        struct strbuf part = {0};
        struct stat info;
        if (n_parts == 1) {
            strbuf_printf(&part, "%s", path);
        } else {
            strbuf_printf(&part, "%.*s-%05d-of-%05d.gguf", (int)prefix_bytes, path, i + 1, n_parts);
        }
        if (part.failed) {
            status = error_set_memory(err, "path", strlen(path));
        } else if (stat(part.data, &info) != 0) {
            status = error_set_errno(err, errno, part.data, "inspect");
        } else {
            *n_bytes += (uint64_t)info.st_size;
            status = hash_file_cached(hex, part.data, err);
            strbuf_printf(&hashes, "%s", hex);
        }
        strbuf_free(&part);
    }
    if (status == MSCOPE_OK && n_parts > 1) {
        status = hashes.failed ? error_set_memory(err, "hashes of the parts", 64)
                               : hash_bytes(hex, hashes.data, hashes.n_bytes, err);
    }
    strbuf_free(&hashes);
    return status;
}

/* By the name, where all parts are there; else 1. */
static int count_parts(const char *path, size_t *prefix_bytes)
{
    static const char form[] = "-00001-of-00001.gguf";
    size_t n = strlen(path), n_form = sizeof form - 1;
    int i_part, n_parts, end = 0;
    if (n <= n_form ||
        sscanf(path + n - n_form, "-%5d-of-%5d.gguf%n", &i_part, &n_parts, &end) != 2 ||
        end != (int)n_form || i_part < 1 || i_part > n_parts) {
        return 1;
    }
    *prefix_bytes = n - n_form;
    for (int i = 1; i <= n_parts; i++) {
        struct strbuf part = {0};
        strbuf_printf(&part, "%.*s-%05d-of-%05d.gguf", (int)*prefix_bytes, path, i, n_parts);
        bool there = !part.failed && access(part.data, R_OK) == 0;
        strbuf_free(&part);
        if (!there) {
            return 1;
        }
    }
    return n_parts;
}

static enum mscope_status hash_stream(EVP_MD_CTX *context, int fd, const char *path,
                                      struct mscope_error *err)
{
    unsigned char *chunk = malloc(CHUNK_BYTES);
    if (chunk == NULL) {
        return error_set_memory(err, "hash", CHUNK_BYTES);
    }
    enum mscope_status status = MSCOPE_OK;
    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            status = error_set_errno(err, errno, path, "read");
        }
        if (n <= 0) {
            break;
        }
        if (EVP_DigestUpdate(context, chunk, (size_t)n) != 1) {
            status = error_set_memory(err, "hash", CHUNK_BYTES);
            break;
        }
    }
    free(chunk);
    return status;
}

static bool finish(EVP_MD_CTX *context, char hex[HASH_TEXT_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_DigestFinal_ex(context, digest, &n) != 1 || n != 32) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    return true;
}

static enum mscope_status stamp_of(char stamp[64], const char *path, struct mscope_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return error_set_errno(err, errno, path, "inspect");
    }
    int64_t mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    snprintf(stamp, 64, "%" PRId64 " %" PRId64, (int64_t)info.st_size, mtime_ns);
    return MSCOPE_OK;
}

static bool recall(char hex[HASH_TEXT_BYTES], const char *memory, const char *stamp)
{
    char line[256] = "";
    FILE *stream = fopen(memory, "rb");
    if (stream == NULL) {
        return false;
    }
    bool good = fgets(line, sizeof line, stream) != NULL;
    fclose(stream);
    line[strcspn(line, "\n")] = '\0';
    if (!good || strspn(line, "0123456789abcdef") != 64 || strncmp(line + 64, "  ", 2) != 0 ||
        strcmp(line + 66, stamp) != 0) {
        return false;
    }
    memcpy(hex, line, 64);
    hex[64] = '\0';
    return true;
}

/* Written beside and renamed: two programs may do this at once. */
static void remember(const char *hex, const char *memory, const char *stamp)
{
    struct strbuf partial = {0};
    strbuf_printf(&partial, "%s.%ld", memory, (long)getpid());
    FILE *stream = partial.failed ? NULL : fopen(partial.data, "wb");
    if (stream != NULL) {
        bool good = fprintf(stream, "%s  %s\n", hex, stamp) > 0;
        good = fclose(stream) == 0 && good;
        if (!good || rename(partial.data, memory) != 0) {
            unlink(partial.data);
        }
    }
    strbuf_free(&partial);
}
