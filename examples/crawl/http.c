/* http.c - as much of URLs and of HTTP/1.0 as a crawler needs. */
#define _POSIX_C_SOURCE 200809L
#include "http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int url_parse(url *u, const char *text) {
    if (strncasecmp(text, "http://", 7) != 0 || strpbrk(text, " \t\r\n") != NULL)
        return -1;
    u->authority = text + 7;
    u->path = u->authority + strcspn(u->authority, "/?#");
    snprintf(u->port, sizeof u->port, "80");
    int found = sscanf(u->authority, "[%255[^]/]]:%7[0-9]", u->host, u->port); /* an IPv6 address */
    if (found < 1)
        found = sscanf(u->authority, "%255[^:/?#]:%7[0-9]", u->host, u->port);
    return found < 1 ? -1 : 0;
}

char *http_request(const url *u) {
    static const char format[] = "GET %s%.*s HTTP/1.0\r\nHost: %.*s\r\nConnection: close\r\n\r\n";
    const char *slash = *u->path == '/' ? "" : "/";
    int host = (int)(u->path - u->authority), path = (int)strcspn(u->path, "#");
    size_t size = sizeof format + 1 + (size_t)host + (size_t)path;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, format, slash, path, u->path, host, u->authority);
    return text;
}

/* -1 if the header does not say. */
static long long content_length(const char *header, const char *end) {
    for (const char *line = header; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            return strtoll(line + 15, NULL, 10);
    return -1;
}

const char *http_problem(const char *answer, size_t size, const char **body, size_t *body_size) {
    static char text[96];
    const char *end = strstr(answer, "\r\n\r\n");
    int status;
    if (size == 0)
        return "the connection ended without an answer";
    if (sscanf(answer, "HTTP/%*d.%*d %d", &status) != 1)
        return "this is not HTTP";
    if (end == NULL)
        return "the connection ended within the header";
    if (status / 100 != 2) {
        snprintf(text, sizeof text, "HTTP status %d", status);
        return text;
    }
    *body = end + 4;
    *body_size = size - (size_t)(*body - answer);
    long long length = content_length(answer, end);
    if (length <= 0 || *body_size >= (size_t)length)
        return NULL;
    snprintf(text, sizeof text, "the connection ended after %zu of %lld bytes", *body_size, length);
    return text;
}

const char *http_save(const char *dir, int number, const char *host, const char *body, size_t size) {
    char name[1024];
    snprintf(name, sizeof name, "%.700s/%03d-%s", dir, number, host);
    FILE *file = fopen(name, "w");
    if (file == NULL)
        return "its file cannot be opened";
    int whole = fwrite(body, 1, size, file) == size;
    return fclose(file) == 0 && whole ? NULL : "its file could not be written";
}
