/* SPDX-License-Identifier: MIT */
/* Choosing a source, and the thread that reads it. */
#include "machine/energy.h"

#include "base/clock.h"
#include "machine/energy_series.h"
#include "machine/energy_source.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_FAILURES = 3, REASON_BYTES = 1024 };

struct energy_sampler {
    const struct energy_source_class *class; /* NULL: no source */
    struct energy_source *source;
    char scope[ENERGY_TEXT_BYTES];
    char reason[REASON_BYTES];
    bool running;
    pthread_t thread;
    pthread_mutex_t lock; /* of `stop` */
    pthread_cond_t wake;
    bool stop;
    /* of the thread while it runs, of the caller otherwise */
    struct energy_series series;
    int n_failures; /* in a row */
};

/* In the order of trust. */
static const struct energy_source_class *const classes[] = {
    &energy_source_rapl,    &energy_source_ina3221, &energy_source_tegrastats,
    &energy_source_battery, &energy_source_nvml,
};
enum { N_CLASSES = sizeof classes / sizeof classes[0] };

static void try_source(struct energy_sampler *sampler, const char *root,
                       const struct energy_source_class *class);
static void *run_thread(void *user);
static bool wait_until(struct energy_sampler *sampler, uint64_t clock_ns);
static bool take_sample(struct energy_sampler *sampler);

enum mscope_status energy_open(struct energy_sampler **out, const char *root, const char *want,
                               struct mscope_error *err)
{
    *out = NULL;
    bool is_auto = want == NULL || strcmp(want, "auto") == 0;
    bool known = is_auto || strcmp(want, "none") == 0;
    for (int i = 0; i < N_CLASSES && !known; i++) {
        known = strcmp(want, classes[i]->name) == 0;
    }
    if (!known) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, "energy source",
                         "'%s', expected auto, rapl, ina3221, tegrastats, battery, nvml or none",
                         want);
    }
    const struct energy_source_class *chosen[N_CLASSES];
    int n_chosen = 0;
    for (int i = 0; i < N_CLASSES; i++) {
        if (is_auto ? classes[i]->covers_cpu : strcmp(want, classes[i]->name) == 0) {
            chosen[n_chosen++] = classes[i];
        }
    }
    enum mscope_status status = energy_open_class(out, root, chosen, n_chosen, err);
    if (status == MSCOPE_OK && n_chosen == 0) {
        snprintf((*out)->reason, sizeof(*out)->reason, "not wanted");
    }
    return status;
}

enum mscope_status energy_open_class(struct energy_sampler **out, const char *root,
                                     const struct energy_source_class *const *candidates,
                                     int n_candidates, struct mscope_error *err)
{
    *out = NULL;
    struct energy_sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL) {
        return error_set_memory(err, "energy sampler", sizeof *sampler);
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sampler->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&sampler->lock, NULL);
    for (int i = 0; i < n_candidates && sampler->class == NULL; i++) {
        try_source(sampler, root, candidates[i]);
    }
    *out = sampler;
    return MSCOPE_OK;
}

static void try_source(struct energy_sampler *sampler, const char *root,
                       const struct energy_source_class *class)
{
    char reason[ENERGY_TEXT_BYTES] = "";
    sampler->source = class->open(root, sampler->scope, reason);
    if (sampler->source == NULL) {
        size_t used = strlen(sampler->reason);
        snprintf(sampler->reason + used, sizeof sampler->reason - used, "%s%s",
                 used > 0 ? "; " : "", reason);
        sampler->scope[0] = '\0';
        return;
    }
    sampler->class = class;
    sampler->reason[0] = '\0';
    sampler->series.is_counter = class->is_counter;
    sampler->series.wants_change = class->wants_change;
    sampler->series.period_ns = (uint64_t)(1e9 / class->rate_hz);
}

void energy_close(struct energy_sampler **sampler)
{
    if (*sampler == NULL) {
        return;
    }
    energy_stop(*sampler);
    if ((*sampler)->class != NULL) {
        (*sampler)->class->close((*sampler)->source);
    }
    energy_series_free(&(*sampler)->series);
    pthread_cond_destroy(&(*sampler)->wake);
    pthread_mutex_destroy(&(*sampler)->lock);
    free(*sampler);
    *sampler = NULL;
}

const char *energy_source(const struct energy_sampler *sampler)
{
    return sampler->class != NULL ? sampler->class->name : NULL;
}

const char *energy_reason(const struct energy_sampler *sampler)
{
    return sampler->reason;
}

const char *energy_scope(const struct energy_sampler *sampler)
{
    return sampler->scope;
}

double energy_rate_hz(const struct energy_sampler *sampler)
{
    return sampler->class != NULL ? sampler->class->rate_hz : 0;
}

enum mscope_status energy_start(struct energy_sampler *sampler, struct mscope_error *err)
{
    if (sampler->class == NULL) {
        return MSCOPE_OK;
    }
    energy_stop(sampler);
    energy_series_clear(&sampler->series);
    sampler->stop = false;
    sampler->n_failures = 0;
    sampler->reason[0] = '\0';
    if (sampler->class->begin != NULL) {
        sampler->class->begin(sampler->source);
    }
    take_sample(sampler);      /* here, so that what begins after this call is covered */
    sampler->series.flags = 0; /* what happened before the first sample is no matter */
    int error = pthread_create(&sampler->thread, NULL, run_thread, sampler);
    if (error != 0) {
        return error_set_errno(err, error, "energy sampler", "start thread");
    }
    sampler->running = true;
    return MSCOPE_OK;
}

void energy_stop(struct energy_sampler *sampler)
{
    if (!sampler->running) {
        return;
    }
    pthread_mutex_lock(&sampler->lock);
    sampler->stop = true;
    pthread_cond_signal(&sampler->wake);
    pthread_mutex_unlock(&sampler->lock);
    pthread_join(sampler->thread, NULL);
    sampler->running = false;
}

void energy_slice(struct energy_slice *out, const struct energy_sampler *sampler, uint64_t start_ns,
                  uint64_t end_ns)
{
    energy_series_slice(out, &sampler->series, start_ns, end_ns);
    if (sampler->class == NULL) {
        out->flags = 0;
    }
}

/* Ticks stay on a grid from the start, so that a late one does not delay all after it. */
static void *run_thread(void *user)
{
    struct energy_sampler *sampler = user;
    uint64_t period_ns = sampler->series.period_ns;
    uint64_t tick_ns = clock_now_ns();
    bool goes_on = true;
    while (goes_on) {
        uint64_t now_ns = clock_now_ns();
        tick_ns += period_ns;
        tick_ns = tick_ns > now_ns ? tick_ns : now_ns;
        if (!wait_until(sampler, sampler->class->waits ? now_ns : tick_ns)) {
            take_sample(sampler);
            break;
        }
        goes_on = take_sample(sampler);
    }
    return NULL;
}

/* False when the sampler is to stop. */
static bool wait_until(struct energy_sampler *sampler, uint64_t clock_ns)
{
    struct timespec until = {.tv_sec = (time_t)(clock_ns / 1000000000),
                             .tv_nsec = (long)(clock_ns % 1000000000)};
    pthread_mutex_lock(&sampler->lock);
    int error = 0;
    while (!sampler->stop && error != ETIMEDOUT) {
        error = pthread_cond_timedwait(&sampler->wake, &sampler->lock, &until);
    }
    bool stop = sampler->stop;
    pthread_mutex_unlock(&sampler->lock);
    return !stop;
}

/* False when the sensor is gone: several failures in a row, since one alone may be chance. */
static bool take_sample(struct energy_sampler *sampler)
{
    double value;
    bool wrapped = false;
    char reason[ENERGY_TEXT_BYTES] = "";
    if (!sampler->class->read(sampler->source, &value, &wrapped, reason)) {
        sampler->n_failures++;
        if (sampler->n_failures < MAX_FAILURES) {
            return true;
        }
        snprintf(sampler->reason, sizeof sampler->reason, "the sensor went away: %s", reason);
        sampler->series.flags |= ENERGY_VANISHED;
        return false;
    }
    sampler->n_failures = 0;
    sampler->series.flags |= wrapped ? ENERGY_COUNTER_WRAPPED : 0;
    if (!energy_series_add(&sampler->series, clock_now_ns(), value)) {
        snprintf(sampler->reason, sizeof sampler->reason, "no memory for more than %zu samples",
                 sampler->series.n);
        sampler->series.flags |= ENERGY_VANISHED;
        return false;
    }
    return true;
}

const char *energy_flag_name(int i)
{
    static const char *const names[ENERGY_N_FLAGS] = {
        "few_samples", "not_covered",     "gap",     "sensor_vanished",
        "stale",       "counter_wrapped", "high_cv", "clock_backwards"};
    return i >= 0 && i < ENERGY_N_FLAGS ? names[i] : NULL;
}
