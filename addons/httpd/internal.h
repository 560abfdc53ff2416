/* internal.h - what the files of the HTTP server share. */
#ifndef EVLOOP_HTTPD_INTERNAL_H
#define EVLOOP_HTTPD_INTERNAL_H

#include <evloop/http_server.h>

#include "parser.h"

#include <stdbool.h>

enum {
    HTTPD_MARK = 65536,      /* bytes that wait: above, the other side is held up */
    HTTPD_COPY_MAX = 16384,  /* a body up to this is copied behind its headers */
    HTTPD_KEEP_MAX = 262144, /* a buffer that is larger is not kept for the next request */
};

/* Bytes in order; what was consumed lies in front of `from`. Behind them is a 0. */
typedef struct httpd_bytes {
    char *data;
    size_t from, end, cap;
} httpd_bytes;

typedef struct httpd_link {
    struct httpd_link *prev, *next;
} httpd_link;

struct evl_http_server {
    evl_loop *loop;
    evl_http_handler *handler;
    void *arg;
    evl_http_server_options o; /* with the defaults in place of 0 */
    httpd_link connections;
    int32_t count;
    uint64_t *listeners; /* ids */
    uint32_t listeners_count;
    bool stopping;
    bool paused;    /* as many connections as may be */
    evl_waitq idle; /* evl_http_server_stop */
    int64_t date_s; /* of what is in `date` */
    char date[40];
};

typedef struct httpd_header {
    size_t name, value; /* where in the texts */
    bool trailer;
} httpd_header;

/* A connection, and the exchange that is under way on it: requests of a connection are handled one after the
 * other, and what one needed is used again for the next. */
struct evl_http_exchange {
    httpd_link link; /* first: in the server's list */
    int32_t refs;    /* the stream's, the program's while it has the exchange, and one for each callback */
    evl_loop *loop;
    evl_http_server *server; /* NULL: closed */
    evl_stream *stream;      /* NULL: gone */
    int32_t error;           /* why it is gone */
    uint64_t timer;
    int64_t deadline, armed; /* when to give up, and when the timer will look; EVL_NEVER: not */
    httpd_parser *parser;
    const char *input; /* in the stream's callback: what is not parsed yet */
    size_t input_len;
    evl_op flushed; /* active while something is queued */
    evl_op file;    /* active while a file is sent */
    int64_t file_len;
    evl_fd file_fd;    /* a duplicate, or -1 */
    uint32_t requests; /* so far */

    bool begun;      /* a byte of the request has come */
    bool timed;      /* its headers have a deadline */
    bool head_over;  /* its headers are complete */
    bool body_over;  /* the request is complete */
    bool held;       /* the program has the exchange */
    bool finishing;  /* the response is being sent, by a file */
    bool eof;        /* the client has closed its side */
    bool paused;     /* nothing is read */
    bool in_data;    /* in the stream's callback, which sends what is in `out` at its end */
    bool keep;       /* the connection may stay open behind the response */
    bool expects;    /* 100 Continue is waited for */
    bool responding; /* the response has begun */
    bool chunked;    /* the response */
    bool sized;      /* likewise: `left` is known */
    bool no_body;    /* of the response */
    bool own_date;   /* the program gave a Date */
    uint64_t left;   /* bytes of the response's body that are to come */

    httpd_bytes texts; /* of the request */
    httpd_header *headers;
    uint32_t headers_count, headers_cap;
    size_t method, target; /* in the texts */
    int32_t version;
    uint32_t hosts; /* how many Host headers there are */
    bool head;      /* the method is HEAD */
    httpd_bytes body;
    httpd_bytes lines; /* headers of the response, or its trailers */
    httpd_bytes out;   /* to be sent */
    evl_waitq reading; /* evl_http_exchange_wait */
    evl_waitq gone;    /* evl_http_exchange_gone */
};

typedef struct evl_http_exchange httpd_connection;

/* bytes.c */
bool httpd_bytes_add(httpd_bytes *b, const void *data, size_t size);
bool httpd_bytes_text(httpd_bytes *b, const char *text);
void httpd_bytes_drop(httpd_bytes *b, size_t n);
void httpd_bytes_clear(httpd_bytes *b); /* the memory is kept, unless it is much */
void httpd_bytes_free(httpd_bytes *b);
static inline size_t httpd_bytes_size(const httpd_bytes *b) { return b->end - b->from; }

/* server.c */
void httpd_server_left(evl_http_server *s); /* a connection less */
const char *httpd_date(evl_http_server *s);

/* connection.c */
int32_t httpd_connection_new(evl_http_server *s, evl_stream *stream);
void httpd_connection_ref(httpd_connection *c);
void httpd_connection_unref(httpd_connection *c);
void httpd_connection_close(httpd_connection *c, int32_t error, bool abort);
void httpd_connection_detach(httpd_connection *c);
bool httpd_connection_is_idle(const httpd_connection *c);
void httpd_connection_deadline(httpd_connection *c, int64_t ns); /* 0: none */
void httpd_connection_wait(httpd_connection *c);                 /* with the deadline of where it is */
int32_t httpd_connection_send(httpd_connection *c);              /* what is in `out` */
void httpd_connection_go_on(httpd_connection *c);                /* to parse what is there, in a later pass */

/* request.c */
extern const httpd_events httpd_request_events;
void httpd_request_reset(httpd_connection *c);
int httpd_request_check(httpd_connection *c); /* 0, or the status of a refusal */
const char *httpd_request_find(const httpd_connection *c, const char *name, bool trailer);
void httpd_request_wake(httpd_connection *c);

/* response.c */
void httpd_response_reset(httpd_connection *c);
void httpd_response_refuse(httpd_connection *c, int status); /* and closes */
void httpd_response_continue(httpd_connection *c);
void httpd_response_file_off(httpd_connection *c);
int32_t httpd_response_init(httpd_connection *c);

#endif
