/* client.h - what the files of the HTTP client share. */
#ifndef EVLOOP_HTTP_CLIENT_H
#define EVLOOP_HTTP_CLIENT_H

#include <evloop/http.h>

#include <curl/curl.h>
#include <stdbool.h>
#include <sys/types.h>

enum { HTTP_MARK = 65536 }; /* bytes that wait: above, the other side is held up */

/* Bytes in order; what was consumed lies in front of `from`. */
typedef struct http_bytes {
    char *data;
    size_t from, end, cap;
} http_bytes;

typedef struct http_link {
    struct http_link *prev, *next;
} http_link;

struct evl_http_session {
    int32_t refs; /* the program's, the timer's, and one for each request */
    evl_loop *loop;
    CURLM *multi;     /* NULL: closed */
    CURLSH *share;    /* cookies and TLS sessions */
    uint64_t timer;   /* libcurl's: it asks for one */
    pid_t process;    /* whose connections they are: a child of a fork shares them */
    http_link active; /* requests that libcurl has */
    http_link line;   /* requests that wait for their turn */
    uint32_t active_count;
    bool failing;           /* a request has an own_error that libcurl does not know of */
    unsigned char *sockets; /* for each fd, whether libcurl has it open */
    size_t sockets_cap;
    evl_http_session_options o; /* its texts are copies */
};

typedef struct http_header {
    size_t name, value; /* where in the texts */
} http_header;

/* Where a request is. */
enum { HTTP_IDLE, HTTP_IN_LINE, HTTP_ACTIVE, HTTP_OVER };

struct evl_http_request {
    http_link link; /* first: in one of the session's lists */
    evl_http_session *session;
    CURL *easy;
    int state;
    int32_t error;       /* how it ended: 0, or its error */
    int32_t own_error;   /* why a callback has made libcurl stop, or 0 */
    evl_waitq fetching;  /* evl_http_fetch, until it completes */
    evl_op left;         /* completes when it was cancelled */
    evl_waitq reading;   /* evl_http_wait */
    evl_waitq draining;  /* evl_http_drain */
    uint64_t stall;      /* the timer of its time limit, 0: none yet */
    int64_t stall_ns;    /* 0: no limit */
    bool streamed;       /* EVL_HTTP_STREAM */
    bool uploaded;       /* EVL_HTTP_UPLOAD */
    bool follows;        /* redirects */
    bool head_over;      /* an empty line ended the headers of the response that is read */
    bool headers_over;   /* a response's headers are complete, and it is the last response */
    bool receive_paused; /* the program has to read */
    bool send_paused;    /* the program has to write */
    bool upload_ended;
    int32_t status;
    uint64_t max_body, body_seen;
    http_bytes body;   /* what came */
    http_bytes upload; /* what is to be sent: a body from memory stays, and `sent` of it has gone */
    size_t sent;
    http_bytes texts; /* of the headers */
    http_header *headers;
    size_t headers_count, headers_cap;
    struct curl_slist *sent_headers;
    char reason[CURL_ERROR_SIZE];
};

/* client_bytes.c */
bool http_bytes_add(http_bytes *b, const void *data, size_t size);
void http_bytes_drop(http_bytes *b, size_t n);
void http_bytes_free(http_bytes *b);
static inline size_t http_bytes_size(const http_bytes *b) { return b->end - b->from; }

/* Lists. A link that is in none is alone with itself. */
static inline void http_list_init(http_link *l) { l->prev = l->next = l; }
static inline void http_list_add(http_link *list, http_link *l) {
    l->prev = list->prev;
    l->next = list;
    list->prev->next = l;
    list->prev = l;
}
static inline void http_list_remove(http_link *l) {
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = l;
}

/* client_session.c. */
int32_t http_session_check(const evl_http_session *s);
void http_session_unref(evl_http_session *s);
bool http_session_is_foreign(const evl_http_session *s);
void http_session_end(evl_http_session *s, int32_t error);

/* client_sockets.c: what libcurl waits for. */
int32_t http_multi_open(evl_http_session *s);
void http_multi_close(evl_http_session *s);
int32_t http_sockets_begin(evl_http_session *s);
void http_sockets_prepare(evl_http_request *r);
void http_sockets_abandon(evl_http_session *s);

/* client_fetch.c: from the line to the end. */
void http_admit(evl_http_session *s);
void http_collect(evl_http_session *s);
void http_finish(evl_http_request *r, int32_t error);
void http_end(evl_http_request *r, int32_t error);
int32_t http_fetch_init(evl_http_request *r);
void http_fetch_prepare(evl_http_request *r);
void http_resume(evl_http_request *r);
void http_touch(evl_http_request *r);
void http_stall_off(evl_http_request *r);

/* client_headers.c */
void http_headers_prepare(evl_http_request *r);
void http_headers_clear(evl_http_request *r);

/* client_body.c, client_upload.c */
void http_body_prepare(evl_http_request *r);
void http_upload_prepare(evl_http_request *r);

/* client_error.c */
int32_t http_error(const evl_http_request *r, CURLcode code);

#endif
