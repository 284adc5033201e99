/* SPDX-License-Identifier: MIT */
/* From an address to a file that is what it should be. */
#include "measure/fetch.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/units.h"
#include "measure/fetch_transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fetch {
    const struct fetch_params *params;
    struct fetch_result *result;
    struct fetch_transfer transfer;
    struct strbuf partial, etag_file;
};

static enum mscope_status check_present(struct fetch *fetch, struct mscope_error *err);
static enum mscope_status open_partial(struct fetch *fetch, struct mscope_error *err);
static enum mscope_status transfer_all(struct fetch *fetch, struct mscope_error *err);
static bool wait_before_retry(const struct fetch_params *params, int n_retries);
static enum mscope_status start_anew(struct fetch *fetch, struct mscope_error *err);
static enum mscope_status verify(struct fetch *fetch, struct mscope_error *err);
static enum mscope_status give_name(struct fetch *fetch, struct mscope_error *err);
static enum mscope_status say_kept(const struct fetch *fetch, struct mscope_error *err);
static void read_etag(struct fetch *fetch);
static void write_etag(const struct fetch *fetch);
static enum mscope_status make_folders(const char *path, struct mscope_error *err);
static bool same_hash(const char *a, const char *b);

enum mscope_status fetch_file(struct fetch_result *out, const struct fetch_params *params,
                              struct mscope_error *err)
{
    *out = (struct fetch_result){0};
    struct fetch fetch = {.params = params, .result = out};
    fetch.transfer = (struct fetch_transfer){.params = params, .fd = -1, .n_total = params->bytes};
    strbuf_printf(&fetch.partial, "%s.partial", params->path);
    strbuf_printf(&fetch.etag_file, "%s.partial.etag", params->path);
    enum mscope_status status = fetch.partial.failed || fetch.etag_file.failed
                                    ? error_set_memory(err, "path", strlen(params->path))
                                    : check_present(&fetch, err);
    bool is_needed = status == MSCOPE_OK && !out->was_there;
    if (is_needed && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        status = error_set_memory(err, "libcurl", 1);
        is_needed = false;
    }
    if (is_needed) {
        status = open_partial(&fetch, err);
        status = status == MSCOPE_OK ? transfer_all(&fetch, err) : status;
        status = status == MSCOPE_OK ? verify(&fetch, err) : status;
        status = status == MSCOPE_OK ? give_name(&fetch, err) : status;
        curl_global_cleanup();
    }
    if (fetch.transfer.fd >= 0) {
        close(fetch.transfer.fd); /* and its lock */
    }
    strbuf_free(&fetch.partial);
    strbuf_free(&fetch.etag_file);
    return status;
}

static enum mscope_status check_present(struct fetch *fetch, struct mscope_error *err)
{
    const struct fetch_params *params = fetch->params;
    struct stat stat_of;
    if (stat(params->path, &stat_of) != 0) {
        return MSCOPE_OK;
    }
    if (!S_ISREG(stat_of.st_mode)) {
        return error_set(err, MSCOPE_ERR_IO, params->path, "not a regular file");
    }
    if (params->bytes > 0 && (uint64_t)stat_of.st_size != params->bytes) {
        return error_set(err, MSCOPE_ERR_FORMAT, params->path,
                         "%lld bytes, expected %llu; move it away to fetch the right one",
                         (long long)stat_of.st_size, (unsigned long long)params->bytes);
    }
    enum mscope_status status = hash_file_cached(fetch->result->sha256, params->path, err);
    if (status == MSCOPE_OK && params->sha256 != NULL &&
        !same_hash(fetch->result->sha256, params->sha256)) {
        return error_set(err, MSCOPE_ERR_FORMAT, params->path,
                         "SHA-256 %.16s..., expected %.16s...; move it away to fetch the right one",
                         fetch->result->sha256, params->sha256);
    }
    fetch->result->was_there = true;
    fetch->result->bytes = (uint64_t)stat_of.st_size;
    fetch->result->is_verified = params->sha256 != NULL;
    return status;
}

static enum mscope_status open_partial(struct fetch *fetch, struct mscope_error *err)
{
    const struct fetch_params *params = fetch->params;
    const char *path = fetch->partial.data;
    enum mscope_status status = make_folders(path, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return error_set_errno(err, errno, path, "open");
    }
    fetch->transfer.fd = fd;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(err, MSCOPE_ERR_IO, path, "another process is fetching it");
    }
    off_t n_have = lseek(fd, 0, SEEK_END);
    if (n_have < 0) {
        return error_set_errno(err, errno, path, "seek");
    }
    fetch->transfer.n_have = (uint64_t)n_have;
    read_etag(fetch);
    if (params->bytes > 0 && fetch->transfer.n_have > params->bytes) {
        status = start_anew(fetch, err);
    }
    fetch->result->bytes_resumed = fetch->transfer.n_have;
    return status == MSCOPE_OK && params->bytes > 0
               ? fetch_check_space(params->path, params->bytes - fetch->transfer.n_have, err)
               : status;
}

static enum mscope_status transfer_all(struct fetch *fetch, struct mscope_error *err)
{
    const struct fetch_params *params = fetch->params;
    struct fetch_transfer *transfer = &fetch->transfer;
    int n_retries = 0;
    bool was_anew = false;
    if (params->bytes > 0 && transfer->n_have == params->bytes) {
        return MSCOPE_OK; /* only its name was missing */
    }
    for (;;) {
        uint64_t n_before = transfer->n_have;
        struct mscope_error problem = {0};
        enum fetch_outcome outcome = fetch_transfer_run(transfer, &problem);
        write_etag(fetch);
        if (transfer->began_anew) {
            fetch->result->bytes_resumed = 0;
        }
        if (outcome == FETCH_COMPLETE) {
            return MSCOPE_OK;
        }
        if (outcome == FETCH_STALE && !was_anew) {
            was_anew = true;
            enum mscope_status status = start_anew(fetch, err);
            if (status != MSCOPE_OK) {
                return status;
            }
            continue;
        }
        if (err != NULL) {
            *err = problem;
        }
        if (outcome != FETCH_INTERRUPTED) {
            return say_kept(fetch, err);
        }
        fetch->result->n_interruptions++;
        n_retries = transfer->n_have > n_before ? 0 : n_retries + 1;
        if (n_retries > params->retries || params->retries <= 0 ||
            !wait_before_retry(params, n_retries)) {
            return say_kept(fetch, err);
        }
    }
}

/* False when stopped meanwhile. */
static bool wait_before_retry(const struct fetch_params *params, int n_retries)
{
    double wait_s = params->retry_wait_s;
    for (int i = 1; i < n_retries && wait_s < 60; i++) {
        wait_s *= 2;
    }
    uint64_t until_ns = clock_now_ns() + (uint64_t)((wait_s > 0 ? wait_s : 0) * 1e9);
    while (clock_now_ns() < until_ns) {
        if (params->stopped != NULL && params->stopped(params->user)) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return true;
}

static enum mscope_status start_anew(struct fetch *fetch, struct mscope_error *err)
{
    if (ftruncate(fetch->transfer.fd, 0) != 0 || lseek(fetch->transfer.fd, 0, SEEK_SET) != 0) {
        return error_set_errno(err, errno, fetch->partial.data, "empty");
    }
    fetch->transfer.n_have = 0;
    fetch->transfer.etag[0] = '\0';
    fetch->result->bytes_resumed = 0;
    return MSCOPE_OK;
}

/* Adds to the problem what is left to do. */
static enum mscope_status say_kept(const struct fetch *fetch, struct mscope_error *err)
{
    if (fetch->transfer.n_have == 0) {
        unlink(fetch->partial.data);
        unlink(fetch->etag_file.data);
    }
    if (err == NULL) {
        return MSCOPE_ERR_IO;
    }
    enum mscope_status status = err->status;
    size_t used = strlen(err->detail);
    char have[UNITS_TEXT_BYTES], total[UNITS_TEXT_BYTES];
    if (fetch->transfer.n_have > 0) {
        snprintf(err->detail + used, sizeof err->detail - used,
                 "; %s of %s are kept, the same command continues",
                 units_bytes(have, fetch->transfer.n_have),
                 fetch->transfer.n_total > 0 ? units_bytes(total, fetch->transfer.n_total)
                                             : "the file");
    }
    return status;
}

static enum mscope_status verify(struct fetch *fetch, struct mscope_error *err)
{
    const struct fetch_params *params = fetch->params;
    const char *path = fetch->partial.data;
    struct fetch_result *result = fetch->result;
    uint64_t n_expected = params->bytes > 0 ? params->bytes : fetch->transfer.n_total;
    const char *expected = params->sha256 != NULL ? params->sha256 : fetch->transfer.sha256;
    enum mscope_status status = MSCOPE_OK;
    result->bytes = fetch->transfer.n_have;
    if (n_expected > 0 && result->bytes != n_expected) {
        status = error_set(err, MSCOPE_ERR_FORMAT, params->url,
                           "%llu bytes, expected %llu; they were removed",
                           (unsigned long long)result->bytes, (unsigned long long)n_expected);
    } else {
        status = hash_file(result->sha256, path, err);
        if (status != MSCOPE_OK) {
            return status;
        }
        if (expected[0] != '\0' && !same_hash(result->sha256, expected)) {
            status = error_set(err, MSCOPE_ERR_FORMAT, params->url,
                               "SHA-256 %.64s, expected %.64s; the bytes were removed",
                               result->sha256, expected);
        }
    }
    if (status != MSCOPE_OK) {
        unlink(path);
        unlink(fetch->etag_file.data);
    }
    result->is_verified = status == MSCOPE_OK && expected[0] != '\0';
    return status;
}

/* On disk before it has its name, so that a crash leaves no file with a name and without bytes. */
static enum mscope_status give_name(struct fetch *fetch, struct mscope_error *err)
{
    const char *path = fetch->params->path;
    if (fsync(fetch->transfer.fd) != 0) {
        return error_set_errno(err, errno, fetch->partial.data, "write to disk");
    }
    if (rename(fetch->partial.data, path) != 0) {
        return error_set_errno(err, errno, path, "rename to");
    }
    unlink(fetch->etag_file.data);
    return MSCOPE_OK;
}

static void read_etag(struct fetch *fetch)
{
    FILE *file = fopen(fetch->etag_file.data, "r");
    if (file == NULL) {
        return;
    }
    if (fgets(fetch->transfer.etag, sizeof fetch->transfer.etag, file) == NULL) {
        fetch->transfer.etag[0] = '\0';
    }
    fetch->transfer.etag[strcspn(fetch->transfer.etag, "\r\n")] = '\0';
    fclose(file);
}

/* Without it a resumed file is still caught by its hash, so that no failure is worth a word. */
static void write_etag(const struct fetch *fetch)
{
    FILE *file = fetch->transfer.etag[0] != '\0' && fetch->transfer.n_have > 0
                     ? fopen(fetch->etag_file.data, "w")
                     : NULL;
    if (file == NULL) {
        unlink(fetch->etag_file.data);
        return;
    }
    fprintf(file, "%s\n", fetch->transfer.etag);
    fclose(file);
}

static enum mscope_status make_folders(const char *path, struct mscope_error *err)
{
    char *folder = strdup(path);
    if (folder == NULL) {
        return error_set_memory(err, "path", strlen(path));
    }
    enum mscope_status status = MSCOPE_OK;
    for (char *slash = strchr(folder + 1, '/'); slash != NULL && status == MSCOPE_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
            status = error_set_errno(err, errno, folder, "make folder");
        }
        *slash = '/';
    }
    free(folder);
    return status;
}

static bool same_hash(const char *a, const char *b)
{
    return strlen(b) == HASH_TEXT_BYTES - 1 && strncasecmp(a, b, HASH_TEXT_BYTES - 1) == 0;
}

enum mscope_status fetch_note_hash(const char *list, const struct fetch_result *result,
                                   const char *name, const char *url, struct mscope_error *err)
{
    enum mscope_status status = make_folders(list, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    FILE *file = fopen(list, "a+");
    if (file == NULL) {
        return error_set_errno(err, errno, list, "open");
    }
    char line[2048], stamp[32];
    bool is_known = false;
    flock(fileno(file), LOCK_EX);
    rewind(file);
    while (fgets(line, sizeof line, file) != NULL) {
        is_known |=
            strncmp(line, result->sha256, HASH_TEXT_BYTES - 1) == 0 && strstr(line, name) != NULL;
    }
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
    bool good = is_known || fprintf(file, "%s  %" PRIu64 "  %s  %s  %s\n", result->sha256,
                                    result->bytes, name, url, stamp) > 0;
    good = fclose(file) == 0 && good;
    return good ? MSCOPE_OK : error_set_errno(err, errno, list, "write");
}
