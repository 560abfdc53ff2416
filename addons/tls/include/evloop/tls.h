/* evloop/tls.h - TLS over OpenSSL 3: streams (stream.h) that are encrypted, for clients and servers.
 *
 *     static void secured(void *arg, int64_t state) {
 *         void *stream;
 *         (void)arg, (void)state;
 *         if (evl_future_take(future, &stream) == 0)       // else why not: EVL_ETLS_EXPIRED, ...
 *             evl_stream_write(stream, "GET / HTTP/1.0\r\n\r\n", 18);
 *     }
 *
 *     evl_tls_context_new(NULL, &context);                 // a client that verifies its servers
 *     evl_tls_connect(loop, context, "example.org", "443", NULL, &future);
 *     evl_future_on_done(future, secured, NULL);
 *
 * A server makes a context with its certificate, listens as always (server.h), and takes connections with
 * evl_tls_accept. Where a protocol begins in the clear (STARTTLS), evl_tls_upgrade turns the stream into an
 * encrypted one.
 *
 * All of stream.h works on a stream of TLS except evl_stream_detach. evl_stream_write_eof sends
 * close_notify and reading goes on; a peer that closes without close_notify is EVL_ETLS_TRUNCATED, never an
 * end of file. The handshake goes on by itself: writes are queued meanwhile, reads wait, and both report why
 * it failed. evl_tls_handshake waits for it.
 *
 * Protocols are TLS 1.3 and 1.2. Renegotiation and compression are refused. Clients verify the server's
 * certificate and its name, unless they ask not to.
 *
 * This is a library of its own, libevloop-tls; it needs libevloop and OpenSSL. Its functions are called on
 * the loop's thread, except those marked "@thread any". */
#ifndef EVLOOP_TLS_H
#define EVLOOP_TLS_H

#include <evloop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only evloop's own builds define EVLOOP_TLS_BUILD_SHARED. */
#if defined(EVLOOP_TLS_BUILD_SHARED) && defined(__GNUC__)
#    define EVL_TLS_API __attribute__((visibility("default")))
#else
#    define EVL_TLS_API
#endif

/* --- contexts --- */

/* What many connections have in common: certificates, keys, whom to trust, protocols, sessions. Reference
 * counted, and may be used by the loops of several threads at once. */
typedef struct evl_tls_context evl_tls_context;

/* Flags of evl_tls_context_options. */
enum {
    EVL_TLS_SERVER = 1,   /* for a server's side; a context is for one side */
    EVL_TLS_INSECURE = 2, /* client: do not verify the server. Anyone on the way can read and change all */
    EVL_TLS_REQUEST_CLIENT = 4, /* server: ask for a certificate and verify it if there is one */
    EVL_TLS_REQUIRE_CLIENT =
        8,                   /* server: without a certificate that can be verified there is no connection */
    EVL_TLS_NO_SESSIONS = 16 /* never resume a session */
};

/* Versions of TLS. */
enum { EVL_TLS_1_2 = 12, EVL_TLS_1_3 = 13 };

/* How to make a context. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its
 * default. Files are in PEM. */
typedef struct evl_tls_context_options {
    uint32_t struct_size;
    uint32_t flags;          /* EVL_TLS_* */
    const char *certificate; /* file of the own certificate and what leads to its root, in this order */
    const char *key;         /* file of its private key; NULL: in the same file */
    const char *ca_file;     /* file of those who are trusted; */
    const char *ca_path;     /* directory of them, named as OpenSSL does; both NULL: the system's */
    const char *alpn;        /* application protocols, the best first, as "h2,http/1.1"; NULL: none */
    const char *ciphers;     /* of TLS 1.2, as OpenSSL writes them; NULL: OpenSSL's */
    int32_t min_version;     /* EVL_TLS_1_2 or EVL_TLS_1_3; 0: 1.2 */
    int32_t max_version;     /* likewise; 0: 1.3 */
} evl_tls_context_options;

/* Makes a context with one reference. options NULL: a client with every default. Everything is copied or
 * read here.
 * Errors:
 * - EVL_EINVAL: an unknown flag or version, a flag of the other side, a protocol's name that is empty or
 *   too long, or ciphers that OpenSSL does not know.
 * - EVL_ENOENT, EVL_EACCES and others: a file cannot be opened.
 * - EVL_ETLS_CERTIFICATE: a file has no certificate or key, or the key belongs to another certificate; or a
 *   server has none.
 * - EVL_ENOMEM: out of memory.
 * @thread any. @since 0.1 */
EVL_TLS_API int32_t evl_tls_context_new(const evl_tls_context_options *options, evl_tls_context **out);

/* Adds a reference. Returns its argument. NULL is allowed. @thread any. @since 0.1 */
EVL_TLS_API evl_tls_context *evl_tls_context_ref(evl_tls_context *context);

/* Releases a reference. Streams hold one of their own. NULL is allowed. @thread any. @since 0.1 */
EVL_TLS_API void evl_tls_context_unref(evl_tls_context *context);

/* Lets a server have several names: a client that asks for `name` (SNI; "*.example.org" for those below)
 * gets the certificate of `other`, which is kept. The rest, as the protocols of alpn, is `context`'s. Of
 * several that match the one that was added last counts; contexts must not be added to each other. Call it
 * before the first connection. Errors:
 * - EVL_EINVAL: a NULL pointer, a context of a client, or both are the same.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_context_add_name(evl_tls_context *context, const char *name,
                                             evl_tls_context *other);

/* Returns OpenSSL's SSL_CTX of a context, for what has no option here; it stays the context's. @since 0.1 */
EVL_TLS_API void *evl_tls_context_native(evl_tls_context *context);

/* --- streams --- */

/* How to open a stream. Set struct_size and the rest to 0, then the wanted fields. */
typedef struct evl_tls_options {
    uint32_t struct_size;
    uint32_t flags;          /* 0 */
    const char *server_name; /* client: name or IP address that the certificate must have; names are also sent
                                to the server (SNI). Required, but for evl_tls_connect, which takes the host,
                                and for contexts with EVL_TLS_INSECURE */
    int64_t timeout_ns;      /* evl_tls_connect: for connecting and handshake together; 0: no limit */
    const evl_connect_options *connect; /* evl_tls_connect: how to connect; NULL for the defaults. Its errors
                                           must stay valid until the future is done */
} evl_tls_options;

/* Connects to a host and a service, as evl_connect, and shakes hands. The future's value is the stream:
 * evl_future_take gives it to the caller; one that was not taken is aborted with the future.
 *
 * Cancelling the future, also by evl_wait_for, ends everything at once. host and options are copied. The
 * future fails with:
 * - what evl_connect completes with: EVL_EAI_NONAME, EVL_ECONNREFUSED, ...
 * - EVL_ETIMEDOUT: the time was over.
 * - the errors of a handshake: evl_tls_handshake.
 * Errors of the call:
 * - EVL_EINVAL: a NULL pointer, a context of a server, struct_size too small, or an unknown flag.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_connect(evl_loop *loop, evl_tls_context *context, const char *host,
                                    const char *service, const evl_tls_options *options, evl_future **out);

/* Takes a connection that waits, as evl_server_accept, as a stream of TLS, which the server counts.
 * Errors: those of evl_server_accept, and EVL_ENOMEM, with which the connection was closed.
 * - EVL_EINVAL: a NULL pointer, or a context of a client.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_accept(evl_server *server, evl_tls_context *context,
                                   const evl_tls_options *options, evl_stream **out);

/* Makes a stream of TLS over a connected, non-blocking stream socket, which the stream owns from now on; on
 * an error it is the caller's. The handshake begins at once.
 * Errors:
 * - EVL_EINVAL: a NULL pointer, struct_size too small, an unknown flag, a client without server_name, or a
 * name that is empty or has more than 255 characters.
 * - EVL_ENOMEM: out of memory.
 * - and those of evl_stream_open_on.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_open(evl_loop *loop, evl_fd fd, evl_tls_context *context,
                                 const evl_tls_options *options, evl_stream **out);

/* Turns a stream into one of TLS (STARTTLS). `plain` is closed, and its socket is *out's. Bytes that came
 * and were not read belong to TLS, so that nothing that was sent in the clear behind the command counts as
 * encrypted; in the callback of push mode the command itself has to be removed first (evl_stream_consume).
 *
 * *out is a new handle: its timeouts, marks, names, arguments and drop are to be set again. It has the linger
 * time of `plain`, and closes the socket, also one that `plain` was to leave open (EVL_STREAM_KEEP_FD).
 *
 * Errors, after which `plain` is as before, but for the last one:
 * - EVL_EBUSY: something is queued or pending (evl_stream_flush).
 * - EVL_ENOTSUP: the stream has a transport. EVL_EPROTOTYPE: it is no socket.
 * - EVL_ENOBUFS: more than 64 KiB are unread.
 * - EVL_EINVAL: as evl_tls_open.
 * - EVL_ENOMEM: out of memory; the stream is closed.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_upgrade(evl_stream *plain, evl_tls_context *context,
                                    const evl_tls_options *options, evl_stream **out);

/* Completes with 0 when the handshake is over and what was written before is sent. Give it a deadline, or the
 * stream a write or idle timeout: a peer may stay silent. One that is cancelled leaves the stream as it is.
 * Completes with:
 * - EVL_ETLS_UNTRUSTED, _EXPIRED, _NAME, _REVOKED: what is wrong with the peer's certificate.
 * - EVL_ETLS_CERTIFICATE: the peer refused or missed this side's.
 * - EVL_ETLS_VERSION: no version or cipher is common to both.
 * - EVL_ETLS_ALPN: no application protocol is.
 * - EVL_ETLS_TRUNCATED: the peer closed the connection.
 * - EVL_ETLS_PROTOCOL: the peer does not speak TLS, or not as it should.
 * - EVL_ECONNRESET and others: what the kernel reports; EVL_ECLOSED: the stream was closed.
 * Errors:
 * - EVL_EINVAL: not a stream of TLS.
 * - and those of evl_stream_flush.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_handshake(evl_stream *stream, evl_op *op);

/* What was agreed on. Set struct_size before the call. Texts are in memory of the stream's, valid until it
 * is closed. */
typedef struct evl_tls_info {
    uint32_t struct_size;
    int32_t ready;           /* 1: the handshake is over, and the rest is set */
    int32_t version;         /* EVL_TLS_1_2, EVL_TLS_1_3 */
    int32_t resumed;         /* 1: a session was resumed */
    int32_t verified;        /* 1: the peer has a certificate, and it was verified */
    int32_t error;           /* why reading failed, else writing, or 0 */
    const char *cipher;      /* as OpenSSL writes it */
    const char *alpn;        /* the application protocol, or "" */
    const char *server_name; /* what the client asked for, or "" */
    const char *reason; /* why a handshake failed or a certificate was refused, in OpenSSL's words, or "" */
} evl_tls_info;

/* Stores what was agreed on in *out.
 * Errors:
 * - EVL_EINVAL: not a stream of TLS, or struct_size is too small to hold itself.
 * @since 0.1 */
EVL_TLS_API int32_t evl_tls_get_info(const evl_stream *stream, evl_tls_info *out);

/* Writes the peer's certificate in PEM to `text`, at most cap bytes with the 0 at the end. Returns its
 * length without that, which may be cap and more.
 * Errors:
 * - EVL_EINVAL: not a stream of TLS.
 * - EVL_ENOENT: the peer sent none.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_TLS_API int64_t evl_tls_peer_certificate(const evl_stream *stream, char *text, size_t cap);

/* Returns OpenSSL's SSL of a stream, for what has no function here; it stays the stream's. NULL: not a stream
 * of TLS. Reading, writing and shutting down are the stream's. @since 0.1 */
EVL_TLS_API void *evl_tls_native(const evl_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
