/* evloop/names.h - addresses and names: look-ups without blocking, and conversion to and from text.
 *
 *     evl_getaddrinfo(loop, &op, "localhost", "http", 0, &list);
 *     // and in the function of op:
 *     for (int32_t i = 0; i < evl_addresses_count(list); i++)
 *         address = evl_addresses_at(list, i, &length);
 *     evl_addresses_free(list);
 *
 * To connect to a name, evl_connect (connect.h) does all of this.
 *
 * An address is what the system's socket calls take: a struct sockaddr and its length. Look-ups run on a
 * pool of four threads of the loop's own (or by a resolver of the program's), so that a slow name server
 * holds up neither the loop nor the jobs of its executor. Literal addresses are converted at once and start
 * no thread. */
#ifndef EVLOOP_NAMES_H
#define EVLOOP_NAMES_H

#include "op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that are enough for any IP or Unix address. */
#define EVL_ADDRESS_SIZE 128
/* Bytes that are enough for the text of any address, its final 0 included. */
#define EVL_ADDRESS_TEXT 160

/* An address of one's own, of any family: a value that may be copied. Where a function takes an address and
 * its length, pass `data` and `length`; where one writes an address and returns its length, pass `data` and
 * sizeof its size, and store the result in `length`.
 *
 *     evl_address to;
 *     evl_address_from_text("127.0.0.1:5353", &to);
 *     evl_udp_send(udp, "hello", 5, to.data, to.length); */
typedef struct evl_address {
    uint64_t data[EVL_ADDRESS_SIZE / 8]; /* a struct sockaddr; 0 behind its end */
    uint32_t length;                     /* bytes of it; 0: no address */
    uint32_t reserved;                   /* 0 */
} evl_address;

/* Address families: the same numbers on every platform. */
enum { EVL_FAMILY_UNIX = 1, EVL_FAMILY_IPV4 = 4, EVL_FAMILY_IPV6 = 6 };

/* Flags of evl_getaddrinfo and evl_getnameinfo. */
enum {
    EVL_NAME_IPV4 = 1,             /* only IPv4 addresses; with EVL_NAME_IPV6, or neither: both */
    EVL_NAME_IPV6 = 2,             /* only IPv6 addresses */
    EVL_NAME_DATAGRAM = 4,         /* the service is a datagram service; else a stream service */
    EVL_NAME_PASSIVE = 8,          /* without a host: the addresses to bind to; else those of the loopback */
    EVL_NAME_NUMERIC_HOST = 16,    /* the host must be, or is wanted as, a literal address */
    EVL_NAME_NUMERIC_SERVICE = 32, /* the service must be, or is wanted as, a number */
    EVL_NAME_CANONICAL = 64,       /* ask for evl_addresses_canonical */
    EVL_NAME_CONFIGURED = 128,     /* only families of which this machine has an address */
    EVL_NAME_REQUIRED = 256        /* evl_getnameinfo: an address without a name is an error */
};

/* The result of a look-up: at least one address, in the order in which to try them; immutable and opaque. */
typedef struct evl_addresses evl_addresses;

/* Looks up the addresses of a host and a service.
 *
 * - `host`: a name or a literal IPv4 or IPv6 address ("fe80::1%eth0" too); copied. NULL or "": see
 *   EVL_NAME_PASSIVE.
 * - `service`: a number, a name, or NULL for port 0; copied. host and service must not both be NULL.
 * - `out`: *out is written right before the operation's function runs; the list is the caller's to free.
 *
 * Completes with the number of addresses, or with EVL_EAI_*, EVL_ENOMEM, or what the system reported. May
 * return 1 (EVL_OP_SYNC) for a literal host with a numeric or well-known service. A look-up that runs
 * cannot be interrupted: when the operation is cancelled, times out or is closed, its result is discarded.
 * Errors:
 * - EVL_EINVAL: out is NULL, host and service are NULL, or a flag is unknown.
 * - EVL_EAI_NONAME, EVL_EAI_ADDRFAMILY, EVL_EAI_SERVICE: host or service is wrong, known without a
 *   look-up.
 * - EVL_EBUSY: the operation is active.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_getaddrinfo(evl_loop *loop, evl_op *op, const char *host, const char *service,
                                uint32_t flags, evl_addresses **out);

/* --- another resolver ---
 *
 * A program may look names up itself, as with c-ares (adapters/cares.h). evl_getaddrinfo, and evl_connect and
 * all else that takes the name of a host, asks it for every host that is no literal address:
 *
 *     static int32_t resolve(void *self, evl_resolution *r, const char *host, const char *service,
 *                            uint32_t flags) {
 *         evl_resolution_add(r, address, length);
 *         return evl_resolution_end(r, 0); // now, or later
 *     }
 *
 *     evl_loop_set_resolver(loop, resolve, app); */

/* A look-up that is a resolver's to end; opaque. */
typedef struct evl_resolution evl_resolution;

/* Begins to look up a host and a service, with the flags of evl_getaddrinfo; service may be NULL. Both texts
 * are valid during the call. Returns 0, after which evl_resolution_end must be called exactly once, here or
 * later; or an error, which evl_getaddrinfo returns, and `r` is gone. Must not call anything else of the loop
 * that runs or ends it. */
typedef int32_t evl_resolve_fn(void *self, evl_resolution *r, const char *host, const char *service,
                               uint32_t flags);

/* Has names looked up by resolve(self, ...) from now on; NULL: by the system's resolver, as unless set.
 * evl_getnameinfo is not affected. Look-ups that have begun go on. `self` must stay valid as long as it is
 * set, and a resolver ends its look-ups also when the loop was destroyed meanwhile.
 * @since 0.1 */
EVL_API int32_t evl_loop_set_resolver(evl_loop *loop, evl_resolve_fn *resolve, void *self);

/* Adds an IPv4 or IPv6 address with its port, to be tried after those that were added before; it is copied.
 * Errors:
 * - EVL_EINVAL: not an address, or the look-up has ended.
 * - EVL_EAFNOSUPPORT: an address of another family.
 * - EVL_ENOMEM: out of memory, or more than 4096.
 * @since 0.1 */
EVL_API int32_t evl_resolution_add(evl_resolution *r, const void *address, uint32_t length);

/* Sets what evl_addresses_canonical returns; it is copied.
 * Errors:
 * - EVL_EINVAL: a NULL pointer, or the look-up has ended.
 * - EVL_ENAMETOOLONG: longer than a name may be.
 * @since 0.1 */
EVL_API int32_t evl_resolution_set_canonical(evl_resolution *r, const char *name);

/* Ends a look-up: with 0 and the addresses that were added, of which none is EVL_EAI_NODATA, or with an
 * error, EVL_EAI_* above all. `r` is gone then. To be called on the loop's thread, also when nothing waits
 * for it any more, because the operation was cancelled or the loop destroyed. Never runs the operation's
 * function inside this call. Errors, after which nothing has changed:
 * - EVL_EINVAL: r is NULL, or error is above 0.
 * @since 0.1 */
EVL_API int32_t evl_resolution_end(evl_resolution *r, int32_t error);

/* Looks up the names of an address.
 *
 * Completes with 0 after writing the host's name to `host` and the service's to `service`; either may be
 * NULL with a size of 0. Both buffers must stay valid until then and are written only then. A host without
 * a name gets its literal address, unless EVL_NAME_REQUIRED. Otherwise completes with EVL_EAI_OVERFLOW (a
 * buffer is too small), another EVL_EAI_*, EVL_ENOMEM, or what the system reported. May return 1
 * (EVL_OP_SYNC) if only numbers are wanted.
 * Errors:
 * - EVL_EAI_FAMILY: the address is not an IP address.
 * - EVL_EBUSY: the operation is active.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_getnameinfo(evl_loop *loop, evl_op *op, const void *address, uint32_t length,
                                uint32_t flags, char *host, size_t host_cap, char *service,
                                size_t service_cap);

/* Returns the number of addresses in a list; 0 for NULL. @thread any. @since 0.1 */
EVL_API int32_t evl_addresses_count(const evl_addresses *list);

/* Returns the n-th address, from 0, and stores its length in *length (length may be NULL). The address
 * belongs to the list. NULL when there is none. @thread any. @since 0.1 */
EVL_API const void *evl_addresses_at(const evl_addresses *list, int32_t n, uint32_t *length);

/* Returns the host's canonical name, which belongs to the list; "" without EVL_NAME_CANONICAL or when
 * there is none.
 * @thread any. @since 0.1 */
EVL_API const char *evl_addresses_canonical(const evl_addresses *list);

/* Frees a list; also after its loop was destroyed. NULL is allowed. @thread any. @since 0.1 */
EVL_API void evl_addresses_free(evl_addresses *list);

/* Converts text to an address: a literal IPv4 or IPv6 address ("::1", "[::1]", "fe80::1%2",
 * "fe80::1%eth0"), or a Unix path, which contains a '/' or begins with '@' (an abstract name on Linux).
 * Writes at most cap bytes to `address` and its length to *length. `port` is ignored for a path.
 * Errors:
 * - EVL_EINVAL: the text is none of these, or port is above 65535.
 * - EVL_ENAMETOOLONG: the path is too long.
 * - EVL_ENOBUFS: cap is too small.
 * - EVL_ENXIO, or what the system reports: there is no such interface.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_parse(const char *text, uint32_t port, void *address, uint32_t cap,
                                  uint32_t *length);

/* As evl_address_parse, with the port in the text, as evl_address_text writes it: "127.0.0.1:80", "[::1]:80",
 * "[fe80::1%eth0]:80", a path, "@abstract". Without a port ("127.0.0.1", "::1") it is 0.
 * Errors, after which out->length is 0: those of evl_address_parse.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_from_text(const char *text, evl_address *out);

/* Copies an IP or Unix address, a struct sockaddr, to *out.
 * Errors, after which out->length is 0:
 * - EVL_EINVAL: a NULL pointer, or not an address.
 * - EVL_EAFNOSUPPORT: an address of another family.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_set(evl_address *out, const void *address, uint32_t length);

/* Compares two addresses: returns 0 if they are the same, else -1 or 1, an order for sorting: none, Unix by
 * their paths, IPv4, IPv6, each by host, then port, then scope. Bytes of the structure that mean nothing are
 * left out. An IPv4 address is not the same as its form within IPv6. NULL counts as none.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_compare(const evl_address *a, const evl_address *b);

/* Converts an address to text: "127.0.0.1:80", "[::1]:80", a path, "@abstract", or "" for a Unix socket
 * without a name.
 *
 * Returns the length of the whole text without its final 0. Writes as much of it as cap allows, and a
 * final 0; nothing when cap is 0.
 * Errors:
 * - EVL_EINVAL: not an address.
 * - EVL_EAFNOSUPPORT: an address of another family.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_text(const void *address, uint32_t length, char *buf, size_t cap);

/* As evl_address_text, without port and brackets. @thread any. @since 0.1 */
EVL_API int32_t evl_address_host(const void *address, uint32_t length, char *buf, size_t cap);

/* Returns the address's family, EVL_FAMILY_*. Errors: those of evl_address_text. @thread any. @since 0.1 */
EVL_API int32_t evl_address_family(const void *address, uint32_t length);

/* Returns the address's port in the host's byte order; 0 for a path. Errors: those of evl_address_text.
 * @thread any. @since 0.1 */
EVL_API int32_t evl_address_port(const void *address, uint32_t length);

#ifdef __cplusplus
}
#endif
#endif
