/* evloop/names.h - addresses: from names, to names, from text and to text.
 *
 * An address is what the system's socket calls take: a struct sockaddr and its length. Look-ups that have to
 * ask somebody run on a few threads of the loop's own, so that a server that does not answer holds up neither
 * the loop nor the jobs of its executor; literal addresses are answered at once and start no thread. */
#ifndef EVLOOP_NAMES_H
#define EVLOOP_NAMES_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Room enough for any IP or Unix address, and for any text of one with its final 0. */
#define EVL_ADDRESS_SIZE 128
#define EVL_ADDRESS_TEXT 160

/* Families, the same numbers on every platform. */
enum { EVL_FAMILY_UNIX = 1, EVL_FAMILY_IPV4 = 4, EVL_FAMILY_IPV6 = 6 };

/* Flags of evl_getaddrinfo and evl_getnameinfo. */
enum {
    EVL_NAME_IPV4 = 1,             /* only IPv4 addresses; with EVL_NAME_IPV6, or neither: both */
    EVL_NAME_IPV6 = 2,             /* only IPv6 addresses */
    EVL_NAME_DATAGRAM = 4,         /* the service is one of datagrams; else of streams */
    EVL_NAME_PASSIVE = 8,          /* no host: the addresses to bind to; else those of the loopback */
    EVL_NAME_NUMERIC_HOST = 16,    /* the host is, or is wanted, as a literal address */
    EVL_NAME_NUMERIC_SERVICE = 32, /* the service is, or is wanted, as a number */
    EVL_NAME_CANONICAL = 64,       /* evl_addresses_canonical is wanted */
    EVL_NAME_CONFIGURED = 128,     /* only families of which this machine has an address */
    EVL_NAME_REQUIRED = 256        /* evl_getnameinfo: an address without a name is an error */
};

/* What a look-up found: at least one address, in the order in which to try them. Nothing in it changes. */
typedef struct evl_addresses evl_addresses;

/* Looks up the addresses of a host and a service. host: a name or a literal IPv4 or IPv6 address
 * ("fe80::1%eth0" too); NULL or "": none, see EVL_NAME_PASSIVE. service: a number, a name, or NULL for port
 * 0; not both NULL. Both are copied. Completes with the number of addresses, and has then stored the list in
 * *out, which is the caller's to free; *out is written only then, right before the operation's function is
 * called. May answer 1 (EVL_OP_SYNC) for a literal host with a number or a well-known name as service. A
 * look-up that has begun cannot be stopped: an operation that is cancelled, times out or is closed leaves it
 * behind, and what it finds is thrown away. Completes with EVL_EAI_*, EVL_ENOMEM, or what the system
 * reported. Errors: EVL_EINVAL (no out, unknown flags), EVL_EAI_NONAME, EVL_EAI_ADDRFAMILY, EVL_EAI_SERVICE
 * (of what can be told at once), EVL_EBUSY, EVL_ENOMEM.
 * @since 0.1 */
EVL_API int32_t evl_getaddrinfo(evl_loop *loop, evl_op *op, const char *host, const char *service,
                                uint32_t flags, evl_addresses **out);

/* Looks up the names of an address. Completes with 0, and has then written the host's name and the service's
 * to the two buffers; either may be NULL with a size of 0, and the buffers are written only then. A host
 * without a name is its literal address, unless EVL_NAME_REQUIRED. May answer 1 (EVL_OP_SYNC) if nothing but
 * numbers is wanted. Completes with EVL_EAI_*, EVL_EAI_OVERFLOW among them (a buffer is too small),
 * EVL_ENOMEM, or what the system reported. Errors: EVL_EINVAL, EVL_EAI_FAMILY (not an IP address), EVL_EBUSY,
 * EVL_ENOMEM.
 * @since 0.1 */
EVL_API int32_t evl_getnameinfo(evl_loop *loop, evl_op *op, const void *address, uint32_t length,
                                uint32_t flags, char *host, size_t host_cap, char *service,
                                size_t service_cap);

/* How many addresses a list has; 0 for NULL. @thread any. @since 0.1 */
EVL_API int32_t evl_addresses_count(const evl_addresses *list);

/* The n-th address, from 0, and its length in *length (which may be NULL): borrowed from the list. NULL when
 * there is none. @thread any. @since 0.1 */
EVL_API const void *evl_addresses_at(const evl_addresses *list, int32_t n, uint32_t *length);

/* The host's canonical name, or "" if it was not asked for or there is none: borrowed from the list. @thread
 * any. @since 0.1 */
EVL_API const char *evl_addresses_canonical(const evl_addresses *list);

/* Frees a list; it may outlive the loop. NULL: nothing. @thread any. @since 0.1 */
EVL_API void evl_addresses_free(evl_addresses *list);

/* Reads a literal IPv4 or IPv6 address ("::1", "[::1]", "fe80::1%2", "fe80::1%eth0"), or a Unix path, which
 * contains a '/' or begins with '@' (Linux's abstract names). Writes up to cap bytes to address, and the
 * length to *length. port is not used for a path. Errors: EVL_EINVAL (none of these, or a port above 65535),
 * EVL_ENAMETOOLONG (a path), EVL_ENOBUFS (cap), EVL_ENXIO or what the system says (an interface that is not
 * there). @thread any. @since 0.1 */
EVL_API int32_t evl_address_parse(const char *text, uint32_t port, void *address, uint32_t cap,
                                  uint32_t *length);

/* Writes "127.0.0.1:80", "[::1]:80", a path, "@abstract", or "" for a Unix socket without a name. Answers the
 * length without the final 0; as much as cap has room for is written, and a final 0 (with cap 0 nothing).
 * EVL_EINVAL for what is no address, EVL_EAFNOSUPPORT for one of another family. @thread any. @since 0.1 */
EVL_API int32_t evl_address_text(const void *address, uint32_t length, char *buf, size_t cap);

/* The same without port and brackets. @thread any. @since 0.1 */
EVL_API int32_t evl_address_host(const void *address, uint32_t length, char *buf, size_t cap);

/* EVL_FAMILY_*, and the port in the host's byte order (0 for a path). Errors as evl_address_text. @thread
 * any. @since 0.1 */
EVL_API int32_t evl_address_family(const void *address, uint32_t length);
EVL_API int32_t evl_address_port(const void *address, uint32_t length);

#ifdef __cplusplus
}
#endif
#endif
