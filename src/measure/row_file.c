/* SPDX-License-Identifier: MIT */
/* Rows in a file: reading with damage counted, appending whole rows only. */
#include "measure/row_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A run that was killed leaves its lock with the worker that it had just begun to start, until that
 * one gets to run and ends. */
enum { LOCK_TRIES = 50, LOCK_WAIT_NS = 20000000 };

struct row_file {
    int fd;
    char *path;
    char **cells; /* finished ones, an open hash table of capacity n_slots (a power of two) */
    size_t n_cells, n_slots;
};

struct scan { /* of a file opened for writing */
    struct row_file *file;
    struct row_file_report *report;
};

static enum mscope_status read_stream(FILE *stream, const char *path, row_visit_fn *visit,
                                      void *user, struct row_file_report *report,
                                      uint64_t *end_bytes, struct mscope_error *err);
static enum mscope_status take_line(const char *line, size_t n_bytes, bool is_whole,
                                    struct record *record, row_visit_fn *visit, void *user,
                                    struct row_file_report *report, uint64_t i_line,
                                    struct mscope_error *err);
static enum mscope_status lock_file(struct row_file *file, struct mscope_error *err);
static enum mscope_status load_cells(struct row_file *file, struct row_file_report *report,
                                     struct mscope_error *err);
static enum mscope_status note_cell(void *user, const struct record *record, uint64_t i_line,
                                    struct mscope_error *err);
static enum mscope_status add_cell(struct row_file *file, const char *cell,
                                   struct mscope_error *err);
static size_t find_slot(char *const *cells, size_t n_slots, const char *cell);
static enum mscope_status write_line(struct row_file *file, const char *line, size_t n_bytes,
                                     struct mscope_error *err);

enum mscope_status row_file_read(const char *path, row_visit_fn *visit, void *user,
                                 struct row_file_report *report, struct mscope_error *err)
{
    struct row_file_report unused;
    report = report != NULL ? report : &unused;
    *report = (struct row_file_report){0};
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        return error_set_errno(err, errno, path, "open");
    }
    enum mscope_status status = read_stream(stream, path, visit, user, report, NULL, err);
    fclose(stream);
    return status;
}

enum mscope_status row_file_open(struct row_file **out, const char *path,
                                 struct row_file_report *report, struct mscope_error *err)
{
    struct row_file_report unused;
    report = report != NULL ? report : &unused;
    *report = (struct row_file_report){0};
    *out = NULL;
    struct row_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        return error_set_memory(err, "row file", sizeof *file);
    }
    file->path = copy;
    file->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
    enum mscope_status status = file->fd >= 0
                                    ? lock_file(file, err)
                                    : error_set_errno(err, errno, path, "open for writing");
    if (status == MSCOPE_OK) {
        status = load_cells(file, report, err);
    }
    if (status != MSCOPE_OK) {
        row_file_close(&file);
        return status;
    }
    *out = file;
    return MSCOPE_OK;
}

void row_file_close(struct row_file **file)
{
    if (*file == NULL) {
        return;
    }
    if ((*file)->fd >= 0) {
        close((*file)->fd); /* releases the lock */
    }
    for (size_t i = 0; i < (*file)->n_slots; i++) {
        free((*file)->cells[i]);
    }
    free((*file)->cells);
    free((*file)->path);
    free(*file);
    *file = NULL;
}

bool row_file_has(const struct row_file *file, const char *cell)
{
    return file->n_slots > 0 && file->cells[find_slot(file->cells, file->n_slots, cell)] != NULL;
}

enum mscope_status row_file_append(struct row_file *file, const struct record *record,
                                   struct mscope_error *err)
{
    enum mscope_status status = record_check(record, err);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (row_file_has(file, record->cell)) {
        return error_set(err, MSCOPE_ERR_ARGUMENT, file->path, "cell %s is there already",
                         record->cell);
    }
    json_t *json = record_to_json(record);
    char *line = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    if (line == NULL) {
        return error_set_memory(err, "row", sizeof *record);
    }
    size_t n_bytes = strlen(line);
    line[n_bytes++] = '\n'; /* in place of the terminator: one write takes the whole row */
    status = write_line(file, line, n_bytes, err);
    free(line);
    return status == MSCOPE_OK ? add_cell(file, record->cell, err) : status;
}

/* *end_bytes: where the last whole line ends. */
static enum mscope_status read_stream(FILE *stream, const char *path, row_visit_fn *visit,
                                      void *user, struct row_file_report *report,
                                      uint64_t *end_bytes, struct mscope_error *err)
{
    struct record record;
    record_init(&record);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n_read;
    uint64_t end = 0, i_line = 0;
    enum mscope_status status = MSCOPE_OK;
    while (status == MSCOPE_OK && (n_read = getline(&line, &capacity, stream)) > 0) {
        size_t n_bytes = (size_t)n_read;
        bool is_whole = line[n_bytes - 1] == '\n';
        end += is_whole ? n_bytes : 0;
        i_line++;
        status = take_line(line, n_bytes - (is_whole ? 1 : 0), is_whole, &record, visit, user,
                           report, i_line, err);
    }
    if (status == MSCOPE_OK && ferror(stream)) {
        status = error_set_errno(err, errno, path, "read");
    }
    if (end_bytes != NULL) {
        *end_bytes = end;
    }
    free(line);
    record_free(&record);
    return status;
}

static enum mscope_status take_line(const char *line, size_t n_bytes, bool is_whole,
                                    struct record *record, row_visit_fn *visit, void *user,
                                    struct row_file_report *report, uint64_t i_line,
                                    struct mscope_error *err)
{
    struct mscope_error problem;
    if (n_bytes == 0 || strspn(line, " \t\r") >= n_bytes) {
        return MSCOPE_OK;
    }
    enum mscope_status status = record_from_line(record, line, n_bytes, &problem);
    status = status == MSCOPE_OK ? record_check(record, &problem) : status;
    if (status == MSCOPE_OK && is_whole) {
        report->n_rows++;
        return visit != NULL ? visit(user, record, i_line, err) : MSCOPE_OK;
    }
    if (status == MSCOPE_ERR_MEMORY) {
        *err = problem;
        return status;
    }
    if (!is_whole) {
        report->torn = true;
        return MSCOPE_OK;
    }
    if (status == MSCOPE_ERR_UNSUPPORTED) {
        if (report->n_other_schema++ == 0) {
            int64_t version = 0;
            json_t *json = json_loadb(line, n_bytes, 0, NULL);
            version = json_integer_value(json_object_get(json, "schema_version"));
            json_decref(json);
            report->other_schema = version;
        }
        return MSCOPE_OK;
    }
    if (report->n_corrupt == 0) {
        snprintf(report->first_problem, sizeof report->first_problem, "%.255s", problem.detail);
    }
    if (report->n_corrupt < ROW_FILE_LISTED) {
        report->corrupt_lines[report->n_corrupt] = i_line;
    }
    report->n_corrupt++;
    return MSCOPE_OK;
}

static enum mscope_status lock_file(struct row_file *file, struct mscope_error *err)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0) {
        return error_set_errno(err, errno, file->path, "inspect");
    }
    if (!S_ISREG(info.st_mode)) {
        return error_set(err, MSCOPE_ERR_IO, file->path, "not a regular file");
    }
    int failed = flock(file->fd, LOCK_EX | LOCK_NB);
    for (int i = 0; i < LOCK_TRIES && failed != 0 && errno == EWOULDBLOCK; i++) {
        nanosleep(&(struct timespec){.tv_nsec = LOCK_WAIT_NS}, NULL);
        failed = flock(file->fd, LOCK_EX | LOCK_NB);
    }
    if (failed != 0) {
        if (errno == EWOULDBLOCK) {
            return error_set(err, MSCOPE_ERR_IO, file->path,
                             "another run is writing to it, expected to be the only one");
        }
        return error_set_errno(err, errno, file->path, "lock");
    }
    return MSCOPE_OK;
}

static enum mscope_status load_cells(struct row_file *file, struct row_file_report *report,
                                     struct mscope_error *err)
{
    int copy = dup(file->fd);
    FILE *stream = copy >= 0 ? fdopen(copy, "rb") : NULL;
    if (stream == NULL) {
        int problem = errno;
        if (copy >= 0) {
            close(copy);
        }
        return error_set_errno(err, problem, file->path, "read");
    }
    uint64_t end = 0;
    struct scan scan = {file, report};
    enum mscope_status status =
        read_stream(stream, file->path, note_cell, &scan, report, &end, err);
    fclose(stream);
    if (status != MSCOPE_OK) {
        return status;
    }
    if (report->n_other_schema > 0) {
        return error_set(err, MSCOPE_ERR_UNSUPPORTED, file->path,
                         "holds %llu rows of schema version %lld, expected only version %d",
                         (unsigned long long)report->n_other_schema,
                         (long long)report->other_schema, RECORD_SCHEMA);
    }
    struct stat info;
    if (fstat(file->fd, &info) != 0 ||
        ((uint64_t)info.st_size > end && ftruncate(file->fd, (off_t)end) != 0)) {
        return error_set_errno(err, errno, file->path, "cut off a torn last line");
    }
    return MSCOPE_OK;
}

static enum mscope_status note_cell(void *user, const struct record *record, uint64_t i_line,
                                    struct mscope_error *err)
{
    (void)i_line;
    struct scan *scan = user;
    if (row_file_has(scan->file, record->cell)) {
        scan->report->n_duplicates++;
        return MSCOPE_OK;
    }
    return add_cell(scan->file, record->cell, err);
}

static enum mscope_status add_cell(struct row_file *file, const char *cell,
                                   struct mscope_error *err)
{
    if (2 * (file->n_cells + 1) > file->n_slots) {
        size_t n_slots = file->n_slots > 0 ? 2 * file->n_slots : 256;
        char **cells = calloc(n_slots, sizeof *cells);
        if (cells == NULL) {
            return error_set_memory(err, "cells of a row file", n_slots * sizeof *cells);
        }
        for (size_t i = 0; i < file->n_slots; i++) {
            if (file->cells[i] != NULL) {
                cells[find_slot(cells, n_slots, file->cells[i])] = file->cells[i];
            }
        }
        free(file->cells);
        file->cells = cells;
        file->n_slots = n_slots;
    }
    char *copy = strdup(cell);
    if (copy == NULL) {
        return error_set_memory(err, "cell of a row file", strlen(cell));
    }
    file->cells[find_slot(file->cells, file->n_slots, cell)] = copy;
    file->n_cells++;
    return MSCOPE_OK;
}

/* FNV-1a with linear probing: the slot of `cell`, or the free one where it belongs. */
static size_t find_slot(char *const *cells, size_t n_slots, const char *cell)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *c = cell; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    }
    size_t i = (size_t)hash & (n_slots - 1);
    while (cells[i] != NULL && strcmp(cells[i], cell) != 0) {
        i = (i + 1) & (n_slots - 1);
    }
    return i;
}

static enum mscope_status write_line(struct row_file *file, const char *line, size_t n_bytes,
                                     struct mscope_error *err)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0) {
        return error_set_errno(err, errno, file->path, "inspect");
    }
    ssize_t n_written;
    do {
        n_written = write(file->fd, line, n_bytes);
    } while (n_written < 0 && errno == EINTR);
    int problem = n_written < 0 ? errno : ENOSPC; /* a short write to a file is a full disk */
    if (n_written != (ssize_t)n_bytes) {
        if (n_written > 0 && ftruncate(file->fd, info.st_size) != 0) {
            return error_set(err, MSCOPE_ERR_IO, file->path,
                             "a row was written in part and could not be cut off again");
        }
        return error_set_errno(err, problem, file->path, "append a row");
    }
    if (fsync(file->fd) != 0 && errno != EINVAL && errno != EROFS) {
        return error_set_errno(err, errno, file->path, "sync");
    }
    return MSCOPE_OK;
}
