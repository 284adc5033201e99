/* SPDX-License-Identifier: MIT */
/*
 * A server on a free loopback port that answers with exactly the bytes a test wants, the wrong ones
 * too: one thread, one connection after the other, each closed after its answer. The answer
 * function runs in that thread and writes to the socket itself.
 */
#ifndef TESTS_MEASURE_SERVER_H
#define TESTS_MEASURE_SERVER_H

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { SERVER_REQUEST_BYTES = 1 << 20 };

struct server;
/* `request`: head and body, terminated. */
typedef void server_answer_fn(struct server *server, int fd, const char *request);

struct server {
    int fd, port;
    int wake[2]; /* closing the writing end ends the thread and every wait */
    pthread_t thread;
    server_answer_fn *answer;
    char *request;
    int n_requests; /* written by the thread; read it after server_stop, or when a request ended */
};

static inline void server_write(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t n_sent = send(fd, at, n, MSG_NOSIGNAL);
        if (n_sent <= 0) {
            return; /* the client left */
        }
        at += n_sent;
        n -= (size_t)n_sent;
    }
}

static inline void server_say(int fd, const char *text)
{
    server_write(fd, text, strlen(text));
}

/* Waits until the test is over. */
static inline void server_hang(struct server *server)
{
    struct pollfd ended = {.fd = server->wake[0], .events = POLLIN};
    poll(&ended, 1, -1);
}

/* Head, and as much body as it announces. False when the client left. */
static inline bool server_read_request(struct server *server, int fd)
{
    size_t n = 0;
    size_t n_wanted = SIZE_MAX;
    while (n < n_wanted && n < SERVER_REQUEST_BYTES - 1) {
        struct pollfd ready[2] = {{.fd = fd, .events = POLLIN},
                                  {.fd = server->wake[0], .events = POLLIN}};
        poll(ready, 2, -1);
        ssize_t n_read = ready[0].revents != 0
                             ? recv(fd, server->request + n, SERVER_REQUEST_BYTES - 1 - n, 0)
                             : 0;
        if (n_read <= 0) {
            return false;
        }
        n += (size_t)n_read;
        server->request[n] = '\0';
        const char *body = strstr(server->request, "\r\n\r\n");
        if (body != NULL) {
            const char *length = strcasestr(server->request, "\r\nContent-Length:");
            size_t n_body = length != NULL && length < body ? strtoul(length + 17, NULL, 10) : 0;
            n_wanted = (size_t)(body + 4 - server->request) + n_body;
            if (strcasestr(server->request, "\r\nExpect: 100") != NULL) {
                server_say(fd, "HTTP/1.1 100 Continue\r\n\r\n");
            }
        }
    }
    return true;
}

static inline void *server_main(void *user)
{
    struct server *server = user;
    for (;;) {
        struct pollfd ready[2] = {{.fd = server->fd, .events = POLLIN},
                                  {.fd = server->wake[0], .events = POLLIN}};
        if (poll(ready, 2, -1) <= 0 || ready[1].revents != 0) {
            return NULL;
        }
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0) {
            continue;
        }
        if (server_read_request(server, fd)) {
            server->n_requests++;
            server->answer(server, fd, server->request);
            shutdown(fd, SHUT_WR);
        }
        close(fd);
    }
}

static inline void server_start(struct server *server, server_answer_fn *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t n = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *server = (struct server){.answer = answer, .request = malloc(SERVER_REQUEST_BYTES)};
    assert_non_null(server->request);
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->fd >= 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &n), 0);
    server->port = ntohs(address.sin_port);
    assert_int_equal(pipe(server->wake), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

static inline void server_stop(struct server *server)
{
    close(server->wake[1]);
    pthread_join(server->thread, NULL);
    close(server->wake[0]);
    close(server->fd);
    free(server->request);
}

#endif
