/* evloop/udp.h - datagrams: UDP, and Unix sockets of type SOCK_DGRAM.
 *
 *     evl_address_from_text("127.0.0.1:5353", &own);
 *     evl_udp_open(loop, own.data, own.length, 0, &udp);
 *     evl_udp_on_data(udp, received, app);                     // received(app, length), see evl_udp_peek
 *     evl_udp_send(udp, "hello", 5, to, to_length);            // never blocks
 *
 * A socket sends at once what the kernel accepts and queues the rest. It receives by operations, one at a
 * time; in batches without waiting; or through a callback for each datagram. An error that the network
 * reports (EVL_ECONNREFUSED, for example) is delivered once and does not end the socket.
 *
 * In a forked child, after evl_loop_fork, the socket is still its parent's too: either may send, whichever
 * asks first receives, what the parent had queued is dropped in the child, and closing it there closes the
 * child's fd.
 *
 * An address is a struct sockaddr and its length, as the system's calls take it; names.h makes them. */
#ifndef EVLOOP_UDP_H
#define EVLOOP_UDP_H

#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of evl_udp_open and evl_udp_open_fd. */
enum {
    EVL_UDP_REUSEADDR = 1, /* other sockets may bind the address, if they have the flag too */
    EVL_UDP_REUSEPORT = 2, /* as REUSEADDR, and the kernel spreads what arrives over all of them */
    EVL_UDP_V6ONLY = 4,    /* an IPv6 socket that does not take IPv4 */
    EVL_UDP_BROADCAST = 8, /* may send to broadcast addresses */
    EVL_UDP_IPV6 = 16,     /* without an address: an IPv6 socket instead of an IPv4 one */
    EVL_UDP_KEEP_FD = 32   /* evl_udp_open_fd: closing the handle does not close the fd */
};

/* Makes a socket and binds it to an address. Port 0 lets the kernel choose. address NULL binds it when it
 * first sends.
 * Errors:
 * - EVL_EADDRINUSE, EVL_EADDRNOTAVAIL, EVL_EACCES: the address cannot be bound.
 * - EVL_ENOTSUP: EVL_UDP_REUSEPORT, where the platform has none.
 * - EVL_EMFILE, EVL_ENOMEM: out of file descriptors or memory.
 * @since 0.1 */
EVL_API int32_t evl_udp_open(evl_loop *loop, const void *address, uint32_t length, uint32_t flags,
                             evl_udp **out);

/* Takes over an open datagram socket and makes it non-blocking. EVL_UDP_KEEP_FD is the only flag allowed;
 * with it a socket that was blocking is made so again when the handle is closed. On an error the fd is the
 * caller's.
 * Errors:
 * - EVL_EBADF: the fd is not open.
 * - EVL_ENOTSOCK, EVL_EPROTOTYPE: not a socket, or not a datagram socket.
 * - EVL_EEXIST: the fd is watched already.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_udp_open_fd(evl_loop *loop, evl_fd fd, uint32_t flags, evl_udp **out);

/* Sets the address to which datagrams go by default and from which alone they are received; address NULL
 * removes it.
 * Errors:
 * - EVL_EBUSY: datagrams are queued.
 * - and what the system reports.
 * @since 0.1 */
EVL_API int32_t evl_udp_connect(evl_udp *udp, const void *address, uint32_t length);

/* --- sending ---
 *
 * No call here waits. A datagram that the kernel does not accept now is copied and queued, and the order
 * is kept. To slow down a sender, wait with evl_udp_drain (little is queued) or evl_udp_flush (nothing is
 * queued). */

/* What a queued datagram counts for besides its bytes. */
#define EVL_UDP_OVERHEAD 32

/* Sends a datagram, which may be empty, to `address`; NULL is the connected address. `data` and `address`
 * may be reused when the call returns. Returns len when the datagram was sent or queued.
 * Errors, after which nothing was sent:
 * - EVL_EDESTADDRREQ: no address.
 * - EVL_EISCONN: another address than the connected one.
 * - EVL_EMSGSIZE: too large for a datagram.
 * - EVL_ENOBUFS: the queue's hard limit (evl_udp_set_marks), or the kernel's.
 * - EVL_EACCES: a broadcast address without EVL_UDP_BROADCAST.
 * - EVL_ECONNREFUSED, and what else the network reported of an earlier datagram; try again.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int64_t evl_udp_send(evl_udp *udp, const void *data, size_t len, const void *address,
                             uint32_t length);

/* A datagram to send: evl_udp_send_many. */
typedef struct evl_udp_out {
    const void *data;    /* borrowed until the call returns */
    size_t len;          /* bytes */
    const void *address; /* NULL: the connected address */
    uint32_t length;     /* of the address */
    uint32_t reserved;   /* 0 */
} evl_udp_out;

/* Sends n datagrams in order, many with one system call where the platform can. Returns how many were sent
 * or queued; when that is fewer than n, the next one failed. An error is returned when the first one
 * failed; errors are those of evl_udp_send. @since 0.1 */
EVL_API int32_t evl_udp_send_many(evl_udp *udp, const evl_udp_out *rows, int32_t n);

/* Completes with 0 when sending may go on: at once while no more than the high mark is queued, else when
 * the queue has sunk to the low mark. Completes with the error of a queued datagram that no receive has
 * reported. Any number of operations may wait. May return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active.
 * @since 0.1 */
EVL_API int32_t evl_udp_drain(evl_udp *udp, evl_op *op);

/* As evl_udp_drain, but completes when nothing is queued. @since 0.1 */
EVL_API int32_t evl_udp_flush(evl_udp *udp, evl_op *op);

/* Sets marks and limit of the queue, in bytes, with EVL_UDP_OVERHEAD for each datagram. Takes effect at
 * once.
 *
 * - `high`: above it evl_udp_drain waits; 64 KiB unless set.
 * - `low`: what evl_udp_drain waits for; 16 KiB unless set; UINT32_MAX: a quarter of high.
 * - `hard`: more is never queued (EVL_ENOBUFS); 0, as unless set: no limit.
 * Errors:
 * - EVL_EINVAL: low is above high.
 * @since 0.1 */
EVL_API int32_t evl_udp_set_marks(evl_udp *udp, uint32_t high, uint32_t low, uint32_t hard);

/* Returns how much is queued, counted as evl_udp_set_marks does. @since 0.1 */
EVL_API int64_t evl_udp_queued(const evl_udp *udp);

/* --- receiving ---
 *
 * A result is the length of a datagram; 0 is an empty one. EVL_EMSGSIZE is a datagram longer than the
 * buffer: the buffer is full and the rest is lost. Errors of the network are delivered once each, and
 * receiving goes on. */

/* Completes when a datagram has arrived, with its length, after writing it to buf (cap bytes), and its
 * sender's address to `address` (EVL_ADDRESS_SIZE bytes) and *length. address and length may be NULL; all
 * must stay valid until then. A receive that is cancelled, closed or times out has consumed nothing. May
 * return 1 (EVL_OP_SYNC).
 * Errors:
 * - EVL_EBUSY: the operation is active, another receive is pending, or the socket is in push mode.
 * @since 0.1 */
EVL_API int32_t evl_udp_receive(evl_udp *udp, evl_op *op, void *buf, size_t cap, void *address,
                                uint32_t *length);

/* As evl_udp_receive, without waiting: returns what the operation would complete with.
 * Errors:
 * - EVL_EAGAIN: there is no datagram.
 * - EVL_EBUSY: a receive is pending.
 * @since 0.1 */
EVL_API int64_t evl_udp_try_receive(evl_udp *udp, void *buf, size_t cap, void *address, uint32_t *length);

/* Room for a datagram: evl_udp_try_receive_many. */
typedef struct evl_udp_in {
    void *data;      /* where it is stored */
    size_t cap;      /* bytes of room */
    void *address;   /* room of EVL_ADDRESS_SIZE bytes, or NULL */
    uint32_t length; /* written: length of the address */
    int32_t result;  /* written: length of the datagram, or EVL_EMSGSIZE */
} evl_udp_in;

/* Receives up to n datagrams without waiting, many with one system call where the platform can. Returns
 * how many. Errors, when there was none before: those of evl_udp_try_receive. @since 0.1 */
EVL_API int32_t evl_udp_try_receive_many(evl_udp *udp, evl_udp_in *rows, int32_t n);

/* Starts push mode: fn(arg, result) runs for each datagram, with its length or an error; evl_udp_peek
 * gives access to it until fn returns. At most 32 datagrams or 64 KiB are delivered in a pass.
 *
 * fn NULL produces a record of EVL_KIND_UDP with `arg` as user_data when datagrams have arrived: result
 * EVL_READ, or an error. Receive them with evl_udp_try_receive_many or evl_udp_try_receive; the next
 * record comes only after that.
 *
 * The handle's own argument (evl_arg), which a drop gets, is another and stays as it is.
 * Errors:
 * - EVL_EBUSY: a receive is pending.
 * - EVL_ENOMEM: out of memory.
 * @since 0.1 */
EVL_API int32_t evl_udp_on_data(evl_udp *udp, evl_done_fn *fn, void *arg);

/* In the callback of evl_udp_on_data: returns the datagram's length, and stores where it lies and its
 * sender; each pointer may be NULL. Of a datagram that came with EVL_EMSGSIZE, as much as there was room
 * for.
 * Errors:
 * - EVL_EAGAIN: not in the callback.
 * @since 0.1 */
EVL_API int64_t evl_udp_peek(const evl_udp *udp, const void **data, const void **address, uint32_t *length);

/* Pauses push mode: a callback that is queued is cancelled, and operations may receive. Pausing twice is
 * no error.
 * @since 0.1 */
EVL_API int32_t evl_udp_pause(evl_udp *udp);

/* Resumes push mode. Resuming twice is no error.
 * Errors:
 * - EVL_EINVAL: evl_udp_on_data was not called.
 * @since 0.1 */
EVL_API int32_t evl_udp_resume(evl_udp *udp);

/* --- the socket ---
 *
 * evl_close (handle.h) completes pending operations with EVL_ECLOSED, tries once to send what is queued,
 * discards the rest, and closes the fd. */

/* Returns the socket's fd; -1 when it was closed by another part of the program. @since 0.1 */
EVL_API evl_fd evl_udp_fd(const evl_udp *udp);

/* Writes the socket's own address, a struct sockaddr, to `address`, at most cap bytes. Returns its length,
 * which may be more than cap. @since 0.1 */
EVL_API int32_t evl_udp_local(const evl_udp *udp, void *address, uint32_t cap);

/* As evl_udp_local, the connected address.
 * Errors:
 * - EVL_ENOTCONN: there is none.
 * @since 0.1 */
EVL_API int32_t evl_udp_peer(const evl_udp *udp, void *address, uint32_t cap);

/* Options of evl_udp_set_option. */
enum {
    EVL_UDP_OPT_BROADCAST = 1,           /* 1: may send to broadcast addresses */
    EVL_UDP_OPT_TTL = 2,                 /* hops that a datagram may make: 1 to 255 */
    EVL_UDP_OPT_MULTICAST_TTL = 3,       /* hops of a datagram to a group: 0 to 255; 1 unless set */
    EVL_UDP_OPT_MULTICAST_LOOP = 4,      /* 1, as unless set: this machine gets what it sends to its groups */
    EVL_UDP_OPT_MULTICAST_INTERFACE = 5, /* index of the interface to send to groups by; 0: the system's */
    EVL_UDP_OPT_SEND_BUFFER = 6,         /* bytes that the kernel holds for sending; it may round */
    EVL_UDP_OPT_RECEIVE_BUFFER = 7       /* bytes that the kernel holds for receiving; it may round */
};

/* Sets an option of the socket.
 * Errors:
 * - EVL_EINVAL: there is no such option, or the value is out of range.
 * - EVL_ENOTSUP: not with this family or platform.
 * - and what the system reports.
 * @since 0.1 */
EVL_API int32_t evl_udp_set_option(evl_udp *udp, int32_t option, int32_t value);

/* Joins a multicast group on an interface.
 *
 * - `group`: an address of the socket's family; its port is ignored.
 * - `interface_index`: 0 lets the system choose.
 * - `source`: receive only what this address sends to the group; NULL: from any sender.
 * Errors:
 * - EVL_EADDRINUSE: joined already.
 * - EVL_ENODEV: there is no such interface.
 * - EVL_ENOTSUP: not on this platform.
 * - and what the system reports.
 * @since 0.1 */
EVL_API int32_t evl_udp_join(evl_udp *udp, const void *group, uint32_t group_length, uint32_t interface_index,
                             const void *source, uint32_t source_length);

/* Leaves a multicast group; parameters as evl_udp_join.
 * Errors:
 * - EVL_EADDRNOTAVAIL: not joined.
 * - and those of evl_udp_join.
 * @since 0.1 */
EVL_API int32_t evl_udp_leave(evl_udp *udp, const void *group, uint32_t group_length,
                              uint32_t interface_index, const void *source, uint32_t source_length);

#ifdef __cplusplus
}
#endif
#endif
