/* SPDX-License-Identifier: MIT */
/*
 * An OpenAI-compatible server as a driver: one streaming request for each run. The server's `usage`
 * counts tokens; times are those at which pieces arrive here, so the time to the first token
 * contains the way there. Where pieces are not single tokens there are no times of tokens. What
 * the server does inside stays null.
 */
#include "measure/driver.h"

#include "base/clock.h"
#include "measure/fit_text.h"
#include "measure/http_address.h"
#include "measure/http_stream.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BODY_BYTES = 1 << 20, CONNECT_MS = 10000, LIST_MS = 20000 };

struct driver {
    CURL *curl;
    struct curl_slist *headers;
    struct driver_target target;
    struct http_address address;
    char *model;
    const char *model_id;
    bool plain_request; /* the server knows only what the standard knows */
    double timeout_s;
    uint64_t seed;
    struct fit_text fit;
    char problem[CURL_ERROR_SIZE];
};

struct request {
    struct driver *driver;
    struct http_stream stream;
    struct strbuf body; /* of an answer that is no stream */
    long code;
    bool is_stream;
    uint64_t start_ns, end_ns;
};

static enum mscope_status http_open(struct driver **out, const struct driver_settings *settings,
                                    struct record *record, struct mscope_error *err);
static enum mscope_status http_run(struct driver *driver, const struct driver_task *task,
                                   struct record *record, struct driver_marks *marks,
                                   struct mscope_error *err);
static void http_close(struct driver **driver);
static enum mscope_status tell_detail(const struct driver *driver, struct record *record,
                                      struct mscope_error *err);
static enum mscope_status add_key(struct driver *driver, const char *key, struct mscope_error *err);
static enum mscope_status ask_models(struct driver *driver, struct mscope_error *err);
static enum mscope_status choose_model(struct driver *driver, const struct strbuf *body,
                                       struct mscope_error *err);
static enum mscope_status post(struct request *request, const char *prompt, int n_gen,
                               struct record *record, struct mscope_error *err);
static char *make_body(const struct driver *driver, const char *prompt, int n_gen);
static enum mscope_status perform(struct request *request, const char *address, const char *body,
                                  double timeout_s, CURLcode *code, struct mscope_error *err);
static size_t take_bytes(char *bytes, size_t size, size_t n, void *user);
static enum mscope_status fill(const struct request *request, const struct driver_task *task,
                               struct record *record, struct driver_marks *marks,
                               struct mscope_error *err);
static void request_clear(struct request *request);

const struct driver_class driver_http = {"http", http_open, http_run, http_close, NULL};

static enum mscope_status http_open(struct driver **out, const struct driver_settings *settings,
                                    struct record *record, struct mscope_error *err)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return error_set(err, MSCOPE_ERR_MEMORY, "libcurl", "cannot be started");
    }
    struct driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL) {
        curl_global_cleanup();
        return error_set_memory(err, "driver", sizeof *driver);
    }
    driver->timeout_s = settings->timeout_s;
    driver->seed = settings->seed;
    driver->model_id = settings->model_id;
    driver->curl = curl_easy_init();
    driver->headers = curl_slist_append(NULL, "Content-Type: application/json");
    enum mscope_status status = MSCOPE_OK;
    if (driver->curl == NULL || driver->headers == NULL) {
        status = error_set_memory(err, "libcurl", sizeof *driver);
    }
    if (status == MSCOPE_OK && settings->api_key != NULL) {
        status = add_key(driver, settings->api_key, err);
    }
    status =
        status == MSCOPE_OK ? driver_target_open(&driver->target, settings->target, err) : status;
    if (status == MSCOPE_OK && driver->target.n_arguments > 0) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "engine",
                           "args= behind a URL, expected a program (a server has its own)");
    }
    if (status == MSCOPE_OK) {
        status = http_address_open(&driver->address, driver->target.place, err);
    }
    status = status == MSCOPE_OK ? ask_models(driver, err) : status;
    status = status == MSCOPE_OK ? tell_detail(driver, record, err) : status;
    if (status != MSCOPE_OK) {
        http_close(&driver);
        return status;
    }
    *out = driver;
    return MSCOPE_OK;
}

static void http_close(struct driver **driver)
{
    if (*driver == NULL) {
        return;
    }
    curl_easy_cleanup((*driver)->curl);
    curl_slist_free_all((*driver)->headers);
    http_address_close(&(*driver)->address);
    driver_target_close(&(*driver)->target);
    free((*driver)->model);
    free(*driver);
    *driver = NULL;
    curl_global_cleanup();
}

/* The only model of a server is taken whatever it is called: the row says which it was. */
static enum mscope_status tell_detail(const struct driver *driver, struct record *record,
                                      struct mscope_error *err)
{
    struct strbuf text = {0};
    strbuf_printf(&text, "%s %s", driver->address.host, driver->model);
    enum mscope_status status = text.failed
                                    ? error_set_memory(err, "driver", text.n_bytes)
                                    : record_set_text(&record->engine_detail, text.data, err);
    strbuf_free(&text);
    return status;
}

/* libcurl leaves it out when a redirection leads to another host. */
static enum mscope_status add_key(struct driver *driver, const char *key, struct mscope_error *err)
{
    struct strbuf line = {0};
    strbuf_printf(&line, "Authorization: Bearer %s", key);
    struct curl_slist *grown = line.failed ? NULL : curl_slist_append(driver->headers, line.data);
    strbuf_free(&line);
    if (grown == NULL) {
        return error_set_memory(err, "key", strlen(key));
    }
    driver->headers = grown;
    return MSCOPE_OK;
}

/* The list tells whether the server is there and what its model is called; not every server has
 * one. */
static enum mscope_status ask_models(struct driver *driver, struct mscope_error *err)
{
    struct request request = {.driver = driver};
    http_stream_init(&request.stream);
    CURLcode code;
    enum mscope_status status =
        perform(&request, driver->address.models, NULL, LIST_MS / 1000.0, &code, err);
    if (status == MSCOPE_OK && code != CURLE_OK) {
        status = error_set(err, MSCOPE_ERR_IO, driver->address.host, "%s", driver->problem);
    }
    if (status == MSCOPE_OK &&
        (request.code == 401 || request.code == 403 || request.code >= 500)) {
        char text[HTTP_PROBLEM_BYTES];
        status = error_set(err, MSCOPE_ERR_IO, driver->address.host, "HTTP %ld: %s", request.code,
                           http_error_text(text, request.body.data, request.body.n_bytes));
    }
    if (status == MSCOPE_OK && request.code == 200) {
        status = choose_model(driver, &request.body, err);
    }
    if (status == MSCOPE_OK && driver->model == NULL) {
        driver->model = strdup(driver->model_id != NULL ? driver->model_id : "default");
        status = driver->model == NULL ? error_set_memory(err, "model", 1) : status;
    }
    request_clear(&request);
    return status;
}

/* The one that has our name, or the only one. */
static enum mscope_status choose_model(struct driver *driver, const struct strbuf *body,
                                       struct mscope_error *err)
{
    json_t *json = body->n_bytes > 0 ? json_loadb(body->data, body->n_bytes, 0, NULL) : NULL;
    const json_t *list = json_object_get(json, "data");
    const char *chosen = NULL;
    struct strbuf names = {0};
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_object_get(json_array_get(list, i), "id");
        if (json_is_string(id)) {
            const char *name = json_string_value(id);
            bool is_ours = driver->model_id != NULL && strcmp(name, driver->model_id) == 0;
            chosen = is_ours || n == 1 ? name : chosen;
            strbuf_printf(&names, "%s%s", names.n_bytes > 0 ? ", " : "", name);
        }
    }
    enum mscope_status status = MSCOPE_OK;
    if (n > 1 && chosen == NULL) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, driver->address.host,
                           "has no model \"%s\", expected one of %.300s",
                           driver->model_id != NULL ? driver->model_id : "",
                           names.n_bytes > 0 ? names.data : "none");
    } else if (chosen != NULL) {
        driver->model = strdup(chosen);
    }
    strbuf_free(&names);
    json_decref(json);
    return status;
}

static enum mscope_status http_run(struct driver *driver, const struct driver_task *task,
                                   struct record *record, struct driver_marks *marks,
                                   struct mscope_error *err)
{
    *marks = (struct driver_marks){0};
    if (task->prompt == NULL || task->n_depth > 0) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "http", "%s, expected a text",
                         task->prompt == NULL ? "random tokens" : "a depth");
    }
    struct strbuf prompt = {0};
    struct request request = {.driver = driver};
    http_stream_init(&request.stream);
    enum mscope_status status =
        fit_text_make(&prompt, &driver->fit, task->prompt, task->n_bytes, task->n_tokens, err);
    if (status == MSCOPE_OK) {
        int n_gen = task->n_gen > 0 ? task->n_gen : 1;
        status = post(&request, prompt.data, n_gen, record, err);
    }
    if (status == MSCOPE_OK) {
        status = fill(&request, task, record, marks, err);
        fit_text_learn(&driver->fit, prompt.n_bytes, record->prompt_tokens);
    }
    request_clear(&request);
    strbuf_free(&prompt);
    return status;
}

/* A server that knows no completions is asked to chat; one that refuses keys beyond the standard is
 * asked without them. Both are remembered: the warm-up finds out. */
static enum mscope_status post(struct request *request, const char *prompt, int n_gen,
                               struct record *record, struct mscope_error *err)
{
    struct driver *driver = request->driver;
    for (;;) {
        CURLcode code;
        char *body = make_body(driver, prompt, n_gen);
        if (body == NULL) {
            return error_set(err, MSCOPE_ERR_ARGUMENT, "prompt", "no UTF-8 text");
        }
        enum mscope_status status =
            perform(request, driver->address.completions, body, driver->timeout_s, &code, err);
        free(body);
        if (status != MSCOPE_OK) {
            return status;
        }
        if (code == CURLE_OPERATION_TIMEDOUT) {
            status = record_set_text(&record->status, "timeout", err);
            error_set(err, MSCOPE_ERR_IO, driver->address.host, "not done after %g s, %zu pieces",
                      driver->timeout_s, request->stream.n_pieces);
            return status == MSCOPE_OK ? MSCOPE_ERR_IO : status;
        }
        if (request->stream.problem[0] != '\0') {
            return http_stream_check(&request->stream, driver->address.host, err);
        }
        if (code != CURLE_OK) {
            return error_set(err, MSCOPE_ERR_IO, driver->address.host, "%s, after %zu pieces",
                             driver->problem, request->stream.n_pieces);
        }
        if (request->code == 200) {
            return http_stream_check(&request->stream, driver->address.host, err);
        }
        bool is_missing = request->code == 404 || request->code == 405;
        if (is_missing && driver->address.may_choose && !driver->address.is_chat) {
            status = http_address_use_chat(&driver->address, err);
            if (status != MSCOPE_OK) {
                return status;
            }
        } else if ((request->code == 400 || request->code == 422) && !driver->plain_request) {
            driver->plain_request = true;
        } else {
            char text[HTTP_PROBLEM_BYTES];
            return error_set(err, MSCOPE_ERR_IO, driver->address.host, "HTTP %ld: %s",
                             request->code,
                             http_error_text(text, request->body.data, request->body.n_bytes));
        }
    }
}

/* `cache_prompt` off: a prompt seen before would cost nothing. */
static char *make_body(const struct driver *driver, const char *prompt, int n_gen)
{
    json_t *json =
        json_pack("{s:s, s:i, s:i, s:I, s:b, s:{s:b}}", "model", driver->model, "max_tokens", n_gen,
                  "temperature", 0, "seed", (json_int_t)(driver->seed & 0x7fffffff), "stream", 1,
                  "stream_options", "include_usage", 1);
    int bad = json == NULL;
    if (!driver->plain_request) {
        bad |= json_object_set_new(json, "ignore_eos", json_true());
        bad |= json_object_set_new(json, "cache_prompt", json_false());
    }
    if (driver->address.is_chat) {
        bad |= json_object_set_new(json, "messages",
                                   json_pack("[{s:s, s:s}]", "role", "user", "content", prompt));
    } else {
        bad |= json_object_set_new(json, "prompt", json_string(prompt));
    }
    char *body = bad == 0 ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return body;
}

/* `body` NULL: GET. */
static enum mscope_status perform(struct request *request, const char *address, const char *body,
                                  double timeout_s, CURLcode *code, struct mscope_error *err)
{
    struct driver *driver = request->driver;
    CURL *curl = driver->curl;
    request_clear(request);
    http_stream_init(&request->stream);
    request->is_stream = body != NULL;
    curl_easy_reset(curl);
    long timeout_ms = timeout_s > 0 ? (long)(timeout_s * 1e3) + 1 : 0;
    bool good = curl_easy_setopt(curl, CURLOPT_URL, address) == CURLE_OK;
    good &= http_address_limit(curl);
    good &= curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1") == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, driver->problem) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, request) == CURLE_OK;
    good &= curl_easy_setopt(curl, CURLOPT_HTTPHEADER, driver->headers) == CURLE_OK;
    if (body != NULL) {
        good &= curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body) == CURLE_OK;
    }
    if (!good) {
        return error_set_memory(err, "libcurl", strlen(address));
    }
    driver->problem[0] = '\0';
    request->start_ns = clock_now_ns();
    *code = curl_easy_perform(curl);
    request->end_ns = clock_now_ns();
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &request->code);
    if (*code != CURLE_OK && driver->problem[0] == '\0') {
        snprintf(driver->problem, sizeof driver->problem, "%s", curl_easy_strerror(*code));
    }
    return request->body.failed ? error_set_memory(err, "answer", MAX_BODY_BYTES) : MSCOPE_OK;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *user)
{
    struct request *request = user;
    uint64_t now_ns = clock_now_ns();
    size_t n_bytes = size * n;
    long code = 0;
    curl_easy_getinfo(request->driver->curl, CURLINFO_RESPONSE_CODE, &code);
    if (request->is_stream && code == 200) {
        return http_stream_feed(&request->stream, bytes, n_bytes, now_ns) ? n_bytes : 0;
    }
    if (request->body.n_bytes + n_bytes <= MAX_BODY_BYTES) {
        strbuf_append(&request->body, bytes, n_bytes);
    }
    return n_bytes;
}

static enum mscope_status fill(const struct request *request, const struct driver_task *task,
                               struct record *record, struct driver_marks *marks,
                               struct mscope_error *err)
{
    const struct http_stream *stream = &request->stream;
    const uint64_t *stamps_ns = stream->stamps_ns;
    size_t n = stream->n_pieces;
    bool from_cache = stream->cached_tokens > 0;
    bool server_read_all = stream->prompt_n == stream->prompt_tokens && stream->prompt_n > 0;
    record->threads = RECORD_NO_INT; /* the server's own affair */
    record->wall_ms = (double)(request->end_ns - request->start_ns) * 1e-6;
    record->prompt_tokens = stream->prompt_tokens > 0 ? stream->prompt_tokens : RECORD_NO_INT;
    record->n_gen = stream->completion_tokens > 0 ? stream->completion_tokens : RECORD_NO_INT;
    record->n_gen = task->n_gen == 0 ? 0 : record->n_gen;
    record->n_depth = 0;
    record->prefill_ms = server_read_all && !from_cache ? stream->prompt_ms : NAN;
    record->ttft_ms = from_cache ? NAN : (double)(stamps_ns[0] - request->start_ns) * 1e-6;
    /* Half as many pieces as tokens: the first may hold two, which a long text forgives. */
    if (n > 1 && task->n_gen > 1 && 2 * (int64_t)n >= stream->completion_tokens) {
        record->decode_ms = (double)(stamps_ns[n - 1] - stamps_ns[0]) * 1e-6;
    }
    enum mscope_status status = record_set_text(&record->kv_type, NULL, err);
    if (status == MSCOPE_OK && n > 1 && (int64_t)n == stream->completion_tokens) {
        double *token_ms = malloc((n - 1) * sizeof *token_ms);
        if (token_ms == NULL) {
            return error_set_memory(err, "time stamps", n * sizeof *token_ms);
        }
        for (size_t i = 1; i < n; i++) {
            token_ms[i - 1] = (double)(stamps_ns[i] - stamps_ns[0]) * 1e-6;
        }
        status = record_set_reals(&record->token_ms, token_ms, n - 1, err);
        free(token_ms);
    }
    driver_derive_times(record);
    if (request->driver->address.is_local &&
        !from_cache) { /* this computer's energy is the server's */
        *marks = (struct driver_marks){.prefill_start_ns = request->start_ns,
                                       .prefill_end_ns = stamps_ns[0],
                                       .decode_start_ns = stamps_ns[0],
                                       .decode_end_ns = stamps_ns[n - 1]};
    }
    return status;
}

static void request_clear(struct request *request)
{
    http_stream_free(&request->stream);
    strbuf_free(&request->body);
}
