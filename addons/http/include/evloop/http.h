/* evloop/http.h - HTTP clients over libcurl: many requests at once, each an operation (op.h).
 *
 *     static void got(void *arg, int64_t result) {
 *         size_t len;
 *         (void)arg;
 *         if (result < 0)                                  // EVL_ECONNREFUSED, EVL_ETLS_EXPIRED, ...
 *             fprintf(stderr, "%s\n", evl_strerror(result));
 *         else                                             // the status: 200
 *             fwrite(evl_http_body(request, &len), 1, evl_http_body_size(request), stdout);
 *         evl_http_request_free(request);
 *     }
 *
 *     evl_http_request_options options = {.struct_size = sizeof options, .url = "https://example.org/"};
 *     evl_http_session_new(loop, NULL, &session);
 *     evl_http_request_new(session, &options, &request);
 *     evl_op_init(&op, got, NULL, 0);
 *     evl_http_fetch(request, &op);
 *
 * A session keeps connections, cookies and limits for its requests. HTTP/1.1 and 2, TLS, proxies,
 * redirects and compression are libcurl's. A response is collected, up to a limit, or with EVL_HTTP_STREAM
 * read in pieces, where a reader that falls behind holds up the sender; bodies are sent from memory or with
 * EVL_HTTP_UPLOAD piece by piece.
 *
 * A status of 400 and above is a result like any other. Errors have codes of their own, and
 * evl_http_reason has libcurl's words.
 *
 * This is a library of its own, libevloop-http; it needs libevloop and libcurl. Its functions are called on
 * the loop's thread. Callbacks of the program are those of its operations, and run as every operation's do.
 * libcurl measures time with the system's clock: use loops with EVL_CLOCK_REAL. */
#ifndef EVLOOP_HTTP_H
#define EVLOOP_HTTP_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only evloop's own builds define EVLOOP_HTTP_BUILD_SHARED. */
#if defined(EVLOOP_HTTP_BUILD_SHARED) && defined(__GNUC__)
#    define EVL_HTTP_API __attribute__((visibility("default")))
#else
#    define EVL_HTTP_API
#endif

/* --- sessions --- */

/* What requests have in common: connections that are kept, limits, cookies, whom to trust; opaque. Belongs
 * to one loop. */
typedef struct evl_http_session evl_http_session;

/* Flags of evl_http_session_options. */
enum {
    EVL_HTTP_COOKIES = 1,  /* keep cookies, and send them back */
    EVL_HTTP_INSECURE = 2, /* do not verify servers. Anyone on the way can read and change all */
    EVL_HTTP_1_ONLY = 4,   /* never HTTP/2 */
    EVL_HTTP_PLAIN = 8     /* do not ask for compressed bodies, and leave those that come as they are */
};

/* How to make a session. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its
 * default. Everything is copied. */
typedef struct evl_http_session_options {
    uint32_t struct_size;
    uint32_t flags;                /* EVL_HTTP_* */
    uint32_t max_fetches;          /* at once; further ones wait in line, and their time limits with them. 0:
                                      no limit */
    uint32_t max_connections;      /* 0: no limit */
    uint32_t max_host_connections; /* to one host and port; 0: no limit */
    uint32_t max_idle;             /* connections kept for later; 0: libcurl's default */
    const char *proxy;             /* as "http://proxy:3128"; NULL: by the environment; "": none */
    const char *no_proxy;       /* hosts that are reached without, as "localhost,.example.org"; NULL: by the
                                   environment */
    const char *ca_file;        /* file of those who are trusted, in PEM; */
    const char *ca_path;        /* directory of them; both NULL: the system's */
    const char *certificate;    /* file of the own certificate, in PEM; NULL: none */
    const char *key;            /* file of its private key; NULL: in the same file */
    const char *user_agent;     /* NULL: "evloop/" and the version; "": none */
    int64_t connect_timeout_ns; /* for a request that has no limit of its own: see there */
    int64_t stall_timeout_ns;   /* likewise */
    int64_t timeout_ns;         /* likewise */
    uint64_t max_body;          /* likewise */
    int32_t max_redirects;      /* likewise */
    int32_t reserved;           /* 0 */
} evl_http_session_options;

/* Makes a session. options may be NULL.
 * Errors:
 * - EVL_EINVAL: a NULL pointer, struct_size too small, an unknown flag, a negative time, or a line end in
 *   user_agent.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_session_new(evl_loop *loop, const evl_http_session_options *options,
                                          evl_http_session **out);

/* Closes a session and its connections. Fetches and reads that are under way complete with EVL_ECLOSED;
 * requests stay, and what they have can be read, until each is freed. NULL is allowed. When the loop is
 * destroyed the session is closed with it, and is still to be released by this call. @since 0.1 */
EVL_HTTP_API void evl_http_session_close(evl_http_session *session);

/* Repairs a session in a forked child, after evl_loop_fork: fetches and reads that were under way complete
 * with EVL_EFORK, the parent's connections are left to the parent, and new fetches work. Before this call
 * fetches return EVL_EFORK in the child. Returns 0 also when there is nothing to repair.
 * Errors:
 * - EVL_ENOMEM: out of memory; the session is closed.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_session_fork(evl_http_session *session);

/* Returns the session's loop, NULL when it is closed. @since 0.1 */
EVL_HTTP_API evl_loop *evl_http_session_loop(const evl_http_session *session);

/* --- requests --- */

/* A request and what came back; opaque. Belongs to its session; may be fetched again when it is over. */
typedef struct evl_http_request evl_http_request;

/* Flags of evl_http_request_options. */
enum {
    EVL_HTTP_STREAM = 1, /* evl_http_fetch completes when the headers are there; the body is read in pieces */
    EVL_HTTP_UPLOAD = 2  /* the body is written with evl_http_write; body_size is its length, 0: unknown */
};

/* What to ask for. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is the session's
 * value, or else the default. Everything is copied. */
typedef struct evl_http_request_options {
    uint32_t struct_size;
    uint32_t flags;     /* EVL_HTTP_STREAM, EVL_HTTP_UPLOAD */
    const char *url;    /* http or https; required */
    const char *method; /* NULL: GET, or POST with a body */
    const char *const
        *headers;           /* lines as "Accept: text/html"; "Accept:" leaves out one that would be sent */
    uint32_t headers_count; /* how many lines */
    int32_t max_redirects;  /* to follow; 0: 10; -1: none, a redirect is a result */
    const void *body;       /* what to send */
    uint64_t body_size;     /* bytes */
    uint64_t max_body;      /* bytes of a response to take. 0: 64 MiB, of one in pieces no limit */
    int64_t connect_timeout_ns; /* finding the host, connecting and TLS together; 0: 30 s; EVL_NEVER: none */
    int64_t stall_timeout_ns;   /* from the request to the first byte, and between two; not while the program
                                   has to read or write. 0: no limit */
    int64_t timeout_ns;         /* the whole fetch, body included; 0: no limit */
} evl_http_request_options;

/* Makes a request; nothing is sent before evl_http_fetch.
 * Errors:
 * - EVL_EINVAL: a NULL pointer, struct_size too small, an unknown flag, a negative time, a method or header
 *   with characters that none can have, or a body with EVL_HTTP_UPLOAD.
 * - EVL_EHTTP_URL: not a URL, or one of neither http nor https.
 * - EVL_ECLOSED: the session is closed.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_request_new(evl_http_session *session, const evl_http_request_options *options,
                                          evl_http_request **out);

/* Frees a request. A fetch that is under way ends: operations that wait for it complete with EVL_ECLOSED.
 * NULL is allowed. Works in any order with the session and the loop. @since 0.1 */
EVL_HTTP_API void evl_http_request_free(evl_http_request *request);

/* Fetches. Completes with the status when the whole response is there, with EVL_HTTP_STREAM when its
 * headers are. Cancelling the operation, or its time limit, ends the fetch, in the next pass.
 *
 * Completes with:
 * - EVL_EAI_NONAME: the host or the proxy was not found.
 * - EVL_ECONNREFUSED, EVL_ENETUNREACH and others: it could not be connected to.
 * - EVL_ETLS_UNTRUSTED, _EXPIRED, _NAME, _REVOKED: what is wrong with the server's certificate.
 * - EVL_ETLS_PROTOCOL, _VERSION, _CERTIFICATE: the handshake failed.
 * - EVL_ETIMEDOUT: a time limit has passed.
 * - EVL_EHTTP_TOO_LARGE: the body is larger than max_body.
 * - EVL_EHTTP_REDIRECTS: more redirects than max_redirects. EVL_EHTTP_URL: one to something that is no
 *   http or https.
 * - EVL_EHTTP_TRUNCATED: the connection ended before the response did.
 * - EVL_EHTTP_PROTOCOL: the server does not speak HTTP as it should. EVL_EHTTP_ENCODING: a body that cannot
 *   be decompressed. EVL_EHTTP_PROXY: the proxy refused.
 * - EVL_EHTTP_RESEND: the server wants a body again that was written piece by piece.
 * - EVL_ECONNRESET and others: what the kernel reports.
 * - EVL_ECLOSED: the session was closed. EVL_EFORK: see evl_http_session_fork.
 * Errors:
 * - EVL_EBUSY: the operation or the request is active.
 * - EVL_ECLOSED: the session is closed, or the loop destroyed.
 * - EVL_EFORK: this process is a child.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_fetch(evl_http_request *request, evl_op *op);

/* Ends a fetch that is under way: what waits for it completes with EVL_ECANCELED. What has come stays, and
 * evl_http_wait reports it until it is consumed, and EVL_ECANCELED behind it. One that is over is left as it
 * is. @since 0.1 */
EVL_HTTP_API void evl_http_abort(evl_http_request *request);

/* --- the body of a response --- */

/* Waits for the next piece of a body, with EVL_HTTP_STREAM. Completes with the number of bytes that can be
 * read; 0 at the body's end; or an error, as evl_http_fetch. Nothing is taken, so it can be cancelled at any
 * time, and does not end the fetch.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EINVAL: not a request with EVL_HTTP_STREAM, or it was not fetched.
 * - EVL_ECLOSED, EVL_EFORK: as evl_http_fetch.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_wait(evl_http_request *request, evl_op *op);

/* Returns what has come of the body and was not consumed, and its length in *len; len may be NULL. Without
 * EVL_HTTP_STREAM that is the whole body, followed by a 0. Never NULL. Valid until the next call of
 * evl_http_consume or evl_http_fetch, with EVL_HTTP_STREAM also only until the program returns to the loop.
 * @since 0.1 */
EVL_HTTP_API const char *evl_http_body(const evl_http_request *request, size_t *len);

/* Returns how many bytes evl_http_body has. @since 0.1 */
EVL_HTTP_API size_t evl_http_body_size(const evl_http_request *request);

/* Removes up to n bytes from the front of what has come, and lets the server go on if it was held up.
 * Returns how many. @since 0.1 */
EVL_HTTP_API int64_t evl_http_consume(evl_http_request *request, size_t n);

/* --- the body of a request --- */

/* Queues a piece of the body, with EVL_HTTP_UPLOAD, also before the fetch; it is copied. Returns how many
 * bytes are queued now: above 64 KiB a program should wait (evl_http_drain).
 * Errors:
 * - EVL_EINVAL: not a request with EVL_HTTP_UPLOAD.
 * - EVL_EPIPE: the body was ended, or the fetch is over.
 * - EVL_ENOMEM: out of memory; nothing was queued.
 * @since 0.1 */
EVL_HTTP_API int64_t evl_http_write(evl_http_request *request, const void *data, size_t size);

/* Ends the body. Errors: those of evl_http_write. @since 0.1 */
EVL_HTTP_API int32_t evl_http_write_eof(evl_http_request *request);

/* Completes with 0 when less than 64 KiB of the body is queued, or with an error when the fetch has failed;
 * EVL_EPIPE when it is over and not all was wanted.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EINVAL: not a request with EVL_HTTP_UPLOAD.
 * - EVL_ECLOSED, EVL_EFORK: as evl_http_fetch.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_drain(evl_http_request *request, evl_op *op);

/* --- what came back --- */

/* Returns the status, 0 before there is one. @since 0.1 */
EVL_HTTP_API int32_t evl_http_status(const evl_http_request *request);

/* Returns the value of the first header with this name, in any case; NULL: there is none. Valid until the
 * next fetch of the request. @since 0.1 */
EVL_HTTP_API const char *evl_http_header(const evl_http_request *request, const char *name);

/* Returns how many headers the response has, those of a trailer included. @since 0.1 */
EVL_HTTP_API int32_t evl_http_header_count(const evl_http_request *request);

/* Stores the name and the value of a header, in the order in which they came, from 0; both may be NULL.
 * Errors:
 * - EVL_ENOENT: there are not so many.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_header_at(const evl_http_request *request, int32_t index, const char **name,
                                        const char **value);

/* How a fetch went. Set struct_size before the call. Texts are valid until the next fetch of the request.
 * Times are in nanoseconds from its start, 0 for what has not been reached. */
typedef struct evl_http_info {
    uint32_t struct_size;
    int32_t status;        /* as evl_http_status */
    int32_t version;       /* of HTTP: 10, 11, 20, 30; 0: not known */
    int32_t redirects;     /* how many were followed */
    int32_t connections;   /* how many were made: 0 when one was used again */
    int32_t error;         /* how it ended: 0, or its error; EVL_EINPROGRESS while it is under way */
    const char *url;       /* where it led in the end */
    const char *address;   /* of the server, or "" */
    int32_t port;          /* of the server */
    int32_t reserved;      /* 0 */
    int64_t name_ns;       /* the host's address was found */
    int64_t connect_ns;    /* connected */
    int64_t tls_ns;        /* TLS' handshake over */
    int64_t first_byte_ns; /* the first byte came */
    int64_t total_ns;      /* over */
    uint64_t received;     /* bytes of the body, as they came */
    uint64_t sent;         /* bytes of the request's body, as they went */
} evl_http_info;

/* Stores how a fetch went in *out.
 * Errors:
 * - EVL_EINVAL: a NULL pointer, or struct_size is too small to hold itself.
 * @since 0.1 */
EVL_HTTP_API int32_t evl_http_get_info(const evl_http_request *request, evl_http_info *out);

/* Returns why a fetch failed, in libcurl's words, or "". Valid until the next fetch. @since 0.1 */
EVL_HTTP_API const char *evl_http_reason(const evl_http_request *request);

#ifdef __cplusplus
}
#endif
#endif
