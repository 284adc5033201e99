/* SPDX-License-Identifier: MIT */
/*
 * Statistics as SQL functions. ci95(x, cluster): runs of one prompt resemble each other, so with
 * three clusters or more the interval is that of the mean of the cluster means; with fewer, that of
 * the runs.
 */
#include "report/store.h"

#include "measure/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_CLUSTERS = 3 };

struct item {
    double value;
    char *cluster;
};
struct gathered {
    struct item *items;
    size_t n, capacity;
    bool failed;
};

typedef double figure_fn(struct item *items, double *values, size_t n);

static figure_fn find_median, find_sd, find_cv, find_ci95, find_cv_within;
static struct function {
    const char *name;
    int n_arguments;
    figure_fn *find;
} functions[] = {
    {"median", 1, find_median},
    {"sd", 1, find_sd},
    {"cv", 1, find_cv},
    {"ci95", 2, find_ci95},
    {"cv_within", 2, find_cv_within},
};

static void step(sqlite3_context *context, int n_arguments, sqlite3_value **arguments);
static void finish(sqlite3_context *context);
static void find_logarithm(sqlite3_context *context, int n_arguments, sqlite3_value **arguments);
static int compare_clusters(const void *a, const void *b);

int aggregates_register(sqlite3 *db)
{
    int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code = sqlite3_create_function(db, "ln", 1, flags, NULL, find_logarithm, NULL, NULL);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] && code == SQLITE_OK; i++) {
        code = sqlite3_create_function(db, functions[i].name, functions[i].n_arguments, flags,
                                       &functions[i], NULL, step, finish);
    }
    return code;
}

static void step(sqlite3_context *context, int n_arguments, sqlite3_value **arguments)
{
    struct gathered *all = sqlite3_aggregate_context(context, sizeof *all);
    if (all == NULL || all->failed || sqlite3_value_numeric_type(arguments[0]) == SQLITE_NULL) {
        return;
    }
    double value = sqlite3_value_double(arguments[0]);
    if (!isfinite(value)) {
        return;
    }
    if (all->n == all->capacity) {
        size_t capacity = all->capacity == 0 ? 64 : 2 * all->capacity;
        struct item *items = realloc(all->items, capacity * sizeof *items);
        if (items == NULL) {
            all->failed = true;
            return;
        }
        all->items = items;
        all->capacity = capacity;
    }
    const char *cluster = n_arguments > 1 ? (const char *)sqlite3_value_text(arguments[1]) : NULL;
    char *copy = strdup(cluster != NULL ? cluster : "");
    if (copy == NULL) {
        all->failed = true;
        return;
    }
    all->items[all->n++] = (struct item){value, copy};
}

static void finish(sqlite3_context *context)
{
    struct gathered *all = sqlite3_aggregate_context(context, 0);
    if (all == NULL || (all->n == 0 && !all->failed)) {
        sqlite3_result_null(context);
        return;
    }
    double *values = calloc(all->n > 0 ? all->n : 1, sizeof *values);
    if (values == NULL || all->failed) {
        sqlite3_result_error_nomem(context);
    } else {
        for (size_t i = 0; i < all->n; i++) {
            values[i] = all->items[i].value;
        }
        const struct function *function = sqlite3_user_data(context);
        double result = function->find(all->items, values, all->n);
        if (isfinite(result)) {
            sqlite3_result_double(context, result);
        } else {
            sqlite3_result_null(context);
        }
    }
    free(values);
    for (size_t i = 0; i < all->n; i++) {
        free(all->items[i].cluster);
    }
    free(all->items);
    *all = (struct gathered){0};
}

static double find_median(struct item *items, double *values, size_t n)
{
    (void)items;
    return stats_of(values, n).median;
}

static double find_sd(struct item *items, double *values, size_t n)
{
    (void)items;
    return stats_of(values, n).sd;
}

static double find_cv(struct item *items, double *values, size_t n)
{
    (void)items;
    return stats_of(values, n).cv;
}

static double find_ci95(struct item *items, double *values, size_t n)
{
    double over_runs = stats_of(values, n).ci95;
    qsort(items, n, sizeof *items, compare_clusters);
    size_t n_clusters = 0;
    for (size_t i = 0; i < n;) {
        size_t j = i;
        double sum = 0;
        while (j < n && strcmp(items[j].cluster, items[i].cluster) == 0) {
            sum += items[j++].value;
        }
        values[n_clusters++] = sum / (double)(j - i);
        i = j;
    }
    return n_clusters >= MIN_CLUSTERS ? stats_of(values, n_clusters).ci95 : over_runs;
}

/* Pooled deviation inside clusters over the mean of all: what repetitions alone scatter. */
static double find_cv_within(struct item *items, double *values, size_t n)
{
    double mean = stats_of(values, n).mean, squares = 0;
    size_t freedom = 0;
    qsort(items, n, sizeof *items, compare_clusters);
    for (size_t i = 0; i < n;) {
        size_t j = i;
        double sum = 0;
        while (j < n && strcmp(items[j].cluster, items[i].cluster) == 0) {
            sum += items[j++].value;
        }
        double center = sum / (double)(j - i);
        for (size_t k = i; k < j; k++) {
            squares += (items[k].value - center) * (items[k].value - center);
        }
        freedom += j - i - 1;
        i = j;
    }
    return freedom > 0 && mean > 0 ? sqrt(squares / (double)freedom) / mean : NAN;
}

static int compare_clusters(const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = strcmp(left->cluster, right->cluster);
    return order != 0 ? order : (left->value > right->value) - (left->value < right->value);
}

static void find_logarithm(sqlite3_context *context, int n_arguments, sqlite3_value **arguments)
{
    (void)n_arguments;
    double value = sqlite3_value_double(arguments[0]);
    if (sqlite3_value_numeric_type(arguments[0]) == SQLITE_NULL || !(value > 0)) {
        sqlite3_result_null(context);
    } else {
        sqlite3_result_double(context, log(value));
    }
}
