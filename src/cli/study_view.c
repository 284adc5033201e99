/* SPDX-License-Identifier: MIT */
/* Rows, notes and progress of a study on stderr. */
#include "cli/study_view.h"

#include "base/units.h"
#include "cli/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_COLUMNS = 96, TIME_BYTES = 64 };

static void clear_line(struct study_view *view);
static void show_row(const struct runner_news *news);
static const char *left_text(char text[TIME_BYTES], double left_s);

void study_view_start(struct study_view *view)
{
    *view = (struct study_view){.is_terminal = isatty(STDERR_FILENO) != 0};
}

void study_view_tell(void *user, const struct runner_news *news)
{
    struct study_view *view = user;
    char time_text[TIME_BYTES], shown[256];
    switch (news->kind) {
    case RUNNER_NOTE:
        clear_line(view);
        out_note("%s", out_printable(shown, sizeof shown, news->text));
        break;
    case RUNNER_ROW:
        clear_line(view);
        show_row(news);
        break;
    case RUNNER_STEP:
        if (view->is_terminal) {
            char line[LINE_COLUMNS + 256];
            snprintf(line, sizeof line, "[%d/%d] %s%s", news->n_done, news->n_total,
                     out_printable(shown, sizeof shown, news->text),
                     left_text(time_text, news->left_s));
            fprintf(stderr, "\r\033[K%.*s", LINE_COLUMNS, line);
            fflush(stderr);
            view->drawn = true;
        }
        break;
    }
}

void study_view_end(struct study_view *view)
{
    clear_line(view);
}

static void clear_line(struct study_view *view)
{
    if (view->drawn) {
        fputs("\r\033[K", stderr);
        view->drawn = false;
    }
}

static void show_row(const struct runner_news *news)
{
    const struct record *row = news->record;
    char size[UNITS_TEXT_BYTES], time_text[TIME_BYTES];
    fprintf(stderr, "[%*d/%d] %-14.14s %-20.20s t%-2lld r%lld  ", news->n_total > 99 ? 3 : 2,
            news->n_done, news->n_total, row->model, row->prompt, (long long)row->threads,
            (long long)row->repetition);
    if (strcmp(row->status, "ok") != 0) {
        char shown[256];
        fprintf(stderr, "%s: %s%s\n", row->status, out_printable(shown, sizeof shown, row->reason),
                left_text(time_text, news->left_s));
        return;
    }
    fprintf(stderr, "prefill %7.1f  decode %6.2f tok/s", row->prefill_tps, row->decode_tps);
    if (row->peak_rss_bytes != RECORD_NO_INT) {
        fprintf(stderr, "  %s", units_bytes(size, (uint64_t)row->peak_rss_bytes));
    }
    if (row->condition != NULL && strcmp(row->condition, "trust") != 0) {
        fprintf(stderr, "  %s", row->condition);
    }
    fprintf(stderr, "%s%s\n", row->cv_flag == 1 ? "  unstable" : "",
            left_text(time_text, news->left_s));
}

static const char *left_text(char text[TIME_BYTES], double left_s)
{
    text[0] = '\0';
    if (isnan(left_s) || left_s < 1) {
        return text;
    }
    int seconds = left_s < 1e6 ? (int)left_s : 1000000;
    if (seconds >= 3600) {
        snprintf(text, TIME_BYTES, ", %d h %02d min left", seconds / 3600, seconds / 60 % 60);
    } else if (seconds >= 90) {
        snprintf(text, TIME_BYTES, ", %d min left", (seconds + 30) / 60);
    } else {
        snprintf(text, TIME_BYTES, ", %d s left", seconds);
    }
    return text;
}
