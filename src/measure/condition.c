/* SPDX-License-Identifier: MIT */
/* Load, other processes, swap, clocks, power and heat: a verdict with reasons. */
#include "measure/condition.h"

#include "base/strbuf.h"
#include "measure/roofs.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Shares of all CPU time of the run: above the first caution, above the second not to be used. */
static const double OTHER_CAUTION = 0.05, OTHER_REFUSE = 0.20;
static const double STEAL_CAUTION = 0.02, STEAL_REFUSE = 0.10;
enum {
    LEAST_TICKS = 100
}; /* of 10 ms over all CPUs: a shorter run tells nothing of its neighbours */
static const double ROOF_DRIFT = 0.10;  /* of the read bandwidth between two measurements */
static const double FREQ_SPREAD = 0.80; /* lowest core over highest, below: caution */

static const char *const levels[] = {"trust", "caution", "do not use"};

struct verdict {
    struct record *record;
    int level; /* of `levels` */
    enum mscope_status status;
    struct mscope_error *err;
};

static FILE *open_under(const char *root, const char *path);
static void read_stat(struct condition_mark *mark, const char *root);
static void read_memory(struct condition_mark *mark, const char *root);
static void read_clocks(struct condition_mark *mark, const char *root);
static void read_power(struct condition_mark *mark, const char *root);
static int64_t find_number(const char *root, const char *path, const char *key);
static bool read_word(char *word, size_t size, const char *root, const char *path);
static void add_reason(struct verdict *verdict, int level, const char *format, ...)
    BASE_PRINTF(3, 4);
static void resume(struct verdict *verdict);
static void judge_roof(struct verdict *verdict);
static void judge_moves(struct verdict *verdict, const struct condition_moves *moves);
static enum mscope_status conclude(struct verdict *verdict);
static void judge_cpu(struct verdict *verdict, const struct condition_mark *before,
                      const struct condition_mark *after);
static void judge_memory(struct verdict *verdict, const struct condition_mark *before,
                         const struct condition_mark *after);

void condition_look(struct condition_mark *mark, const char *root)
{
    *mark = (struct condition_mark){
        .load1 = NAN, .freq_mhz_min = NAN, .freq_mhz_max = NAN, .on_battery = RECORD_NO_BOOL};
    FILE *load = open_under(root, "/proc/loadavg");
    if (load != NULL) {
        if (fscanf(load, "%lf", &mark->load1) != 1) {
            mark->load1 = NAN;
        }
        fclose(load);
    }
    read_stat(mark, root);
    read_memory(mark, root);
    read_clocks(mark, root);
    read_power(mark, root);
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    double seconds = (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec +
                              children.ru_utime.tv_sec + children.ru_stime.tv_sec) +
                     1e-6 * (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec +
                                     children.ru_utime.tv_usec + children.ru_stime.tv_usec);
    mark->own_ticks = (int64_t)(seconds * (double)sysconf(_SC_CLK_TCK));
    mark->major_faults = self.ru_majflt + children.ru_majflt;
}

enum mscope_status condition_judge(struct record *record, const struct condition_mark *before,
                                   const struct condition_mark *after, double temp_limit_c,
                                   struct mscope_error *err)
{
    struct verdict verdict = {record, 0, MSCOPE_OK, err};
    verdict.status = record_add_text(&record->condition_reasons, NULL, err);
    record->load1 = before->load1;
    record->major_faults = after->major_faults - before->major_faults;
    judge_cpu(&verdict, before, after);
    judge_memory(&verdict, before, after);
    record->freq_mhz_min = fmin(before->freq_mhz_min, after->freq_mhz_min);
    record->freq_mhz_max = fmax(before->freq_mhz_max, after->freq_mhz_max);
    if (record->freq_mhz_min < FREQ_SPREAD * record->freq_mhz_max) {
        add_reason(&verdict, 1, "clocks from %.0f to %.0f MHz, expected within %.0f %%",
                   record->freq_mhz_min, record->freq_mhz_max, 100 * (1 - FREQ_SPREAD));
    }
    if (before->governor[0] != '\0' && verdict.status == MSCOPE_OK) {
        verdict.status = record_set_text(&record->governor, before->governor, err);
        if (strcmp(before->governor, "powersave") == 0) {
            add_reason(&verdict, 1, "governor powersave, expected performance");
        }
    }
    record->on_battery = after->on_battery;
    if (after->on_battery == 1 || before->on_battery == 1) {
        add_reason(&verdict, 1, "on battery, expected mains power");
    }
    double temp_c = fmax(record->temp_start_c, record->temp_peak_c);
    if (temp_limit_c > 0 && temp_c > temp_limit_c) {
        add_reason(&verdict, 2, "%.1f C, expected at most %.1f C", temp_c, temp_limit_c);
    }
    judge_roof(&verdict);
    return conclude(&verdict);
}

enum mscope_status condition_judge_roof(struct record *record, const struct condition_moves *moves,
                                        struct mscope_error *err)
{
    struct verdict verdict = {.record = record, .err = err};
    if (record->condition == NULL) {
        return MSCOPE_OK;
    }
    resume(&verdict);
    judge_roof(&verdict);
    if (moves != NULL && moves->n_moved > 0) {
        judge_moves(&verdict, moves);
    }
    return conclude(&verdict);
}

enum mscope_status condition_judge_place(struct record *record, double before_ns, double now_ns,
                                         struct mscope_error *err)
{
    struct verdict verdict = {.record = record, .err = err};
    struct condition_moves moves = {1, 1, record->roof_handoff_ns, now_ns};
    if (!roofs_moved(moves.before_ns, moves.after_ns)) {
        moves.after_ns = before_ns;
    }
    if (record->condition == NULL || !roofs_moved(moves.before_ns, moves.after_ns)) {
        return MSCOPE_OK;
    }
    record->s_mbu = record->s_mfu = NAN;
    resume(&verdict);
    judge_moves(&verdict, &moves);
    return conclude(&verdict);
}

/* From where the row's verdict is. */
static void resume(struct verdict *verdict)
{
    while (verdict->level < 2 && strcmp(verdict->record->condition, levels[verdict->level]) != 0) {
        verdict->level++;
    }
}

static void judge_moves(struct verdict *verdict, const struct condition_moves *moves)
{
    add_reason(verdict, 1,
               "the cores were moved during %d of %d samples, expected during none: a cache line "
               "took %.0f ns from one to the next before, %.0f ns after",
               moves->n_moved, moves->n_samples, moves->before_ns, moves->after_ns);
}

static void judge_roof(struct verdict *verdict)
{
    double drift = verdict->record->roof_read_drift_share;
    if (drift > ROOF_DRIFT) {
        add_reason(verdict, 1,
                   "the read bandwidth changed by %.0f %% between two measurements, expected at "
                   "most %.0f %%",
                   100 * drift, 100 * ROOF_DRIFT);
    }
}

static enum mscope_status conclude(struct verdict *verdict)
{
    return verdict->status == MSCOPE_OK
               ? record_set_text(&verdict->record->condition, levels[verdict->level], verdict->err)
               : verdict->status;
}

static void judge_cpu(struct verdict *verdict, const struct condition_mark *before,
                      const struct condition_mark *after)
{
    double total = (double)(after->total_ticks - before->total_ticks);
    if (before->total_ticks < 0 || after->total_ticks < 0 || total < LEAST_TICKS) {
        return;
    }
    double own = (double)(after->own_ticks - before->own_ticks);
    double other = ((double)(after->busy_ticks - before->busy_ticks) - own) / total;
    other = other > 0 ? other : 0;
    double steal = (double)(after->steal_ticks - before->steal_ticks) / total;
    verdict->record->busy_other_share = other;
    if (other > OTHER_CAUTION) {
        add_reason(verdict, other > OTHER_REFUSE ? 2 : 1,
                   "other processes used %.0f %% of the CPUs, expected at most %.0f %%",
                   100 * other, 100 * OTHER_CAUTION);
    }
    if (steal > STEAL_CAUTION) {
        add_reason(verdict, steal > STEAL_REFUSE ? 2 : 1,
                   "the host of this virtual machine took %.0f %% of the CPUs, expected at most "
                   "%.0f %%",
                   100 * steal, 100 * STEAL_CAUTION);
    }
}

static void judge_memory(struct verdict *verdict, const struct condition_mark *before,
                         const struct condition_mark *after)
{
    struct record *record = verdict->record;
    if (before->swap_in_pages >= 0 && after->swap_in_pages >= 0) {
        int64_t page = sysconf(_SC_PAGESIZE);
        record->swap_in_bytes = (after->swap_in_pages - before->swap_in_pages) * page;
        record->swap_out_bytes = (after->swap_out_pages - before->swap_out_pages) * page;
        if (record->swap_in_bytes + record->swap_out_bytes > 0) {
            add_reason(verdict, 2, "%.1f MB swapped during the run, expected none",
                       1e-6 * (double)(record->swap_in_bytes + record->swap_out_bytes));
        }
    }
    if (after->swap_used_bytes >= 0) {
        record->swap_used_bytes = after->swap_used_bytes;
    }
}

static void add_reason(struct verdict *verdict, int level, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    verdict->level = level > verdict->level ? level : verdict->level;
    if (verdict->status == MSCOPE_OK) {
        verdict->status = record_add_text(&verdict->record->condition_reasons, text, verdict->err);
    }
}

/* user nice system idle iowait irq softirq steal, then guest time that user contains already */
static void read_stat(struct condition_mark *mark, const char *root)
{
    mark->total_ticks = -1;
    FILE *stream = open_under(root, "/proc/stat");
    if (stream == NULL) {
        return;
    }
    long long t[8] = {0};
    if (fscanf(stream, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) == 8) {
        mark->busy_ticks = t[0] + t[1] + t[2] + t[5] + t[6];
        mark->steal_ticks = t[7];
        mark->total_ticks = mark->busy_ticks + t[3] + t[4] + t[7];
    }
    fclose(stream);
}

static void read_memory(struct condition_mark *mark, const char *root)
{
    int64_t total = find_number(root, "/proc/meminfo", "SwapTotal:");
    int64_t unused = find_number(root, "/proc/meminfo", "SwapFree:");
    mark->swap_used_bytes = total >= 0 && unused >= 0 ? (total - unused) * 1024 : -1;
    mark->swap_in_pages = find_number(root, "/proc/vmstat", "pswpin");
    mark->swap_out_pages = find_number(root, "/proc/vmstat", "pswpout");
}

/* All cores by cpufreq; where there is none (a virtual machine), what /proc/cpuinfo says. */
static void read_clocks(struct condition_mark *mark, const char *root)
{
    char word[64], path[128];
    for (int i = 0; i < 1024; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", i);
        if (!read_word(word, sizeof word, root, path)) {
            break;
        }
        double mhz = strtod(word, NULL) / 1e3;
        mark->freq_mhz_min = fmin(mark->freq_mhz_min, mhz);
        mark->freq_mhz_max = fmax(mark->freq_mhz_max, mhz);
    }
    if (read_word(word, sizeof word, root,
                  "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")) {
        snprintf(mark->governor, sizeof mark->governor, "%.31s", word);
    }
    FILE *stream = isnan(mark->freq_mhz_min) ? open_under(root, "/proc/cpuinfo") : NULL;
    char line[512];
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL) {
        const char *colon = strncmp(line, "cpu MHz", 7) == 0 ? strchr(line, ':') : NULL;
        if (colon != NULL) {
            double mhz = strtod(colon + 1, NULL);
            mark->freq_mhz_min = fmin(mark->freq_mhz_min, mhz);
            mark->freq_mhz_max = fmax(mark->freq_mhz_max, mhz);
        }
    }
    if (stream != NULL) {
        fclose(stream);
    }
}

/* A battery that discharges is what counts; a mains supply may be there and unplugged. */
static void read_power(struct condition_mark *mark, const char *root)
{
    struct strbuf folder = {0};
    strbuf_printf(&folder, "%s/sys/class/power_supply", root);
    DIR *directory = folder.failed ? NULL : opendir(folder.data);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char path[512], word[64];
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/sys/class/power_supply/%.200s/type", entry->d_name);
        if (!read_word(word, sizeof word, root, path) || strcmp(word, "Battery") != 0) {
            continue;
        }
        snprintf(path, sizeof path, "/sys/class/power_supply/%.200s/scope", entry->d_name);
        if (read_word(word, sizeof word, root, path) && strcmp(word, "Device") == 0) {
            continue; /* of a mouse or the like */
        }
        snprintf(path, sizeof path, "/sys/class/power_supply/%.200s/status", entry->d_name);
        if (read_word(word, sizeof word, root, path)) {
            bool discharging = strcmp(word, "Discharging") == 0;
            mark->on_battery = mark->on_battery == 1 || discharging ? 1 : 0;
        }
    }
    if (directory != NULL) {
        closedir(directory);
    }
    strbuf_free(&folder);
}

static FILE *open_under(const char *root, const char *path)
{
    struct strbuf full = {0};
    strbuf_printf(&full, "%s%s", root, path);
    FILE *stream = full.failed ? NULL : fopen(full.data, "rb");
    strbuf_free(&full);
    return stream;
}

/* The number after `key` at the beginning of a line; -1 when there is none. */
static int64_t find_number(const char *root, const char *path, const char *key)
{
    FILE *stream = open_under(root, path);
    if (stream == NULL) {
        return -1;
    }
    char line[256];
    int64_t value = -1;
    size_t n_key = strlen(key);
    while (fgets(line, sizeof line, stream) != NULL) {
        if (strncmp(line, key, n_key) == 0 && strchr(" \t", line[n_key]) != NULL) {
            value = strtoll(line + n_key, NULL, 10);
            break;
        }
    }
    fclose(stream);
    return value;
}

static bool read_word(char *word, size_t size, const char *root, const char *path)
{
    FILE *stream = open_under(root, path);
    if (stream == NULL) {
        return false;
    }
    bool good = fgets(word, (int)size, stream) != NULL;
    fclose(stream);
    if (good) {
        word[strcspn(word, " \t\n")] = '\0';
    }
    return good && word[0] != '\0';
}
