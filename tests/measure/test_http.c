/* SPDX-License-Identifier: MIT */
/* A server that answers as OpenAI-compatible ones do, and one that breaks off, stalls and lies. */
#define _GNU_SOURCE /* strcasestr */
#include "measure/driver.h"

#include "measure/http_address.h"
#include "measure/http_stream.h"
#include "server.h"

#include <math.h>
#include <stdatomic.h>

enum mode {
    GOOD,
    CHAT_ONLY,
    STRICT,
    NO_USAGE,
    CACHED,
    BIG_PIECES,
    NO_DONE,
    CUT_CHUNK,
    BAD_JSON,
    ERROR_EVENT,
    ERROR_STATUS,
    NO_TEXT,
    NOT_A_STREAM,
    STALLS,
    MANY_MODELS,
    NO_LIST,
    NEEDS_KEY,
    FINISH_WITHOUT_DONE
};

static _Atomic int mode;
static struct server server;
static char last_request[65536]; /* of a POST */
static const char *api_key;
static struct driver *driver;
static struct record record;
static struct driver_marks marks;
static struct mscope_error err;

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                           "Connection: close\r\n\r\n";

static void say_error(int fd, int code, const char *body)
{
    char text[512];
    snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", code,
             strlen(body), body);
    server_say(fd, text);
}

static void answer_models(int fd)
{
    const char *list = mode == MANY_MODELS
                           ? "{\"data\":[{\"id\":\"small\"},{\"id\":\"large\"}]}"
                           : "{\"object\":\"list\",\"data\":[{\"id\":\"the-model\"}]}";
    char text[512];
    if (mode == NO_LIST) {
        server_say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    if (mode == NEEDS_KEY) {
        say_error(fd, 401, "{\"error\":{\"message\":\"no API key provided\"}}");
        return;
    }
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(list),
             list);
    server_say(fd, text);
}

static void say_pieces(int fd, bool is_chat, int n)
{
    if (is_chat) {
        server_say(fd, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}"
                       "\n\n");
    }
    for (int i = 0; i < n; i++) {
        server_say(fd, is_chat ? "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" a\"},"
                                 "\"finish_reason\":null}]}\n\n"
                               : ": a comment\r\ndata: {\"choices\":[{\"text\":\" a\","
                                 "\"finish_reason\":null}]}\r\n\r\n");
    }
}

static void answer_completion(struct server *the_server, int fd, bool is_chat)
{
    const char *usage = mode == CACHED ? ",\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5,"
                                         "\"prompt_tokens_details\":{\"cached_tokens\":11}}"
                        : mode == NO_USAGE
                            ? ""
                            : ",\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":5},"
                              "\"timings\":{\"prompt_n\":12,\"prompt_ms\":24.5,\"predicted_n\":5}";
    char last[512];
    server_say(fd, head);
    switch ((int)mode) {
    case CUT_CHUNK:
        say_pieces(fd, is_chat, 2);
        server_say(fd, "data: {\"choices\":[{\"te");
        return;
    case BAD_JSON:
        say_pieces(fd, is_chat, 1);
        server_say(fd, "data: {\"choices\":[}\n\n");
        return;
    case ERROR_EVENT:
        say_pieces(fd, is_chat, 1);
        server_say(fd, "data: {\"error\":{\"code\":500,\"message\":\"the GPU is on fire\"}}\n\n");
        return;
    case NOT_A_STREAM:
        server_say(fd, "{\"choices\":[{\"text\":\"all at once\"}]}");
        return;
    case STALLS:
        say_pieces(fd, is_chat, 1);
        server_hang(the_server);
        return;
    case NO_TEXT:
        server_say(fd, "data: {\"choices\":[]}\n\ndata: [DONE]\n\n");
        return;
    default:
        break;
    }
    say_pieces(fd, is_chat, mode == BIG_PIECES ? 2 : 5);
    if (mode == NO_DONE) {
        return;
    }
    snprintf(last, sizeof last,
             "data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"length\"}]}\n\n"
             "data: {\"choices\":[]%s}\n\n%s",
             usage, mode == FINISH_WITHOUT_DONE ? "" : "data: [DONE]\n\n");
    server_say(fd, last);
}

static void answer(struct server *the_server, int fd, const char *request)
{
    bool is_chat = strncmp(request, "POST /v1/chat/completions ", 26) == 0;
    bool has_key = strstr(request, "\r\nAuthorization: Bearer k-123\r\n") != NULL;
    if (strncmp(request, "GET /v1/models ", 15) == 0) {
        mode = mode == NEEDS_KEY && has_key ? GOOD : mode;
        answer_models(fd);
        return;
    }
    snprintf(last_request, sizeof last_request, "%s", request);
    if (!is_chat && (strncmp(request, "POST /v1/completions ", 21) != 0 || mode == CHAT_ONLY)) {
        say_error(fd, 404, "{\"detail\":\"Not Found\"}");
    } else if (mode == STRICT && strstr(request, "cache_prompt") != NULL) {
        say_error(fd, 400, "{\"error\":{\"message\":\"unknown field cache_prompt\"}}");
    } else if (mode == ERROR_STATUS) {
        say_error(fd, 503, "{\"error\":{\"message\":\"Loading model\"}}");
    } else {
        answer_completion(the_server, fd, is_chat);
    }
}

static int setup(void **state)
{
    (void)state;
    mode = GOOD;
    api_key = NULL;
    driver = NULL;
    record_init(&record);
    memset(&err, 0, sizeof err);
    server_start(&server, answer);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    driver_http.close(&driver);
    server_stop(&server);
    record_free(&record);
    return 0;
}

static enum mscope_status open_driver(const char *path, double timeout_s)
{
    char target[128];
    snprintf(target, sizeof target, "http://user:secret@127.0.0.1:%d%s", server.port, path);
    struct driver_settings settings = {.target = target,
                                       .model_id = "olmoe",
                                       .n_threads = 2,
                                       .kv_type = "f16",
                                       .timeout_s = timeout_s,
                                       .api_key = api_key,
                                       .seed = 42};
    return driver_http.open(&driver, &settings, &record, &err);
}

static enum mscope_status run(int n_gen)
{
    static const char prompt[] = "Say \"a\"\nfive times.";
    struct driver_task task = {.prompt = prompt, .n_bytes = strlen(prompt), .n_gen = n_gen};
    return driver_http.run(driver, &task, &record, &marks, &err);
}

static void assert_says(const char *part)
{
    char text[800];
    mscope_error_text(&err, text, sizeof text);
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\", expected \"%s\" in it", text, part);
    }
}

static void assert_failure(enum mode the_mode, enum mscope_status expected, const char *part)
{
    driver_http.close(&driver); /* of the failure before */
    assert_ok(open_driver("", 20), &err);
    mode = the_mode;
    assert_int_equal(run(5), expected);
    assert_says(part);
    assert_null(record.status);
    mode = GOOD; /* it may be used again */
    assert_ok(run(5), &err);
}

static void a_row_from_a_stream(void **state)
{
    (void)state;
    assert_ok(open_driver("", 20), &err);
    char host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d the-model", server.port);
    assert_string_equal(record.engine_detail, host); /* and no password */
    record.threads = 2;
    assert_ok(run(5), &err);
    assert_int_equal(record.prompt_tokens, 12);
    assert_int_equal(record.n_gen, 5);
    assert_int_equal(record.token_ms.n, 4);
    for (size_t i = 1; i < 4; i++) {
        assert_true(record.token_ms.values[i] >= record.token_ms.values[i - 1]);
    }
    assert_true(fabs(record.prefill_ms - 24.5) < 1e-9);
    assert_true(record.ttft_ms >= 0 && record.wall_ms >= record.ttft_ms);
    assert_true(record.decode_ms >= 0 && record.tpot_ms_p50 >= 0);
    assert_true(marks.prefill_start_ns > 0 && marks.decode_end_ns >= marks.decode_start_ns);
    /* What it cannot know is null. */
    assert_int_equal(record.threads, RECORD_NO_INT);
    assert_true(isnan(record.load_ms) && isnan(record.bytes_per_token));
    assert_int_equal(record.peak_rss_bytes, RECORD_NO_INT);
    static const char *const wanted[] = {"\"model\":\"the-model\"",
                                         "\"max_tokens\":5",
                                         "\"temperature\":0",
                                         "\"seed\":42",
                                         "\"stream\":true",
                                         "\"stream_options\":{\"include_usage\":true}",
                                         "\"ignore_eos\":true",
                                         "\"cache_prompt\":false",
                                         "\"prompt\":\"Say \\\"a\\\"\\nfive times.\""};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strstr(last_request, wanted[i]) == NULL) {
            fail_msg("no %s in %s", wanted[i], last_request);
        }
    }
}

static void a_server_that_only_chats_is_asked_so(void **state)
{
    (void)state;
    mode = CHAT_ONLY;
    assert_ok(open_driver("/v1/", 20), &err);
    assert_ok(run(5), &err);
    assert_int_equal(record.n_gen, 5);
    assert_int_equal(record.token_ms.n, 4);
    assert_non_null(strstr(last_request, "\"messages\":[{"));
    driver_http.close(&driver);
    assert_ok(open_driver("/v1/chat/completions", 20), &err);
    assert_ok(run(5), &err);
    driver_http.close(&driver);
    assert_ok(open_driver("/v1/completions", 20), &err); /* taken as it is */
    assert_int_equal(run(5), MSCOPE_ERR_IO);
    assert_says("HTTP 404: Not Found");
}

static void a_strict_server_is_asked_without_extras(void **state)
{
    (void)state;
    mode = STRICT;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_null(strstr(last_request, "cache_prompt"));
    assert_int_equal(record.prompt_tokens, 12);
}

static void without_usage_there_are_no_counts(void **state)
{
    (void)state;
    mode = NO_USAGE;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_int_equal(record.prompt_tokens, RECORD_NO_INT);
    assert_int_equal(record.n_gen, RECORD_NO_INT);
    assert_null(record.token_ms.values);
    assert_true(isnan(record.decode_tps) && isnan(record.prefill_tps) && isnan(record.prefill_ms));
    assert_true(record.ttft_ms >= 0);
}

static void a_prompt_from_the_cache_has_no_prefill(void **state)
{
    (void)state;
    mode = CACHED;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_int_equal(record.prompt_tokens, 12);
    assert_true(isnan(record.prefill_ms) && isnan(record.ttft_ms) && isnan(record.prefill_tps));
    assert_int_equal(marks.prefill_start_ns, 0);
    assert_int_equal(record.token_ms.n, 4);
}

static void pieces_of_several_tokens_give_no_token_times(void **state)
{
    (void)state;
    mode = BIG_PIECES;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_int_equal(record.n_gen, 5);
    assert_null(record.token_ms.values);
    assert_true(isnan(record.tpot_ms_p99) && isnan(record.decode_ms));
}

static void a_reason_to_end_is_an_end(void **state)
{
    (void)state;
    mode = FINISH_WITHOUT_DONE;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_int_equal(record.n_gen, 5);
}

static void a_prefill_alone_makes_no_token(void **state)
{
    (void)state;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(0), &err);
    assert_int_equal(record.n_gen, 0);
    assert_true(isnan(record.decode_tps));
    assert_non_null(strstr(last_request, "\"max_tokens\":1,"));
}

static void streams_that_break_off_are_failures(void **state)
{
    (void)state;
    assert_failure(NO_DONE, MSCOPE_ERR_FORMAT, "after 5 pieces of text without [DONE]");
    assert_failure(CUT_CHUNK, MSCOPE_ERR_FORMAT, "after 2 pieces");
}

static void broken_events_are_failures(void **state)
{
    (void)state;
    assert_failure(BAD_JSON, MSCOPE_ERR_FORMAT, "event 2");
    assert_failure(ERROR_EVENT, MSCOPE_ERR_FORMAT, "the GPU is on fire");
    assert_failure(NO_TEXT, MSCOPE_ERR_FORMAT, "without any text");
    assert_failure(NOT_A_STREAM, MSCOPE_ERR_FORMAT, "without [DONE]");
    assert_failure(ERROR_STATUS, MSCOPE_ERR_IO, "HTTP 503: Loading model");
}

static void a_server_that_stalls_runs_into_the_limit(void **state)
{
    (void)state;
    assert_ok(open_driver("", 0.4), &err);
    mode = STALLS;
    assert_int_equal(run(5), MSCOPE_ERR_IO);
    assert_string_equal(record.status, "timeout");
    assert_says("not done after 0.4 s, 1 pieces");
}

static void a_key_goes_with_every_request_and_into_no_row(void **state)
{
    (void)state;
    api_key = "k-123";
    mode = NEEDS_KEY;
    assert_ok(open_driver(",name=lab", 20), &err);
    assert_ok(run(5), &err);
    assert_non_null(strstr(last_request, "\r\nAuthorization: Bearer k-123\r\n"));
    json_t *json = record_to_json(&record);
    char *text = json_dumps(json, 0);
    json_decref(json);
    assert_non_null(text);
    assert_null(strstr(text, "k-123"));
    free(text);
    driver_http.close(&driver);
    api_key = "k-124";
    mode = NEEDS_KEY;
    assert_int_equal(open_driver("", 20), MSCOPE_ERR_IO);
    assert_says("HTTP 401");
    mode = GOOD;
    assert_int_equal(open_driver(",args=-fa 1", 20), MSCOPE_ERR_ARGUMENT);
    assert_says("expected a program");
}

static void servers_that_are_not_there_or_not_ours(void **state)
{
    (void)state;
    mode = MANY_MODELS;
    assert_int_equal(open_driver("", 20), MSCOPE_ERR_ARGUMENT);
    assert_says("small, large");
    assert_null(driver);
    mode = NEEDS_KEY;
    assert_int_equal(open_driver("", 20), MSCOPE_ERR_IO);
    assert_says("HTTP 401: no API key provided");
    mode = NO_LIST;
    assert_ok(open_driver("", 20), &err);
    assert_ok(run(5), &err);
    assert_non_null(strstr(last_request, "\"model\":\"olmoe\""));
    driver_http.close(&driver);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* a port where nobody listens */
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t n = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &n), 0);
    int port = server.port;
    server.port = ntohs(address.sin_port);
    assert_int_equal(open_driver("", 20), MSCOPE_ERR_IO);
    assert_says("connect");
    server.port = port;
    close(fd);
}

static void what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    assert_ok(open_driver("", 20), &err);
    struct driver_task random = {.n_tokens = 16, .n_gen = 4};
    assert_int_equal(driver_http.run(driver, &random, &record, &marks, &err), MSCOPE_ERR_ARGUMENT);
    struct driver_task latin = {.prompt = "caf\xe9", .n_bytes = 4, .n_gen = 4};
    assert_int_equal(driver_http.run(driver, &latin, &record, &marks, &err), MSCOPE_ERR_ARGUMENT);
    assert_says("UTF-8");
}

static void streams_may_come_in_any_portions(void **state)
{
    (void)state;
    static const char text[] =
        "data: {\"choices\":[{\"text\":\"a\"}]}\r\n\r\ndata:{\"choices\":[{"
        "\"delta\":{\"reasoning_content\":\"b\"},\"finish_reason\":\"stop\"}]"
        "}\n\nevent: x\ndata: [DONE]\n\n";
    for (size_t n_portion = 1; n_portion < sizeof text; n_portion++) {
        struct http_stream stream;
        http_stream_init(&stream);
        for (size_t at = 0; at < sizeof text - 1; at += n_portion) {
            size_t n = sizeof text - 1 - at < n_portion ? sizeof text - 1 - at : n_portion;
            assert_true(http_stream_feed(&stream, text + at, n, at + 1));
        }
        assert_int_equal(stream.n_pieces, 2);
        assert_true(stream.is_done && stream.is_finished);
        assert_true(stream.stamps_ns[0] <= stream.stamps_ns[1]);
        http_stream_free(&stream);
    }
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *target, *completions, *models, *host;
        bool is_chat, is_local;
    } cases[] = {
        {"http://localhost:8080", "http://localhost:8080/v1/completions",
         "http://localhost:8080/v1/models", "localhost:8080", false, true},
        {"https://a.b/v1//", "https://a.b/v1/completions", "https://a.b/v1/models", "a.b:443",
         false, false},
        {"http://[::1]:9/x/chat/completions", "http://[::1]:9/x/chat/completions",
         "http://[::1]:9/x/models", "[::1]:9", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_address address;
        assert_ok(http_address_open(&address, cases[i].target, &err), &err);
        assert_string_equal(address.completions, cases[i].completions);
        assert_string_equal(address.models, cases[i].models);
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.is_chat, cases[i].is_chat);
        assert_int_equal(address.is_local, cases[i].is_local);
        http_address_close(&address);
    }
    struct http_address address;
    assert_int_equal(http_address_open(&address, "http://", &err), MSCOPE_ERR_ARGUMENT);
    assert_null(address.completions);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_row_from_a_stream),
        TEST(a_server_that_only_chats_is_asked_so),
        TEST(a_strict_server_is_asked_without_extras),
        TEST(without_usage_there_are_no_counts),
        TEST(a_prompt_from_the_cache_has_no_prefill),
        TEST(pieces_of_several_tokens_give_no_token_times),
        TEST(a_reason_to_end_is_an_end),
        TEST(a_prefill_alone_makes_no_token),
        TEST(streams_that_break_off_are_failures),
        TEST(broken_events_are_failures),
        TEST(a_server_that_stalls_runs_into_the_limit),
        TEST(a_key_goes_with_every_request_and_into_no_row),
        TEST(servers_that_are_not_there_or_not_ours),
        TEST(what_it_cannot_do_is_refused),
        TEST(streams_may_come_in_any_portions),
        TEST(addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
