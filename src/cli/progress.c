/* SPDX-License-Identifier: MIT */
/* Progress lines on stderr with rate and time left. */
#include "cli/progress.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 30 };
static const uint64_t REDRAW_NS = 100000000, QUIET_NS = 2000000000;

static void describe(const struct progress *progress, uint64_t done, uint64_t total,
                     uint64_t elapsed_ns, char *text, size_t size);

void progress_start(struct progress *progress, const char *label, enum progress_unit unit)
{
    *progress = (struct progress){
        .label = label,
        .unit = unit,
        .is_terminal = isatty(STDERR_FILENO) != 0,
        .started_ns = clock_now_ns(),
    };
}

void progress_update(struct progress *progress, uint64_t done, uint64_t total)
{
    uint64_t now = clock_now_ns(), elapsed = now - progress->started_ns;
    if (total == 0) {
        return;
    }
    done = done < total ? done : total;
    double share = (double)done / (double)total;
    char text[160];
    if (progress->is_terminal) {
        if (progress->drawn && now - progress->drawn_ns < REDRAW_NS) {
            return;
        }
        char bar[BAR_CELLS + 1];
        int n_full = (int)(share * BAR_CELLS);
        memset(bar, '.', BAR_CELLS);
        memset(bar, '#', (size_t)n_full);
        bar[BAR_CELLS] = '\0';
        describe(progress, done, total, elapsed, text, sizeof text);
        fprintf(stderr, "\r\033[K%s [%s] %3d %%  %s", progress->label, bar, (int)(share * 100),
                text);
        fflush(stderr);
        progress->drawn = true;
        progress->drawn_ns = now;
        return;
    }
    int tenths = (int)(share * 10);
    if (elapsed < QUIET_NS) {
        progress->tenths_shown = tenths;
    } else if (tenths > progress->tenths_shown && tenths < 10) {
        progress->tenths_shown = tenths;
        describe(progress, done, total, elapsed, text, sizeof text);
        fprintf(stderr, "moescope: %s %d %%, %s\n", progress->label, tenths * 10, text);
    }
}

uint64_t progress_end(struct progress *progress)
{
    if (progress->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    return clock_now_ns() - progress->started_ns;
}

static void describe(const struct progress *progress, uint64_t done, uint64_t total,
                     uint64_t elapsed_ns, char *text, size_t size)
{
    char a[UNITS_TEXT_BYTES], b[UNITS_TEXT_BYTES], rate[UNITS_TEXT_BYTES], left[UNITS_TEXT_BYTES];
    double seconds = (double)(elapsed_ns > 0 ? elapsed_ns : 1) * 1e-9;
    uint64_t fresh = done > progress->first ? done - progress->first : 0;
    double per_second = (double)fresh / seconds;
    if (progress->unit == PROGRESS_BYTES) {
        units_bytes(a, done);
        units_bytes(b, total);
        units_bytes(rate, (uint64_t)per_second);
    } else {
        units_count(a, done);
        units_count(b, total);
        snprintf(rate, sizeof rate, "%.1f tok", per_second);
    }
    if (fresh > 0) {
        units_duration(left, (uint64_t)((double)(total - done) / per_second * 1e9));
    } else {
        snprintf(left, sizeof left, "?");
    }
    if (progress->unit == PROGRESS_STEPS) {
        snprintf(text, size, "%s of %s, %s left", a, b, left);
    } else {
        snprintf(text, size, "%s of %s, %s/s, %s left", a, b, rate, left);
    }
}
