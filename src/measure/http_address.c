/* SPDX-License-Identifier: MIT */
/* Addresses of servers. */
#include "measure/http_address.h"

#include "base/strbuf.h"

#include <stdlib.h>
#include <string.h>

static enum mscope_status find_host(struct http_address *address, const char *target,
                                    struct mscope_error *err);
static bool ends_with(const char *text, const char *end);

enum mscope_status http_address_open(struct http_address *address, const char *target,
                                     struct mscope_error *err)
{
    *address = (struct http_address){0};
    size_t n = strlen(target);
    while (n > 0 && target[n - 1] == '/') {
        n--;
    }
    struct strbuf base = {0};
    struct strbuf models = {0};
    strbuf_append(&base, target, n);
    strbuf_append(&models, target, n);
    if (!base.failed && !models.failed && ends_with(base.data, "/completions")) {
        address->is_chat = ends_with(base.data, "/chat/completions");
        models.n_bytes -= strlen(address->is_chat ? "/chat/completions" : "/completions");
        models.data[models.n_bytes] = '\0';
    } else if (!base.failed) {
        const char *middle = ends_with(base.data, "/v1") ? "" : "/v1";
        strbuf_printf(&base, "%s/completions", middle);
        strbuf_printf(&models, "%s", middle);
        address->may_choose = true;
    }
    strbuf_printf(&models, "/models");
    address->completions = base.data;
    address->models = models.data;
    enum mscope_status status = base.failed || models.failed ? error_set_memory(err, "address", n)
                                                             : find_host(address, target, err);
    if (status != MSCOPE_OK) {
        http_address_close(address);
    }
    return status;
}

void http_address_close(struct http_address *address)
{
    free(address->completions);
    free(address->models);
    free(address->host);
    *address = (struct http_address){0};
}

static enum mscope_status find_host(struct http_address *address, const char *target,
                                    struct mscope_error *err)
{
    CURLU *url = curl_url();
    char *host = NULL;
    char *port = NULL;
    struct strbuf text = {0};
    enum mscope_status status = MSCOPE_OK;
    if (url == NULL || curl_url_set(url, CURLUPART_URL, target, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        status = error_set(err, MSCOPE_ERR_ARGUMENT, "engine", "'%s', expected http://HOST:PORT",
                           target);
    } else {
        address->is_local = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
                            strcmp(host, "[::1]") == 0;
        strbuf_printf(&text, "%s:%s", host, port);
        address->host = text.data;
        status = text.failed ? error_set_memory(err, "address", 1) : status;
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return status;
}

enum mscope_status http_address_use_chat(struct http_address *address, struct mscope_error *err)
{
    struct strbuf chat = {0};
    strbuf_append(&chat, address->completions,
                  strlen(address->completions) - strlen("completions"));
    strbuf_printf(&chat, "chat/completions");
    if (chat.failed) {
        strbuf_free(&chat);
        return error_set_memory(err, "address", strlen(address->completions));
    }
    free(address->completions);
    address->completions = chat.data;
    address->is_chat = true;
    return MSCOPE_OK;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

bool http_address_limit(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    long protocols = CURLPROTO_HTTP | CURLPROTO_HTTPS;
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS, protocols) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, protocols) == CURLE_OK;
#endif
}
