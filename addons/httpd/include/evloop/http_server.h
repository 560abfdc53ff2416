/* evloop/http_server.h - a small HTTP/1.1 server: health checks, metrics, examples, programs that speak a
 * little HTTP.
 *
 *     static void hello(void *arg, evl_http_exchange *exchange) {
 *         (void)arg;
 *         evl_http_exchange_respond(exchange, 200, "hello\n", 6);
 *     }
 *
 *     evl_server_listen(loop, NULL, "8080", NULL, &listener);
 *     evl_http_server_new(loop, NULL, hello, NULL, &web);
 *     evl_http_server_serve(web, listener);
 *
 * A request and its response are an exchange. The handler is called with it when the request is complete, or
 * with EVL_HTTP_SERVER_STREAM when its headers are; it responds in that call or later. Requests of one
 * connection are handled one after the other, so pipelined ones are answered in their order.
 *
 * An exchange belongs to the program from the call of the handler until evl_http_exchange_respond,
 * _send_file, _end, _upgrade or _abort has ended it, also when its client or the server is gone by then:
 * calls return an error, and one of those still has to be made. It must not be used after that.
 *
 * Keep-alive, chunked bodies in both directions, HEAD, Expect: 100-continue, and the lengths and dates of
 * responses are the server's business. Malformed requests and those beyond a limit are answered with 400,
 * 408, 413, 414, 417, 431, 501 or 505 and the connection is closed; the handler does not see them. Requests
 * that two programs could read in two ways (both Content-Length and Transfer-Encoding, folded headers, and so
 * on) are malformed here.
 *
 * Connections are streams of any kind: TCP, Unix sockets, TLS (tls.h). This is a library of its own,
 * libevloop-httpd; it needs libevloop and the runtime of C++, and Boost.Beast, whose parser it has, to be
 * built. Its functions are called on the loop's thread. In a forked child close the server
 * (evl_http_server_close) and make another. */
#ifndef EVLOOP_HTTP_SERVER_H
#define EVLOOP_HTTP_SERVER_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only evloop's own builds define EVLOOP_HTTPD_BUILD_SHARED. */
#if defined(EVLOOP_HTTPD_BUILD_SHARED) && defined(__GNUC__)
#    define EVL_HTTPD_API __attribute__((visibility("default")))
#else
#    define EVL_HTTPD_API
#endif

/* --- servers --- */

/* A server: a handler, limits, and connections; opaque. Belongs to one loop. */
typedef struct evl_http_server evl_http_server;

/* A request and its response; opaque. */
typedef struct evl_http_exchange evl_http_exchange;

/* A handler. It may respond at once or later, close the server and destroy the loop. Must not leave by
 * longjmp or by a C++ exception. */
typedef void evl_http_handler(void *arg, evl_http_exchange *exchange);

/* Flags of evl_http_server_options. */
enum {
    EVL_HTTP_SERVER_STREAM = 1 /* call the handler when the headers are there; it reads the body in pieces */
};

/* How to serve. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its default, and
 * EVL_NEVER in a time is no limit. */
typedef struct evl_http_server_options {
    uint32_t struct_size;
    uint32_t flags;            /* EVL_HTTP_SERVER_* */
    uint32_t max_header_bytes; /* of a request's line and headers; 0: 16 KiB */
    uint32_t max_headers;      /* how many; 0: 100 */
    uint64_t max_body;         /* bytes; 0: 1 MiB */
    uint32_t max_requests;     /* of one connection, which is closed then; 0: no limit */
    uint32_t max_connections;  /* at a time; further ones wait to be accepted. 0: no limit */
    int64_t header_timeout_ns; /* from a request's first byte, or the connection's beginning, to the end of
                                  the headers; 0: 10 s */
    int64_t body_timeout_ns;   /* without a byte of a body that is being read; 0: 30 s */
    int64_t idle_timeout_ns;   /* between requests; 0: 60 s */
    int64_t write_timeout_ns;  /* without a byte that the client takes; 0: 30 s */
} evl_http_server_options;

/* Makes a server without connections: handler(arg, exchange) is called for every request. options may be
 * NULL. Errors:
 * - EVL_EINVAL: a NULL pointer, struct_size too small, an unknown flag, or a negative time.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_server_new(evl_loop *loop, const evl_http_server_options *options,
                                          evl_http_handler *handler, void *arg, evl_http_server **out);

/* Serves what a server (server.h) accepts. The listener is taken over: it is closed with the HTTP server.
 * There may be several.
 * Errors, after which the listener is still the caller's:
 * - EVL_EINVAL: a NULL pointer, or a listener of another loop.
 * - EVL_ECLOSED: the HTTP server was stopped, or the listener.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_server_serve(evl_http_server *server, evl_server *listener);

/* Serves a connection that exists: of a socketpair, of libevloop-tls. The stream is taken over. Bytes that
 * lie unread in it are read first. Errors, after which the stream is still the caller's:
 * - EVL_EINVAL: a NULL pointer, or a stream of another loop.
 * - EVL_ECLOSED: the server was stopped.
 * - EVL_EBUSY: a read of it is pending.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_server_add(evl_http_server *server, evl_stream *stream);

/* Stops gracefully: closes the listeners and idle connections, lets what is under way be finished, and closes
 * each connection behind it. Completes with 0 when none is left. Give it a deadline, and then call
 * evl_http_server_close. Completes with EVL_ECLOSED when the server is closed before. op may be NULL.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_server_stop(evl_http_server *server, evl_op *op);

/* Closes a server at once, and with it its listeners and connections; responses that were given still arrive,
 * as after evl_close of a stream. Exchanges that the program has remain until it ends them. NULL is allowed.
 * When the loop is destroyed, everything is closed with it, and the server is still to be released by this
 * call. @since 0.1 */
EVL_HTTPD_API void evl_http_server_close(evl_http_server *server);

/* Returns the number of connections. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_server_connections(const evl_http_server *server);

/* --- the request ---
 *
 * Texts are valid until the exchange has ended. */

/* Returns the method, as it was sent: "GET". @since 0.1 */
EVL_HTTPD_API const char *evl_http_exchange_method(const evl_http_exchange *exchange);

/* Returns the target, as it was sent: "/path?query". @since 0.1 */
EVL_HTTPD_API const char *evl_http_exchange_target(const evl_http_exchange *exchange);

/* Returns the version: 10 or 11. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_version(const evl_http_exchange *exchange);

/* Returns the value of the first header with this name, in any case, or NULL. @since 0.1 */
EVL_HTTPD_API const char *evl_http_exchange_header(const evl_http_exchange *exchange, const char *name);

/* As evl_http_exchange_header, of what followed a chunked body. NULL before its end. @since 0.1 */
EVL_HTTPD_API const char *evl_http_exchange_trailer(const evl_http_exchange *exchange, const char *name);

/* Returns how many headers there are, trailers included. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_header_count(const evl_http_exchange *exchange);

/* Stores name and value of the i-th header, in the order in which they came.
 * Errors:
 * - EVL_ENOENT: there are not so many.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_header_at(const evl_http_exchange *exchange, int32_t i,
                                                  const char **name, const char **value);

/* Returns the body, or what has come of it and was not consumed; its size is stored in *len, which may be
 * NULL. Valid until the next pass, evl_http_exchange_consume, or the end of the exchange. @since 0.1 */
EVL_HTTPD_API const char *evl_http_exchange_body(const evl_http_exchange *exchange, size_t *len);

/* Completes when there are bytes of the body to read: with their number, and 0 at its end. Above 64 KiB that
 * are not consumed nothing more is read from the client. Completes with the error when the client is lost,
 * with EVL_EEOF when it ends before the body does, and with EVL_EPROTO or EVL_ETIMEDOUT when the server has
 * refused the rest of the body (400, 413, 408). A client that waits for 100 Continue is sent it here.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_wait(evl_http_exchange *exchange, evl_op *op);

/* Removes up to n bytes from the front of the body. Returns how many. @since 0.1 */
EVL_HTTPD_API int64_t evl_http_exchange_consume(evl_http_exchange *exchange, size_t n);

/* Completes when the client is gone: with 0 when it has closed its side (it may still read), with
 * EVL_ECONNRESET and the like when the connection is lost, with EVL_ECLOSED when the server is closed or the
 * exchange has ended.
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_gone(evl_http_exchange *exchange, evl_op *op);

/* Returns the stream of the connection, for its addresses or what TLS knows (evl_tls_info); NULL when it is
 * gone. It must not be read, written or closed. @since 0.1 */
EVL_HTTPD_API evl_stream *evl_http_exchange_stream(const evl_http_exchange *exchange);

/* --- the response ---
 *
 * Errors of all functions of the response:
 * - EVL_EPIPE, EVL_ECONNRESET and the like: the client is gone. A call that ends exchanges has ended this
 * one.
 * - EVL_ECLOSED: the server was closed. Likewise.
 * - EVL_ENOMEM: out of memory. The connection is closed. Likewise.
 * - EVL_EPROTO, EVL_ETIMEDOUT: the server has refused the rest of the request itself. Likewise.
 * - EVL_EINVAL: an argument that is not allowed, or a response that was begun already. Nothing has happened.
 *
 * evl_http_exchange_begin and _write end no exchange: after an error of theirs one of the calls that do is
 * still to be made. It may be any of them. */

/* Adds a header to the response; after evl_http_exchange_begin with chunks, a trailer. Ends no exchange.
 * "Connection: close" closes the connection behind the response. Date is added unless it is given here.
 * Errors: those of all, and
 * - EVL_EINVAL: no name of a header; a value with a line end or another control character; Content-Length,
 *   Transfer-Encoding and other uses of Connection, which are the server's.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_add_header(evl_http_exchange *exchange, const char *name,
                                                   const char *value);

/* Responds, with a body from memory, which is copied, and ends the exchange. Of a response to HEAD, and with
 * 204 and 304, the body is left out.
 *
 * - `status`: 200 to 999.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_respond(evl_http_exchange *exchange, int32_t status, const void *body,
                                                size_t len);

/* A length of evl_http_exchange_begin that is not known yet. */
#define EVL_HTTP_CHUNKED INT64_C(-1)

/* Begins a response whose body is written in pieces: of `length` bytes, or EVL_HTTP_CHUNKED. Of a client
 * that speaks 1.0 only, the end of the connection ends such a body. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_begin(evl_http_exchange *exchange, int32_t status, int64_t length);

/* Writes a piece of the body, as evl_stream_write: it never waits. Returns len.
 * Errors: those of all, and
 * - EVL_EINVAL: not begun, or more than the length that was given.
 * @since 0.1 */
EVL_HTTPD_API int64_t evl_http_exchange_write(evl_http_exchange *exchange, const void *data, size_t len);

/* Completes with 0 when little of what was written is queued, as evl_stream_drain. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_drain(evl_http_exchange *exchange, evl_op *op);

/* Ends the response, and the exchange. One that was begun with a length and has not reached it closes the
 * connection, so that the client knows.
 * Errors: those of all, and
 * - EVL_EINVAL: not begun.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_end(evl_http_exchange *exchange);

/* Responds with len bytes (0: up to its end) of a regular file from offset on, as evl_stream_sendfile, and
 * ends the exchange. The file may be closed when the call returns. Errors: those of all, and, after which
 * nothing has happened,
 * - EVL_EINVAL: no regular file, or it has no such part.
 * - EVL_EBADF, EVL_EMFILE: the file is not open, or there is no fd for a duplicate.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_send_file(evl_http_exchange *exchange, int32_t status, evl_fd file,
                                                  int64_t offset, size_t len);

/* Returns 1 if the client asks to go on with another protocol (Connection: upgrade), else 0. @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_wants_upgrade(const evl_http_exchange *exchange);

/* Hands over the connection and ends the exchange: sends `status` (101, or 200 for CONNECT) with the headers
 * that were added, and stores the stream in *out, which is the caller's from now on. With 101 "Connection:
 * Upgrade" is sent; add Upgrade. Bytes that came behind the request lie in the stream, to be read first; it
 * is not in push mode. Errors: those of all, and
 * - EVL_EINVAL: the request's body has not been read to its end.
 * @since 0.1 */
EVL_HTTPD_API int32_t evl_http_exchange_upgrade(evl_http_exchange *exchange, int32_t status,
                                                evl_stream **out);

/* Ends the exchange without a proper response: with 500 if none was begun, else by resetting the connection.
 * NULL is allowed. @since 0.1 */
EVL_HTTPD_API void evl_http_exchange_abort(evl_http_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif
