/* evloop/connect.h - making connections: by name, by address, by path. */
#ifndef EVLOOP_CONNECT_H
#define EVLOOP_CONNECT_H

#include "names.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Set struct_size before the call; 0 in a field is its default. */
typedef struct evl_connect_options {
    uint32_t struct_size;
    uint32_t flags;     /* EVL_NAME_IPV4, EVL_NAME_IPV6: only such addresses */
    int64_t stagger_ns; /* how long an address may take before the next is tried too; 250 ms */
    const void
        *local; /* where to connect from: a struct sockaddr; addresses of other families are left out */
    uint32_t local_length; /* of local, in bytes */
    int32_t errors_cap;    /* rows of errors */
    int32_t *errors;   /* what became of each address, in the order in which they were tried; 0: not tried, or
                          given up because another one was faster. Must stay until completion */
    int64_t linger_ns; /* of the stream, as evl_options.linger_ns; 0: what that is */
} evl_connect_options;

/* Connects to a host and a service (names.h says what these may be). The addresses are tried in turn,
 * families alternating, the next one as soon as one fails or has taken longer than the stagger; the first
 * that answers wins and the others are closed (RFC 8305). Completes with 0, and has then stored the stream in
 * *out, right before the operation's function is called; one that is closed by then is never made. When none
 * answers, the error is that of the first address. What is not evl_op's is copied, options->errors and out
 * excepted. Completes also with EVL_EAI_*. Errors: EVL_EBUSY, EVL_EINVAL, EVL_ENOMEM, EVL_EAI_*. @since 0.1
 */
EVL_API int32_t evl_connect(evl_loop *loop, evl_op *op, const char *host, const char *service,
                            const evl_connect_options *options, evl_stream **out);

/* The same to one address, a struct sockaddr of an IP or a Unix socket. Errors: EVL_EAFNOSUPPORT too.
 * @since 0.1 */
EVL_API int32_t evl_connect_to(evl_loop *loop, evl_op *op, const void *address, uint32_t length,
                               const evl_connect_options *options, evl_stream **out);

/* The same to addresses in the order given; the list may be freed at once. @since 0.1 */
EVL_API int32_t evl_connect_any(evl_loop *loop, evl_op *op, const evl_addresses *addresses,
                                const evl_connect_options *options, evl_stream **out);

/* The same to a Unix socket's path; "@name" is an abstract one. Errors: EVL_ENAMETOOLONG too. @since 0.1 */
EVL_API int32_t evl_connect_unix(evl_loop *loop, evl_op *op, const char *path, evl_stream **out);

#ifdef __cplusplus
}
#endif
#endif
