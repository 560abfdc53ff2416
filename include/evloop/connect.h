/* evloop/connect.h - making connections: to a host's name, an address, a Unix path.
 *
 *     evl_op_init(&op, done, conn, 0);
 *     evl_connect(loop, &op, "localhost", "80", NULL, &stream); // done(conn, 0), and stream is set
 *     evl_op_deadline(&op, evl_now(loop) + 5000000000);         // or done(conn, EVL_ETIMEDOUT) */
#ifndef EVLOOP_CONNECT_H
#define EVLOOP_CONNECT_H

#include "names.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How to connect. Set struct_size and the rest to 0, then the wanted fields; 0 in a field is its default. */
typedef struct evl_connect_options {
    uint32_t struct_size;
    uint32_t flags;     /* EVL_NAME_IPV4, EVL_NAME_IPV6: only such addresses */
    int64_t stagger_ns; /* time after which the next address is tried, too; 0: 250 ms */
    const void *local;  /* address to connect from, a struct sockaddr; excludes addresses of other families */
    uint32_t local_length; /* of local, in bytes */
    int32_t errors_cap;    /* entries of errors */
    int32_t *errors;   /* error of each address, in the order of trying; 0: not tried, or abandoned because
                          another was faster. Must stay valid until completion */
    int64_t linger_ns; /* of the stream, as evl_options.linger_ns; 0: the loop's */
} evl_connect_options;

/* Connects to a host and a service (names.h says what these may be).
 *
 * Looks up the host and tries its addresses, families alternating (RFC 8305): the next one as soon as one
 * fails or has taken longer than the stagger. The first connection wins and the other attempts are closed.
 * host, service and options are copied; options->errors and `out` must stay valid until the operation
 * completes.
 *
 * Completes with 0 after storing the stream in *out; an operation that was cancelled or closed before has
 * made none. In a forked child one that is not over completes with EVL_EFORK after evl_loop_fork. Otherwise
 * completes with EVL_EAI_* (the look-up failed), EVL_EADDRNOTAVAIL (flags and local exclude every address),
 * or, if all addresses failed, with the error of the first one. Errors:
 * - EVL_EBUSY: the operation is active.
 * - EVL_EAI_NONAME and others: host or service is rejected without a look-up.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_connect(evl_loop *loop, evl_op *op, const char *host, const char *service,
                            const evl_connect_options *options, evl_stream **out);

/* As evl_connect, to one address: a struct sockaddr of an IP or a Unix socket.
 * Errors:
 * - EVL_EAFNOSUPPORT: an address of another family.
 * - and those of evl_connect.
 * @since 0.1 */
EVL_API int32_t evl_connect_to(evl_loop *loop, evl_op *op, const void *address, uint32_t length,
                               const evl_connect_options *options, evl_stream **out);

/* As evl_connect, to the addresses of a list in their order. The list may be freed when the call returns.
 * Errors: those of evl_connect. @since 0.1 */
EVL_API int32_t evl_connect_any(evl_loop *loop, evl_op *op, const evl_addresses *addresses,
                                const evl_connect_options *options, evl_stream **out);

/* As evl_connect, to the path of a Unix socket; "@name" is an abstract one.
 * Errors:
 * - EVL_ENAMETOOLONG: the path is too long.
 * - and those of evl_connect.
 * @since 0.1 */
EVL_API int32_t evl_connect_unix(evl_loop *loop, evl_op *op, const char *path, evl_stream **out);

#ifdef __cplusplus
}
#endif
#endif
