/* SPDX-License-Identifier: MIT */
/* Any bytes as what other programs print: footers and rows of llama.cpp, lines of tegrastats, the
 * stream of a server. */
/* LINKS: measure machine base */
#include "machine/tegrastats.h"
#include "measure/footer.h"
#include "measure/http_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void footers(const char *text, size_t n)
{
    struct footer footer;
    bool found = footer_parse(&footer, text, n);
    const double times[] = {footer.load_ms,  footer.sample_ms,  footer.prompt_ms, footer.eval_ms,
                            footer.total_ms, footer.prompt_tps, footer.eval_tps};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        check(isnan(times[i]) || (times[i] >= 0 && times[i] < 1e15));
    }
    check(footer.prompt_tokens >= -1 && footer.eval_runs >= -1);
    check(found == !(isnan(footer.prompt_ms) && isnan(footer.eval_ms) && isnan(footer.prompt_tps) &&
                     isnan(footer.eval_tps)));
    char version[32];
    check(footer_parse_version(version, sizeof version, text, n) >= 0);
    check(strlen(version) < sizeof version);
}

static void bench_rows(const char *text, size_t n)
{
    struct footer_bench rows[MAX_ROWS];
    struct mscope_error err = {0};
    int n_rows = -1;
    enum mscope_status status = footer_parse_bench(rows, MAX_ROWS, &n_rows, text, n, &err);
    check(n_rows >= 0 && n_rows <= MAX_ROWS);
    check(status == MSCOPE_OK || err.detail[0] != '\0');
    for (int i = 0; i < n_rows; i++) {
        check(rows[i].avg_ns >= 0 && rows[i].n_prompt >= 0 && rows[i].n_gen >= 0);
        check(rows[i].n_depth >= 0 && rows[i].model_bytes >= -1 && rows[i].build_number >= 0);
    }
}

static void tegrastats_lines(const char *text, size_t n)
{
    struct tegrastats line;
    bool found = tegrastats_parse(&line, text, n);
    check(line.n_rails >= 0 && line.n_rails <= TEGRASTATS_MAX_RAILS);
    check(found || line.n_rails == 0);
    check(isnan(line.cpu_share) || (line.cpu_share >= 0 && line.cpu_share <= 1));
    check(isnan(line.gpu_share) || (line.gpu_share >= 0 && line.gpu_share <= 1));
    check(isnan(line.temp_max_c) || (line.temp_max_c > -100 && line.temp_max_c < 200));
    check(isnan(line.board_watts) == (line.board_rail[0] == '\0'));
    for (int i = 0; i < line.n_rails; i++) {
        check(line.rails[i].watts >= 0 && strlen(line.rails[i].name) < TEGRASTATS_NAME_BYTES);
    }
}

/* In one piece and byte by byte it is the same stream. */
static void streams(const char *text, size_t n)
{
    struct http_stream whole;
    struct http_stream bytes;
    char message[HTTP_PROBLEM_BYTES];
    http_stream_init(&whole);
    http_stream_init(&bytes);
    bool good = http_stream_feed(&whole, text, n, 1);
    bool same = true;
    for (size_t i = 0; i < n && same; i++) {
        same = http_stream_feed(&bytes, text + i, 1, i + 1);
    }
    check(good == same && whole.n_pieces == bytes.n_pieces && whole.is_done == bytes.is_done);
    check(whole.prompt_tokens == bytes.prompt_tokens && whole.prompt_tokens >= -1);
    check(strcmp(whole.problem, bytes.problem) == 0 && good == (whole.problem[0] == '\0'));
    struct mscope_error err;
    http_stream_check(&whole, "server", &err);
    check(strlen(http_error_text(message, text, n)) < HTTP_PROBLEM_BYTES);
    http_stream_free(&whole);
    http_stream_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    footers(text, size);
    bench_rows(text, size);
    tegrastats_lines(text, size);
    streams(text, size);
    return 0;
}
