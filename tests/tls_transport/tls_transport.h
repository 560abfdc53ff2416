/* tls_transport.h - TLS by OpenSSL as a transport of evloop's, in both ways that OpenSSL has.
 *
 * Over the fd OpenSSL reads and writes itself: little code, and a record that the socket does not take is
 * kept by OpenSSL, which wants the same bytes again. Over memory OpenSSL only computes, and the transport
 * moves the bytes: it then holds records that are still to be sent, and so has a flush.
 *
 * OpenSSL writes to the fd without MSG_NOSIGNAL: a program that uses the first ignores SIGPIPE. */
#ifndef TLS_TRANSPORT_H
#define TLS_TRANSPORT_H

#include <evloop.h>
#include <openssl/ssl.h>

enum tls_way { TLS_OVER_FD, TLS_OVER_MEMORY };
enum tls_side { TLS_CLIENT, TLS_SERVER };

/* A stream of TLS over a connected, non-blocking socket, which belongs to the stream if that could be made.
 * The handshake is done by the first reads and writes. Errors: those of evl_stream_open_on, and EVL_ENOMEM.
 */
int32_t tls_open(evl_loop *loop, evl_fd fd, SSL_CTX *context, enum tls_side side, enum tls_way way,
                 evl_stream **out);

/* A context for a server with a key and certificate of its own making, good for a test or an example. NULL:
 * OpenSSL did not want to. */
SSL_CTX *tls_self_signed(void);

#endif
