/* SPDX-License-Identifier: MIT */
/* A server of one file with ranges, and every way in which it may fail to deliver it. */
#define _GNU_SOURCE /* strcasestr */
#include "measure/fetch.h"

#include "measure/fetch_transfer.h"
#include "server.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N_BYTES = 300001 };
enum mode {
    GOOD,
    NO_RANGES,
    CUT_ONCE,
    CUT_ALWAYS,
    CUT_AT_START,
    NOT_FOUND,
    FORBIDDEN,
    BUSY_ONCE,
    STALLS,
    NEW_VERSION,
    SHORT_LENGTH,
    WRONG_RANGE,
    REDIRECTS,
    FALSE_HASH,
    TO_FILE_SCHEME
};

static _Atomic int mode, n_failures;
static struct server server;
static char body[N_BYTES], folder[64], path[128], partial[160], etag_file[160], url[128];
static char body_hash[HASH_TEXT_BYTES];
static char ranges[16][64]; /* of the requests */
static _Atomic int n_ranges;
static struct fetch_params params;
static struct fetch_result result;
static struct mscope_error err;

static void send_part(int fd, size_t first, size_t n_sent, const char *more)
{
    char head[512];
    const char *etag = mode == NEW_VERSION ? "\"v2\"" : "\"v1\"";
    if (first > 0) {
        snprintf(head, sizeof head,
                 "HTTP/1.1 206 Partial\r\nETag: %s\r\nContent-Length: %zu\r\n"
                 "Content-Range: bytes %zu-%d/%d\r\n%s\r\n",
                 etag, N_BYTES - first, mode == WRONG_RANGE ? first - 1 : first, N_BYTES - 1,
                 N_BYTES, more);
    } else {
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: %d\r\n%s\r\n",
                 etag, N_BYTES, more);
    }
    server_say(fd, head);
    server_write(fd, body + first, n_sent);
}

static void say_redirect(int fd)
{
    char text[512];
    snprintf(text, sizeof text,
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nX-Linked-ETag: \"%s\"\r\n"
             "Content-Length: 5\r\n\r\nmoved",
             mode == TO_FILE_SCHEME ? "file:///etc/hostname" : "/elsewhere",
             mode == FALSE_HASH ? "0000000000000000000000000000000000000000000000000000000000000000"
                                : body_hash);
    server_say(fd, text);
}

static void answer(struct server *the_server, int fd, const char *request)
{
    const char *range = strcasestr(request, "\r\nRange: bytes=");
    const char *if_range = strcasestr(request, "\r\nIf-Range: ");
    size_t first = range != NULL ? strtoul(range + 15, NULL, 10) : 0;
    if (n_ranges < 16) {
        snprintf(ranges[n_ranges++], sizeof ranges[0], "%zu", first);
    }
    if (mode == NO_RANGES ||
        (if_range != NULL && mode == NEW_VERSION && strstr(if_range, "\"v2\"") == NULL)) {
        first = 0;
    }
    if (first >= N_BYTES) {
        char text[128];
        snprintf(text, sizeof text,
                 "HTTP/1.1 416 No\r\nContent-Range: bytes */%d\r\nContent-Length: 0\r\n\r\n",
                 N_BYTES);
        server_say(fd, text);
        return;
    }
    switch ((int)mode) {
    case CUT_ONCE:
        if (n_failures++ == 0) {
            send_part(fd, first, 100000, "");
            return;
        }
        break;
    case CUT_ALWAYS:
        send_part(fd, first, first == 0 ? 100000 : 0, "");
        return;
    case CUT_AT_START:
        return;
    case NOT_FOUND:
        server_say(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here\n");
        return;
    case FORBIDDEN:
        server_say(fd, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
        return;
    case BUSY_ONCE:
        if (n_failures++ == 0) {
            server_say(fd, "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
            return;
        }
        break;
    case STALLS:
        send_part(fd, first, 1000, "");
        server_hang(the_server);
        return;
    case REDIRECTS:
    case FALSE_HASH:
    case TO_FILE_SCHEME:
        if (strncmp(request, "GET /file ", 10) == 0) {
            say_redirect(fd);
            return;
        }
        break;
    case SHORT_LENGTH:
        server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort");
        return;
    default:
        break;
    }
    send_part(fd, first, N_BYTES - first, "");
}

static int setup(void **state)
{
    (void)state;
    mode = GOOD;
    n_failures = 0;
    n_ranges = 0;
    memset(&err, 0, sizeof err);
    uint32_t x = 1;
    for (size_t i = 0; i < N_BYTES; i++) {
        x = x * 1664525 + 1013904223;
        body[i] = (char)(x >> 24);
    }
    assert_ok(hash_bytes(body_hash, body, N_BYTES, &err), &err);
    snprintf(folder, sizeof folder, "/tmp/moescope_fetch_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/sub/file.gguf", folder);
    snprintf(partial, sizeof partial, "%s.partial", path);
    snprintf(etag_file, sizeof etag_file, "%s.partial.etag", path);
    server_start(&server, answer);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/file", server.port);
    params = (struct fetch_params){.url = url, .path = path, .sha256 = body_hash};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    server_stop(&server);
    char hash[160], sub[128];
    snprintf(hash, sizeof hash, "%s.sha256", path);
    snprintf(sub, sizeof sub, "%s/sub", folder);
    remove(path);
    remove(partial);
    remove(etag_file);
    remove(hash);
    remove(sub);
    return rmdir(folder);
}

static enum mscope_status fetch(void)
{
    memset(&err, 0, sizeof err);
    return fetch_file(&result, &params, &err);
}

static void assert_says(const char *part)
{
    char text[800];
    mscope_error_text(&err, text, sizeof text);
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\", expected \"%s\" in it", text, part);
    }
}

static long size_of(const char *file)
{
    struct stat stat_of;
    return stat(file, &stat_of) == 0 ? (long)stat_of.st_size : -1;
}

static void assert_fetched(void)
{
    char hash[HASH_TEXT_BYTES];
    assert_ok(hash_file(hash, path, &err), &err);
    assert_string_equal(hash, body_hash);
    assert_string_equal(result.sha256, body_hash);
    assert_int_equal(result.bytes, N_BYTES);
    assert_int_equal(size_of(partial), -1);
    assert_int_equal(size_of(etag_file), -1);
}

static void assert_interrupted_then_resumed(enum mode the_mode, long n_kept, const char *part)
{
    mode = the_mode;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says(part);
    assert_int_equal(size_of(path), -1);
    assert_int_equal(size_of(partial), n_kept);
    mode = GOOD;
    n_ranges = 0;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(result.bytes_resumed, n_kept < 0 ? 0 : n_kept);
    assert_int_equal(strtol(ranges[0], NULL, 10), n_kept < 0 ? 0 : n_kept);
}

static void a_file_arrives_and_is_not_fetched_again(void **state)
{
    (void)state;
    params.bytes = N_BYTES;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_true(result.is_verified && !result.was_there);
    assert_int_equal(result.bytes_resumed, 0);
    assert_ok(fetch(), &err);
    assert_true(result.was_there && result.is_verified);
    assert_int_equal(n_ranges, 1);
    mode = NOT_FOUND; /* nobody is asked */
    assert_ok(fetch(), &err);
}

static void an_interruption_is_resumed_by_the_next_call(void **state)
{
    (void)state;
    assert_interrupted_then_resumed(CUT_ALWAYS, 100000, "100 kB of 300 kB are kept");
}

static void an_interruption_is_resumed_by_itself(void **state)
{
    (void)state;
    mode = CUT_ONCE;
    params.retries = 2;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(result.n_interruptions, 1);
    assert_string_equal(ranges[1], "100000");
}

static void retries_end(void **state)
{
    (void)state;
    mode = CUT_AT_START;
    params.retries = 2;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_int_equal(result.n_interruptions, 3);
    assert_int_equal(size_of(partial), -1); /* nothing to keep */
}

static void a_busy_server_is_asked_again(void **state)
{
    (void)state;
    mode = BUSY_ONCE;
    params.retries = 1;
    assert_ok(fetch(), &err);
    assert_fetched();
    mode = GOOD;
}

static void a_server_that_stalls_is_an_interruption(void **state)
{
    (void)state;
    params.stall_s = 1;
    mode = STALLS;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_int_equal(size_of(partial), 1000);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    mode = NOT_FOUND;
    params.retries = 3;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says(url);
    assert_says("HTTP 404: there is no such file");
    assert_int_equal(n_ranges, 1); /* asking again would not help */
    assert_int_equal(size_of(path), -1);
    assert_int_equal(size_of(partial), -1);
    mode = FORBIDDEN;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says("HTTP 401");
}

static void a_wrong_hash_removes_the_bytes(void **state)
{
    (void)state;
    static const char other[] = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff";
    params.sha256 = other;
    assert_int_equal(fetch(), MSCOPE_ERR_FORMAT);
    assert_says(body_hash);
    assert_says(other);
    assert_int_equal(size_of(path), -1);
    assert_int_equal(size_of(partial), -1);
    params.sha256 = body_hash;
    assert_ok(fetch(), &err);
    assert_fetched();
    params.sha256 = other; /* what has its name is never overwritten */
    assert_int_equal(fetch(), MSCOPE_ERR_FORMAT);
    assert_says("move it away");
    assert_int_equal(size_of(path), N_BYTES);
}

static void a_wrong_size_removes_the_bytes(void **state)
{
    (void)state;
    mode = SHORT_LENGTH;
    params.bytes = N_BYTES;
    assert_int_equal(fetch(), MSCOPE_ERR_FORMAT);
    assert_says("5 bytes, expected 300001");
    assert_int_equal(size_of(partial), -1);
}

static void write_partial(const void *bytes, size_t n, const char *etag)
{
    char sub[128];
    snprintf(sub, sizeof sub, "%s/sub", folder);
    mkdir(sub, 0755);
    FILE *file = fopen(partial, "w");
    assert_non_null(file);
    fwrite(bytes, 1, n, file);
    fclose(file);
    if (etag != NULL) {
        file = fopen(etag_file, "w");
        assert_non_null(file);
        fprintf(file, "%s\n", etag);
        fclose(file);
    }
}

static void another_version_begins_anew(void **state)
{
    (void)state;
    char old[50000];
    memset(old, 'o', sizeof old);
    write_partial(old, sizeof old, "\"v1\"");
    mode = NEW_VERSION;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(result.bytes_resumed, 0);
    assert_string_equal(ranges[0], "50000");
}

static void a_server_without_ranges_begins_anew(void **state)
{
    (void)state;
    write_partial(body, 70000, NULL);
    mode = NO_RANGES;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(result.bytes_resumed, 0);
}

static void a_complete_partial_file_only_gets_its_name(void **state)
{
    (void)state;
    write_partial(body, N_BYTES, NULL);
    assert_ok(fetch(), &err); /* size not known: the server says there is no more */
    assert_fetched();
    remove(path);
    write_partial(body, N_BYTES, NULL);
    n_ranges = 0;
    params.bytes = N_BYTES;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(n_ranges, 0);
}

static void a_partial_file_too_long_begins_anew(void **state)
{
    (void)state;
    char *longer = calloc(1, N_BYTES + 10);
    assert_non_null(longer);
    write_partial(longer, N_BYTES + 10, NULL);
    free(longer);
    assert_ok(fetch(), &err); /* 416 */
    assert_fetched();
    assert_string_equal(ranges[1], "0");
}

static void a_range_that_was_not_asked_for_is_refused(void **state)
{
    (void)state;
    write_partial(body, 70000, NULL);
    mode = WRONG_RANGE;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says("bytes from 69999 on, expected from 70000");
    assert_int_equal(size_of(partial), 70000);
}

static void redirections_are_followed_and_their_hash_is_believed(void **state)
{
    (void)state;
    params.sha256 = NULL;
    mode = REDIRECTS;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_true(result.is_verified);
    remove(path);
    mode = GOOD; /* nobody tells the hash */
    assert_ok(fetch(), &err);
    assert_true(!result.is_verified);
    assert_string_equal(result.sha256, body_hash);
    remove(path);
    mode = FALSE_HASH;
    assert_int_equal(fetch(), MSCOPE_ERR_FORMAT);
    assert_says("SHA-256");
    mode = TO_FILE_SCHEME;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_int_equal(size_of(path), -1);
}

static void a_disk_without_room_is_noticed_before(void **state)
{
    (void)state;
    params.bytes = 1ull << 62;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says("are free on its disk");
    assert_int_equal(n_ranges, 0);
    remove(partial);
}

/* A limit on the size of files stands for a disk that fills up. */
static void a_disk_that_fills_up_keeps_what_it_has(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 150000, .rlim_max = 150000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        bool good = fetch() == MSCOPE_ERR_IO && strstr(err.detail, "write") != NULL &&
                    strstr(err.detail, "are kept") != NULL;
        _exit(good ? 0 : 1);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(size_of(partial), 150000);
    n_ranges = 0;
    assert_ok(fetch(), &err);
    assert_fetched();
    assert_int_equal(result.bytes_resumed, 150000);
}

static int n_looks;
static uint64_t last_done, last_total;

static void note_progress(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    assert_true(done >= last_done || done == 0);
    last_done = done;
    last_total = total;
    n_looks++;
}

static bool stop_at_once(void *user)
{
    (void)user;
    return true;
}

static void progress_is_told_and_a_stop_is_obeyed(void **state)
{
    (void)state;
    params.progress = note_progress;
    assert_ok(fetch(), &err);
    assert_true(n_looks > 0 && last_total == N_BYTES && last_done <= N_BYTES);
    remove(path);
    params.progress = NULL;
    params.stopped = stop_at_once;
    params.retries = 5;
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says("stopped");
}

static void two_processes_do_not_fetch_one_file(void **state)
{
    (void)state;
    int ready[2], done[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    write_partial(body, 5, NULL);
    pid_t child = fork();
    if (child == 0) {
        char byte = 'x';
        close(done[1]);
        FILE *file = fopen(partial, "r+");
        bool locked = file != NULL && flock(fileno(file), LOCK_EX) == 0;
        bool told = write(ready[1], &byte, 1) == 1 && read(done[0], &byte, 1) == 0;
        _exit(locked && told ? 0 : 1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(fetch(), MSCOPE_ERR_IO);
    assert_says("another process");
    assert_int_equal(size_of(partial), 5);
    close(done[1]);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    close(ready[0]);
    close(ready[1]);
    close(done[0]);
}

static void hashes_are_noted_once(void **state)
{
    (void)state;
    char list[128], sub[128], line[512];
    snprintf(list, sizeof list, "%s/sub/model_hashes.txt", folder);
    snprintf(sub, sizeof sub, "%s/sub", folder);
    result = (struct fetch_result){.bytes = 7};
    snprintf(result.sha256, sizeof result.sha256, "%s", body_hash);
    assert_ok(fetch_note_hash(list, &result, "m/f.gguf", url, &err), &err);
    assert_ok(fetch_note_hash(list, &result, "m/f.gguf", url, &err), &err);
    assert_ok(fetch_note_hash(list, &result, "n/f.gguf", url, &err), &err);
    FILE *file = fopen(list, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(strncmp(line, body_hash, 64), 0);
    assert_non_null(strstr(line, "  7  m/f.gguf  http://127.0.0.1:"));
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "n/f.gguf"));
    assert_null(fgets(line, sizeof line, file));
    fclose(file);
    remove(list);
    assert_int_equal(fetch_note_hash("/dev/null/x", &result, "a", "b", &err), MSCOPE_ERR_IO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_arrives_and_is_not_fetched_again),
        TEST(an_interruption_is_resumed_by_the_next_call),
        TEST(an_interruption_is_resumed_by_itself),
        TEST(retries_end),
        TEST(a_busy_server_is_asked_again),
        TEST(a_server_that_stalls_is_an_interruption),
        TEST(a_missing_file_is_named),
        TEST(a_wrong_hash_removes_the_bytes),
        TEST(a_wrong_size_removes_the_bytes),
        TEST(another_version_begins_anew),
        TEST(a_server_without_ranges_begins_anew),
        TEST(a_complete_partial_file_only_gets_its_name),
        TEST(a_partial_file_too_long_begins_anew),
        TEST(a_range_that_was_not_asked_for_is_refused),
        TEST(redirections_are_followed_and_their_hash_is_believed),
        TEST(a_disk_without_room_is_noticed_before),
        TEST(a_disk_that_fills_up_keeps_what_it_has),
        TEST(progress_is_told_and_a_stop_is_obeyed),
        TEST(two_processes_do_not_fetch_one_file),
        TEST(hashes_are_noted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
