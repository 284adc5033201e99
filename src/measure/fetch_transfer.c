/* SPDX-License-Identifier: MIT */
/* libcurl: a range request, its head, its bytes, and what each way of failing means. */
#include "measure/fetch_transfer.h"

#include "base/units.h"
#include "measure/http_address.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CONNECT_MS = 30000, MAX_REDIRECTS = 10, HEADER_BYTES = 512 };
static const uint64_t SPARE_BYTES = 64 << 20; /* that a disk should keep */
static const double DEFAULT_STALL_S = 60;

struct attempt {
    struct fetch_transfer *transfer;
    CURL *curl;
    uint64_t from; /* first byte asked for */
    long code;     /* of the answer whose head is being read */
    uint64_t length, range_first, range_total;
    bool has_range, checked;
    char etag[FETCH_ETAG_BYTES];
    struct mscope_error problem; /* of our own doing */
    bool stopped;
};

static bool prepare(struct attempt *attempt, struct curl_slist **headers, char *problem);
static size_t take_head(char *bytes, size_t size, size_t n, void *user);
static size_t take_bytes(char *bytes, size_t size, size_t n, void *user);
static bool begin_body(struct attempt *attempt);
static int look(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d);
static enum fetch_outcome judge(struct attempt *attempt, CURLcode code, const char *problem,
                                struct mscope_error *err);
static enum fetch_outcome judge_status(const struct attempt *attempt, struct mscope_error *err);
static bool is_lasting(CURLcode code);
static bool header_value(char value[HEADER_BYTES], const char *bytes, size_t n, const char *name);

enum fetch_outcome fetch_transfer_run(struct fetch_transfer *transfer, struct mscope_error *err)
{
    struct attempt attempt = {.transfer = transfer, .from = transfer->n_have};
    struct curl_slist *headers = NULL;
    char problem[CURL_ERROR_SIZE] = "";
    attempt.curl = curl_easy_init();
    enum fetch_outcome outcome = FETCH_FAILED;
    if (attempt.curl == NULL || !prepare(&attempt, &headers, problem)) {
        error_set_memory(err, "libcurl", HEADER_BYTES);
    } else {
        CURLcode code = curl_easy_perform(attempt.curl);
        outcome =
            judge(&attempt, code, problem[0] != '\0' ? problem : curl_easy_strerror(code), err);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(attempt.curl);
    return outcome;
}

static bool prepare(struct attempt *attempt, struct curl_slist **headers, char *problem)
{
    const struct fetch_params *params = attempt->transfer->params;
    CURL *curl = attempt->curl;
    double stall_s = params->stall_s > 0 ? params->stall_s : DEFAULT_STALL_S;
    bool good = curl_easy_setopt(curl, CURLOPT_URL, params->url) == CURLE_OK;
    good &= http_address_limit(curl);
    good &= curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_USERAGENT, "moescope") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)(stall_s + 0.999)) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_HEADERDATA, attempt) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, attempt) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
    if (attempt->from > 0) {
        char range[32], line[FETCH_ETAG_BYTES + 16];
        snprintf(range, sizeof range, "%llu-", (unsigned long long)attempt->from);
        good &= curl_easy_setopt(curl, CURLOPT_RANGE, range) == CURLE_OK;
        if (attempt->transfer->etag[0] ==
            '"') { /* the rest of that version, or the whole new one */
            snprintf(line, sizeof line, "If-Range: %s", attempt->transfer->etag);
            *headers = curl_slist_append(NULL, line);
            good &= *headers != NULL &&
                    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers) == CURLE_OK;
        }
    }
    return good;
}

/* Called for each line of every answer, those of redirections too. */
static size_t take_head(char *bytes, size_t size, size_t n, void *user)
{
    struct attempt *attempt = user;
    size_t n_bytes = size * n;
    char value[HEADER_BYTES];
    if (n_bytes > 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* a new answer begins */
        const char *space = memchr(bytes, ' ', n_bytes);
        attempt->code = space != NULL ? strtol(space, NULL, 10) : 0;
        attempt->length = 0;
        attempt->has_range = false;
        attempt->etag[0] = '\0';
    } else if (header_value(value, bytes, n_bytes, "content-length:")) {
        attempt->length = strtoull(value, NULL, 10);
    } else if (header_value(value, bytes, n_bytes, "content-range:")) {
        unsigned long long first = 0, last = 0, total = 0;
        if (sscanf(value, "bytes %llu-%llu/%llu", &first, &last, &total) == 3 ||
            sscanf(value, "bytes */%llu", &total) == 1) {
            attempt->has_range = true;
            attempt->range_first = first;
            attempt->range_total = total;
        }
    } else if (header_value(value, bytes, n_bytes, "etag:")) {
        snprintf(attempt->etag, sizeof attempt->etag, "%.255s", value);
    } else if (header_value(value, bytes, n_bytes, "x-linked-etag:")) {
        /* huggingface.co: the SHA-256 of a large file, in quotes */
        size_t n_hex = strspn(value + (value[0] == '"'), "0123456789abcdef");
        if (value[0] == '"' && n_hex == HASH_TEXT_BYTES - 1 && value[n_hex + 1] == '"') {
            memcpy(attempt->transfer->sha256, value + 1, n_hex);
            attempt->transfer->sha256[n_hex] = '\0';
        }
    }
    return n_bytes;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *user)
{
    struct attempt *attempt = user;
    struct fetch_transfer *transfer = attempt->transfer;
    size_t n_bytes = size * n;
    if (attempt->code != 200 && attempt->code != 206) {
        return n_bytes; /* the page of an error */
    }
    if (!attempt->checked && !begin_body(attempt)) {
        return 0;
    }
    for (size_t done = 0; done < n_bytes;) {
        ssize_t n_written = write(transfer->fd, bytes + done, n_bytes - done);
        if (n_written < 0 && errno == EINTR) {
            continue;
        }
        if (n_written <= 0) {
            error_set_errno(&attempt->problem, n_written < 0 ? errno : ENOSPC,
                            transfer->params->path, "write");
            return 0;
        }
        done += (size_t)n_written;
        transfer->n_have += (uint64_t)n_written;
    }
    return n_bytes;
}

/* Is it the rest, or all of it anew? And is there room? */
static bool begin_body(struct attempt *attempt)
{
    struct fetch_transfer *transfer = attempt->transfer;
    attempt->checked = true;
    uint64_t first = attempt->code == 206 && attempt->has_range ? attempt->range_first : 0;
    if (attempt->code == 206 && first != attempt->from) {
        error_set(&attempt->problem, MSCOPE_ERR_IO, transfer->params->url,
                  "bytes from %llu on, expected from %llu", (unsigned long long)first,
                  (unsigned long long)attempt->from);
        return false;
    }
    if (first == 0 && transfer->n_have > 0) { /* another version, or a server without ranges */
        if (ftruncate(transfer->fd, 0) != 0 || lseek(transfer->fd, 0, SEEK_SET) != 0) {
            error_set_errno(&attempt->problem, errno, transfer->params->path, "empty");
            return false;
        }
        transfer->n_have = 0;
        transfer->began_anew = true;
    }
    transfer->n_total = attempt->has_range    ? attempt->range_total
                        : attempt->length > 0 ? first + attempt->length
                                              : transfer->n_total;
    snprintf(transfer->etag, sizeof transfer->etag, "%s", attempt->etag);
    uint64_t n_left =
        transfer->n_total > transfer->n_have ? transfer->n_total - transfer->n_have : 0;
    return fetch_check_space(transfer->params->path, n_left, &attempt->problem) == MSCOPE_OK;
}

static int look(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    struct attempt *attempt = user;
    const struct fetch_transfer *transfer = attempt->transfer;
    const struct fetch_params *params = transfer->params;
    if (params->progress != NULL && attempt->checked) {
        params->progress(params->user, transfer->n_have, transfer->n_total);
    }
    attempt->stopped = params->stopped != NULL && params->stopped(params->user);
    return attempt->stopped ? 1 : 0;
}

static enum fetch_outcome judge(struct attempt *attempt, CURLcode code, const char *problem,
                                struct mscope_error *err)
{
    const struct fetch_transfer *transfer = attempt->transfer;
    const char *url = transfer->params->url;
    if (attempt->stopped) {
        error_set(err, MSCOPE_ERR_IO, url, "stopped");
        return FETCH_FAILED;
    }
    if (attempt->problem.status != MSCOPE_OK) {
        if (err != NULL) {
            *err = attempt->problem;
        }
        return FETCH_FAILED;
    }
    if (code != CURLE_OK) {
        error_set(err, MSCOPE_ERR_IO, url, "%s", problem);
        return is_lasting(code) ? FETCH_FAILED : FETCH_INTERRUPTED;
    }
    if (attempt->code != 200 && attempt->code != 206) {
        return judge_status(attempt, err);
    }
    if (!attempt->checked && !begin_body(attempt)) { /* an empty file */
        return FETCH_FAILED;
    }
    if (transfer->n_total > 0 && transfer->n_have < transfer->n_total) {
        error_set(err, MSCOPE_ERR_IO, url, "the server closed the connection");
        return FETCH_INTERRUPTED;
    }
    return FETCH_COMPLETE;
}

static enum fetch_outcome judge_status(const struct attempt *attempt, struct mscope_error *err)
{
    const struct fetch_transfer *transfer = attempt->transfer;
    const char *url = transfer->params->url;
    long code = attempt->code;
    if (code == 416) { /* nothing after what is there */
        bool is_all = attempt->has_range && attempt->range_total == transfer->n_have;
        error_set(err, MSCOPE_ERR_IO, url, "shorter than the %llu bytes that are there",
                  (unsigned long long)transfer->n_have);
        return is_all ? FETCH_COMPLETE : FETCH_STALE;
    }
    if (code == 404 || code == 410) {
        error_set(err, MSCOPE_ERR_IO, url, "HTTP %ld: there is no such file", code);
    } else if (code == 401 || code == 403) {
        error_set(err, MSCOPE_ERR_IO, url, "HTTP %ld: not allowed without an account", code);
    } else {
        error_set(err, MSCOPE_ERR_IO, url, "HTTP %ld, expected 200 or 206", code);
    }
    bool may_pass = code == 408 || code == 429 || code >= 500;
    return may_pass ? FETCH_INTERRUPTED : FETCH_FAILED;
}

/* What the next attempt would meet again. */
static bool is_lasting(CURLcode code)
{
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WEIRD_SERVER_REPLY:
        return true;
    default:
        return false;
    }
}

/* "Name: value" without its line end; names are told apart without case. */
static bool header_value(char value[HEADER_BYTES], const char *bytes, size_t n, const char *name)
{
    size_t n_name = strlen(name);
    if (n < n_name || strncasecmp(bytes, name, n_name) != 0) {
        return false;
    }
    bytes += n_name;
    n -= n_name;
    while (n > 0 && isspace((unsigned char)*bytes)) {
        bytes++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)bytes[n - 1])) {
        n--;
    }
    n = n < HEADER_BYTES - 1 ? n : HEADER_BYTES - 1;
    memcpy(value, bytes, n);
    value[n] = '\0';
    return true;
}

enum mscope_status fetch_check_space(const char *path, uint64_t n_bytes, struct mscope_error *err)
{
    char folder[4096];
    struct statvfs disk;
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, sizeof folder, ".");
    } else {
        slash[slash == folder] = '\0';
    }
    if (statvfs(folder, &disk) != 0) {
        return error_set_errno(err, errno, folder, "ask for free space");
    }
    uint64_t n_free = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (n_bytes > 0 && (n_free < SPARE_BYTES || n_free - SPARE_BYTES < n_bytes)) {
        char need[UNITS_TEXT_BYTES], there[UNITS_TEXT_BYTES];
        return error_set(err, MSCOPE_ERR_IO, path, "needs %s more, %s are free on its disk",
                         units_bytes(need, n_bytes), units_bytes(there, n_free));
    }
    return MSCOPE_OK;
}
