/* SPDX-License-Identifier: MIT */
/* LINKS: measure */
/*
 * Lines of a row file. The first byte chooses: even, one line into a row, which is then written and
 * read again; odd, the bytes as a whole file opened for writing, which must give a file that opens
 * cleanly the second time.
 */
#include "measure/row_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_line(const char *line, size_t n_bytes);
static void read_file(const char *bytes, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] % 2 == 0) {
        read_line((const char *)data + 1, size - 1);
    } else if (size > 0) {
        read_file((const char *)data + 1, size - 1);
    }
    return 0;
}

static void read_line(const char *line, size_t n_bytes)
{
    struct record record, again;
    struct mscope_error err;
    record_init(&record);
    record_init(&again);
    if (record_from_line(&record, line, n_bytes, &err) == MSCOPE_OK) {
        json_t *json = record_to_json(&record);
        if (json == NULL || record_from_json(&again, json, &err) != MSCOPE_OK) {
            abort(); /* what was read can be written and read */
        }
        json_decref(json);
        record_check(&record, &err);
    }
    record_free(&record);
    record_free(&again);
}

static void read_file(const char *bytes, size_t n_bytes)
{
    static char path[256];
    struct row_file *file = NULL;
    struct row_file_report report;
    struct mscope_error err;
    if (path[0] == '\0') {
        const char *folder = getenv("TMPDIR");
        snprintf(path, sizeof path, "%.200s/fuzz-record-%ld.jsonl",
                 folder != NULL ? folder : "/tmp", (long)getpid());
    }
    FILE *stream = fopen(path, "wb");
    if (stream == NULL) {
        return;
    }
    fwrite(bytes, 1, n_bytes, stream);
    fclose(stream);
    if (row_file_open(&file, path, &report, &err) == MSCOPE_OK) {
        row_file_close(&file);
        if (row_file_open(&file, path, &report, &err) != MSCOPE_OK || report.torn) {
            abort(); /* opening repairs */
        }
        row_file_close(&file);
    }
    unlink(path);
}
