/* SPDX-License-Identifier: MIT */
/* Where an OpenAI-compatible server takes requests, from what a person typed. One thread. */
#ifndef MEASURE_HTTP_ADDRESS_H
#define MEASURE_HTTP_ADDRESS_H

#include "base/error.h"

#include <curl/curl.h>
#include <stdbool.h>

struct http_address {
    char *completions, *models;
    char *host;      /* "name:port" and nothing else: an address may hold a password */
    bool may_choose; /* between completions and chat: the address did not say */
    bool is_chat, is_local;
};

/* "http://host:port", the same with "/v1", or one that ends in "/completions" and is taken as it
 * is. After a failure there is nothing to close. */
enum mscope_status http_address_open(struct http_address *address, const char *target,
                                     struct mscope_error *err);
void http_address_close(struct http_address *address);
/* From ".../completions" to ".../chat/completions". */
enum mscope_status http_address_use_chat(struct http_address *address, struct mscope_error *err);

/* Only http and https, also after a redirection. False when libcurl refuses. */
bool http_address_limit(CURL *curl);

#endif
