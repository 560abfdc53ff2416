/* http.h - as much of URLs and of HTTP/1.0 as a crawler needs. Nothing here knows of the loop. */
#ifndef CRAWL_HTTP_H
#define CRAWL_HTTP_H

#include <stddef.h>

typedef struct url {
    char host[256], port[8];
    const char *authority, *path; /* in the text it was parsed from */
} url;

/* 0, or -1 if this is not a URL that can be fetched. */
int url_parse(url *u, const char *text);

/* The request for it as text, to be freed; NULL when there is no memory. */
char *http_request(const url *u);

/* An answer after which the connection has ended: what is wrong with it, or NULL, and then where its body is.
 * The answer is followed by a 0 that size does not count. The text is valid until the next call. */
const char *http_problem(const char *answer, size_t size, const char **body, size_t *body_size);

/* Saves a body as DIR/NUMBER-HOST. Answers what went wrong, or NULL. */
const char *http_save(const char *dir, int number, const char *host, const char *body, size_t size);

#endif
