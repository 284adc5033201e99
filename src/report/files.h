/* SPDX-License-Identifier: MIT */
/* Files of a report: folders made, texts replaced whole, inputs listed in order. Inside report/
 * only. */
#ifndef REPORT_FILES_H
#define REPORT_FILES_H

#include "base/error.h"
#include "base/strbuf.h"

struct files_list { /* owns its texts */
    char **paths;
    size_t n, capacity;
};

/* Makes `path` and the folders above it. */
enum mscope_status files_make_folder(const char *path, struct mscope_error *err);
/* Writes folder/name by way of folder/name.partial. */
enum mscope_status files_write(const char *folder, const char *name, const char *bytes,
                               size_t n_bytes, struct mscope_error *err);
/* The whole file, at most 64 MiB; appends to `to`. */
enum mscope_status files_read(struct strbuf *to, const char *path, struct mscope_error *err);

/* A file as it is; of a folder every *.jsonl below it, sorted by name. */
enum mscope_status files_find_rows(struct files_list *list, const char *path,
                                   struct mscope_error *err);
enum mscope_status files_list_add(struct files_list *list, const char *path,
                                  struct mscope_error *err);
/* The same with a format: a line for people. */
enum mscope_status files_note(struct files_list *notes, struct mscope_error *err,
                              const char *format, ...) BASE_PRINTF(3, 4);
void files_list_free(struct files_list *list);

#endif
