/* parser.h - Boost.Beast's parser of requests, as C. */
#ifndef EVLOOP_HTTPD_PARSER_H
#define EVLOOP_HTTPD_PARSER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct httpd_parser httpd_parser;

/* What it calls. A result other than 0 is the status with which the request is refused. */
typedef struct httpd_events {
    int (*line)(void *arg, const char *method, size_t method_len, const char *target, size_t target_len,
                int version);
    int (*field)(void *arg, const char *name, size_t name_len, const char *value, size_t value_len,
                 int trailer);
    int (*body)(void *arg, const char *data, size_t len);
} httpd_events;

/* Results of httpd_parser_put; others are the status of a refusal, 400 and above. */
enum { HTTPD_MORE = 0, HTTPD_HEAD = 1, HTTPD_DONE = 2 };

/* NULL: out of memory. */
httpd_parser *httpd_parser_new(const httpd_events *events, void *arg);
void httpd_parser_free(httpd_parser *p);
/* For the next request. */
void httpd_parser_reset(httpd_parser *p, uint32_t header_limit, uint64_t body_limit);
/* Parses up to the end of the headers, or of the request, or of the bytes; *used of them are done with. What
 * is not has to be given again, with more behind it. */
int httpd_parser_put(httpd_parser *p, const char *data, size_t len, size_t *used);
int httpd_parser_is_done(const httpd_parser *p);
int httpd_parser_keep_alive(const httpd_parser *p);
int httpd_parser_is_upgrade(const httpd_parser *p);
/* Whether a body, even one of unknown length, follows. */
int httpd_parser_has_body(const httpd_parser *p);

#ifdef __cplusplus
}
#endif
#endif
