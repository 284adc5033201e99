/* SPDX-License-Identifier: MIT */
/* Energy, heat and memory of a run. */
#include "measure/sense.h"

#include "base/clock.h"
#include "machine/energy.h"
#include "machine/system.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double IDLE_S = 2;         /* of idle power before and after a run */
static const double DRIFT_LIMIT = 0.10; /* of idle power, else flagged */
static const double IDENTITY_LIMIT = 0.05;
enum { HEAT_PERIOD_MS = 250 };

struct sense {
    struct energy_sampler *sampler;
    const char *root;
    double temp_start_c, temp_peak_c; /* NaN: no sensor; the peak is `watcher`'s during a run */
    double idle_before_w;
    unsigned flags;
    pthread_t watcher; /* of the temperature */
    bool is_watching;
    bool has_ended; /* lock */
    pthread_mutex_t lock;
    pthread_cond_t ended;
};

static double sample_idle_w(struct sense *sense);
static void look_at_heat(struct sense *sense);
static void *watch_heat(void *argument);
static enum mscope_status explain(const struct sense *sense, const struct driver_marks *marks,
                                  struct record *record, struct mscope_error *err);
static void report_part(struct sense *sense, uint64_t start_ns, uint64_t end_ns, double n_tokens,
                        bool is_decode, struct record *record);
static enum mscope_status report_flags(const struct sense *sense, struct record *record,
                                       struct mscope_error *err);

enum mscope_status sense_open(struct sense **out, const struct config_device *device,
                              const char *root, struct mscope_error *err)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL) {
        return error_set_memory(err, "sensors", sizeof **out);
    }
    (*out)->root = root;
    pthread_mutex_init(&(*out)->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&(*out)->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    (*out)->temp_start_c = (*out)->temp_peak_c = (*out)->idle_before_w = NAN;
    enum mscope_status status =
        energy_open(&(*out)->sampler, root, config_energy_name(device->energy), err);
    if (status != MSCOPE_OK) {
        sense_close(out);
    }
    return status;
}

void sense_close(struct sense **sense)
{
    if (*sense == NULL) {
        return;
    }
    energy_close(&(*sense)->sampler);
    pthread_cond_destroy(&(*sense)->ended);
    pthread_mutex_destroy(&(*sense)->lock);
    free(*sense);
    *sense = NULL;
}

void sense_before(struct sense *sense, struct record *record)
{
    sense->flags = 0;
    sense->temp_start_c = sense->temp_peak_c = NAN;
    look_at_heat(sense);
    sense->temp_start_c = sense->temp_peak_c;
    record->temp_start_c = sense->temp_start_c;
    sense->idle_before_w = sample_idle_w(sense);
}

/* A source that cannot be started gives no samples, which the slices then say. A machine without a
 * thermometer needs no thread to watch it. */
void sense_start(struct sense *sense)
{
    energy_start(sense->sampler, NULL);
    sense->has_ended = false;
    sense->is_watching = !isnan(sense->temp_start_c) &&
                         pthread_create(&sense->watcher, NULL, watch_heat, sense) == 0;
}

void sense_stop(struct sense *sense)
{
    energy_stop(sense->sampler);
    if (sense->is_watching) {
        pthread_mutex_lock(&sense->lock);
        sense->has_ended = true;
        pthread_cond_signal(&sense->ended);
        pthread_mutex_unlock(&sense->lock);
        pthread_join(sense->watcher, NULL);
        sense->is_watching = false;
    }
    look_at_heat(sense);
}

enum mscope_status sense_report(struct sense *sense, const struct driver_marks *marks,
                                struct record *record, struct mscope_error *err)
{
    record->temp_peak_c = sense->temp_peak_c;
    const char *source = energy_source(sense->sampler);
    enum mscope_status status = record_set_text(&record->energy_source, source, err);
    if (status == MSCOPE_OK && (source == NULL || energy_reason(sense->sampler)[0] != '\0')) {
        status = record_set_text(&record->energy_reason, energy_reason(sense->sampler), err);
    }
    if (status != MSCOPE_OK || source == NULL) {
        return status;
    }
    report_part(sense, marks->prefill_start_ns, marks->prefill_end_ns,
                (double)record->prompt_tokens, false, record);
    report_part(sense, marks->decode_start_ns, marks->decode_end_ns, (double)(record->n_gen - 1),
                true, record);
    record->idle_before_w = sense->idle_before_w;
    record->idle_after_w = sample_idle_w(sense); /* forgets the samples of the run */
    double idle_w = (record->idle_before_w + record->idle_after_w) / 2;
    record->idle_drift_share = fabs(record->idle_after_w - record->idle_before_w) / idle_w;
    if (record->prompt_tokens > 0) {
        record->prefill_j_per_token_net = (record->prefill_j - idle_w * record->prefill_ms * 1e-3) /
                                          (double)record->prompt_tokens;
    }
    if (record->n_gen > 1) {
        record->decode_j_per_token_net =
            (record->decode_j - idle_w * record->decode_ms * 1e-3) / (double)(record->n_gen - 1);
    }
    record->energy_identity =
        record->decode_j_per_token * record->decode_tps / record->decode_w_mean;
    status = explain(sense, marks, record, err);
    return status == MSCOPE_OK ? report_flags(sense, record, err) : status;
}

/* Why there is a source and yet no number. */
static enum mscope_status explain(const struct sense *sense, const struct driver_marks *marks,
                                  struct record *record, struct mscope_error *err)
{
    if (!isnan(record->decode_j) || record->energy_reason != NULL) {
        return MSCOPE_OK;
    }
    bool has_marks = marks->decode_end_ns > marks->decode_start_ns;
    return record_set_text(&record->energy_reason,
                           !has_marks && record->n_gen > 1
                               ? "the engine does not tell when its phases began and ended"
                           : !has_marks        ? "no token was decoded"
                           : sense->flags == 0 ? "no sample of decode"
                                               : "too few good samples in decode",
                           err);
}

void sense_memory(struct record *record)
{
    struct system_memory memory;
    if (system_read_memory(&memory, "", 0, NULL) != MSCOPE_OK) {
        return;
    }
    const struct {
        int64_t *field;
        int64_t value;
    } parts[] = {
        {&record->peak_rss_bytes, memory.peak_rss},
        {&record->pss_bytes, memory.pss},
        {&record->rss_anonymous_bytes, memory.anonymous},
        {&record->rss_file_bytes, memory.file},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i].field = parts[i].value >= 0 ? parts[i].value : RECORD_NO_INT;
    }
}

static void report_part(struct sense *sense, uint64_t start_ns, uint64_t end_ns, double n_tokens,
                        bool is_decode, struct record *record)
{
    struct energy_slice slice;
    if (end_ns <= start_ns || n_tokens <= 0) {
        return;
    }
    energy_slice(&slice, sense->sampler, start_ns, end_ns);
    sense->flags |= slice.flags;
    if (!is_decode) {
        record->prefill_j = slice.joules;
        record->prefill_j_per_token = slice.joules / n_tokens;
        return;
    }
    record->decode_j = slice.joules;
    record->decode_j_per_token = slice.joules / n_tokens;
    record->decode_w_mean = slice.w_mean;
    record->decode_w_max = slice.w_max;
    record->energy_samples = slice.n_samples;
    record->energy_cv = slice.cv;
}

static enum mscope_status report_flags(const struct sense *sense, struct record *record,
                                       struct mscope_error *err)
{
    enum mscope_status status = record_add_text(&record->energy_flags, NULL, err);
    for (int i = 0; i < ENERGY_N_FLAGS && status == MSCOPE_OK; i++) {
        if (sense->flags & (1u << i)) {
            status = record_add_text(&record->energy_flags, energy_flag_name(i), err);
        }
    }
    if (status == MSCOPE_OK && record->idle_drift_share > DRIFT_LIMIT) {
        status = record_add_text(&record->energy_flags, "idle_drift", err);
    }
    if (status == MSCOPE_OK && fabs(record->energy_identity - 1) > IDENTITY_LIMIT) {
        status = record_add_text(&record->energy_flags, "identity_off", err);
    }
    return status;
}

static double sample_idle_w(struct sense *sense)
{
    if (energy_source(sense->sampler) == NULL || energy_start(sense->sampler, NULL) != MSCOPE_OK) {
        return NAN;
    }
    uint64_t start_ns = clock_now_ns();
    struct timespec left = {.tv_sec = (time_t)IDLE_S};
    while (nanosleep(&left, &left) != 0) {
    }
    uint64_t end_ns = clock_now_ns();
    energy_stop(sense->sampler);
    struct energy_slice slice;
    energy_slice(&slice, sense->sampler, start_ns, end_ns);
    return slice.w_mean;
}

static void look_at_heat(struct sense *sense)
{
    char sensor[SYSTEM_SENSOR_BYTES];
    sense->temp_peak_c = fmax(sense->temp_peak_c, system_read_temp_c(sensor, sense->root));
}

static void *watch_heat(void *argument)
{
    struct sense *sense = argument;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&sense->lock);
    while (!sense->has_ended) {
        next.tv_nsec += HEAT_PERIOD_MS * 1000000L;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        while (!sense->has_ended &&
               pthread_cond_timedwait(&sense->ended, &sense->lock, &next) == 0) {
        }
        pthread_mutex_unlock(&sense->lock);
        look_at_heat(sense);
        pthread_mutex_lock(&sense->lock);
    }
    pthread_mutex_unlock(&sense->lock);
    return NULL;
}
