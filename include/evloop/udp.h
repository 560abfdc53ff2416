/* evloop/udp.h - datagrams: UDP, and Unix sockets of datagrams.
 *
 * A socket sends at once what the kernel takes and queues the rest; it receives by operations, one at a time,
 * in batches without waiting, or through a callback. Errors that come back from the network (EVL_ECONNREFUSED
 * for one) are told and do not end it.
 *
 * An address is what the system's socket calls take: a struct sockaddr and its length (names.h makes them).
 */
#ifndef EVLOOP_UDP_H
#define EVLOOP_UDP_H

#include "names.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of evl_udp_open. */
enum {
    EVL_UDP_REUSEADDR = 1, /* others may have bound the address, if they say so too */
    EVL_UDP_REUSEPORT = 2, /* likewise, and the kernel spreads what comes in over all of them */
    EVL_UDP_V6ONLY = 4,    /* an IPv6 socket that is not IPv4's as well */
    EVL_UDP_BROADCAST = 8, /* may send to broadcast addresses */
    EVL_UDP_IPV6 = 16,     /* without an address: an IPv6 socket; else it is IPv4 */
    EVL_UDP_KEEP_FD =
        32 /* evl_udp_open_fd: the fd stays the caller's, closing the handle does not close it */
};

/* Makes a socket and binds it to an address of any family: port 0 is one of the kernel's choice. address NULL
 * binds it when it first sends. Errors: EVL_EINVAL, EVL_EADDRINUSE, EVL_EADDRNOTAVAIL, EVL_EACCES,
 * EVL_EMFILE, EVL_ENOTSUP (EVL_UDP_REUSEPORT, where there is none), EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_udp_open(evl_loop *loop, const void *address, uint32_t length, uint32_t flags,
                             evl_udp **out);

/* Takes over a datagram socket that is open already. It is made non-blocking, and with EVL_UDP_KEEP_FD, the
 * only flag here, made blocking again at the end if it was so. On an error the fd is the caller's. Errors:
 * EVL_EBADF, EVL_ENOTSOCK, EVL_EPROTOTYPE (a socket that has no datagrams), EVL_EEXIST (somebody watches it),
 * EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int32_t evl_udp_open_fd(evl_loop *loop, evl_fd fd, uint32_t flags, evl_udp **out);

/* Sets the address that is sent to, and the only one that is received from, at once; address NULL ends that.
 * Errors: EVL_EBUSY (datagrams are queued), and those of the system. @since 0.1 */
EVL_API int32_t evl_udp_connect(evl_udp *udp, const void *address, uint32_t length);

/* --- sending -----------------------------------------------------------------------------------
 *
 * Nothing here waits. A datagram that the kernel does not take now is copied and queued, and the order is
 * kept. What one waits for is evl_udp_drain (little enough is queued) or evl_udp_flush (nothing is). */

/* What a queued datagram counts for besides its bytes. */
#define EVL_UDP_OVERHEAD 32

/* Sends a datagram, which may be empty. address NULL: to the connected one. Answers len when it was sent or
 * queued. Errors, and nothing was sent: EVL_EDESTADDRREQ (no address), EVL_EISCONN (another address than the
 * connected one), EVL_EMSGSIZE (too large), EVL_ENOBUFS (the hard limit, or the kernel's), EVL_ECONNREFUSED
 * and what else the network has answered to an earlier one, EVL_EACCES, EVL_EINVAL, EVL_ENOMEM. @since 0.1 */
EVL_API int64_t evl_udp_send(evl_udp *udp, const void *data, size_t len, const void *address,
                             uint32_t length);

/* A datagram to send. */
typedef struct evl_udp_out {
    const void *data;
    size_t len;
    const void *address; /* NULL: the connected one */
    uint32_t length;     /* of the address */
    uint32_t reserved;   /* 0 */
} evl_udp_out;

/* Sends n datagrams in their order, with one system call for many where the platform has that. Answers how
 * many were sent or queued. When that is fewer than n, the next one failed, and an error is answered when it
 * was the first: those of evl_udp_send. @since 0.1 */
EVL_API int32_t evl_udp_send_many(evl_udp *udp, const evl_udp_out *rows, int32_t n);

/* Completes with 0 when sending may go on: at once while no more than the high mark is queued, else when it
 * has sunk to the low mark. Or with EVL_ECLOSED, or with an error that a queued datagram has met and that
 * nobody who receives has been told. Any number may wait. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY,
 * EVL_EINVAL.
 * @since 0.1 */
EVL_API int32_t evl_udp_drain(evl_udp *udp, evl_op *op);

/* Completes with 0 when nothing is queued. Likewise. @since 0.1 */
EVL_API int32_t evl_udp_flush(evl_udp *udp, evl_op *op);

/* Marks and limit, in bytes with EVL_UDP_OVERHEAD for each datagram. high: above it evl_udp_drain waits (64
 * KiB); low: what it waits for (16 KiB; UINT32_MAX: a quarter of high); hard: more is never queued, 0: no
 * limit. Takes effect at once. Errors: EVL_EINVAL (low above high). @since 0.1 */
EVL_API int32_t evl_udp_set_marks(evl_udp *udp, uint32_t high, uint32_t low, uint32_t hard);

/* How much is queued, counted in the same way. @since 0.1 */
EVL_API int64_t evl_udp_queued(const evl_udp *udp);

/* --- receiving ---------------------------------------------------------------------------------
 *
 * A number is the length of a datagram, 0 an empty one. A datagram that is longer than the room for it is
 * told by EVL_EMSGSIZE: as much as there is room for has been written, and the rest is lost. Errors of the
 * network are told likewise, each once, and the next datagram is received as if nothing had been. */

/* Completes when a datagram has come: it has been written to buf, of cap bytes, and who sent it to address,
 * of EVL_ADDRESS_SIZE bytes, and *length. address and length may be NULL; all must stay until then. Taking
 * happens when the completion is delivered: a receive that is cancelled, closed or times out has taken
 * nothing. May answer 1 (EVL_OP_SYNC). Errors: EVL_EBUSY (another one is pending, or datagrams are pushed),
 * EVL_EINVAL.
 * @since 0.1 */
EVL_API int32_t evl_udp_receive(evl_udp *udp, evl_op *op, void *buf, size_t cap, void *address,
                                uint32_t *length);

/* The same without waiting: answers what the operation would complete with, EVL_EAGAIN when there is nothing,
 * EVL_EBUSY while an operation is pending. @since 0.1 */
EVL_API int64_t evl_udp_try_receive(evl_udp *udp, void *buf, size_t cap, void *address, uint32_t *length);

/* Room for a datagram, and what came. */
typedef struct evl_udp_in {
    void *data;
    size_t cap;
    void *address;   /* room of EVL_ADDRESS_SIZE bytes, or NULL */
    uint32_t length; /* written: of the address */
    int32_t result;  /* written: the datagram's length, or EVL_EMSGSIZE */
} evl_udp_in;

/* Receives up to n datagrams without waiting, with one system call for many where the platform has that.
 * Answers how many; errors as evl_udp_try_receive, when there was none before. @since 0.1 */
EVL_API int32_t evl_udp_try_receive_many(evl_udp *udp, evl_udp_in *rows, int32_t n);

/* From now on fn(arg, result) is called for each datagram, which evl_udp_peek lends until the callback
 * returns; result is its length or an error. 32 of them, or 64 KiB, are taken in a pass, and the rest in the
 * next. fn NULL: a record of EVL_KIND_UDP, with EVL_READ as result and `arg` as user_data, says that
 * datagrams are there; they are taken with evl_udp_try_receive_many or evl_udp_try_receive, and only after
 * that there is another record. Its result may be an error instead. Errors: EVL_EBUSY (a receive is pending),
 * EVL_ENOMEM.
 * @since 0.1 */
EVL_API int32_t evl_udp_on_data(evl_udp *udp, evl_done_fn *fn, void *arg);

/* Inside the callback: answers the datagram's length, and says where it lies and who sent it; each pointer
 * may be NULL. Of one that came with EVL_EMSGSIZE, as much as there was room for. EVL_EAGAIN: there is none.
 * @since 0.1 */
EVL_API int64_t evl_udp_peek(const evl_udp *udp, const void **data, const void **address, uint32_t *length);

/* Pauses and resumes pushing: while it is paused a push that was due is taken back, and operations may
 * receive. Calling them twice is no error. Resuming needs evl_udp_on_data: EVL_EINVAL. @since 0.1 */
EVL_API int32_t evl_udp_pause(evl_udp *udp);
EVL_API int32_t evl_udp_resume(evl_udp *udp);

/* --- the socket --------------------------------------------------------------------------------
 *
 * evl_close (handle.h) completes what is pending with EVL_ECLOSED, tries once to send what is queued, drops
 * the rest, and closes the fd. */

/* Its fd, or -1 when that was closed behind its back. @since 0.1 */
EVL_API evl_fd evl_udp_fd(const evl_udp *udp);

/* Its own address and the connected one, as a struct sockaddr of up to cap bytes. Answers the length, which
 * may be more. EVL_ENOTCONN. @since 0.1 */
EVL_API int32_t evl_udp_local(const evl_udp *udp, void *address, size_t cap);
EVL_API int32_t evl_udp_peer(const evl_udp *udp, void *address, size_t cap);

/* evl_udp_set_option names. */
enum {
    EVL_UDP_OPT_BROADCAST = 1,      /* 1: may send to broadcast addresses */
    EVL_UDP_OPT_TTL = 2,            /* how many hops what is sent may make: 1 to 255 */
    EVL_UDP_OPT_MULTICAST_TTL = 3,  /* the same of what is sent to a group: 0 to 255; 1 unless set */
    EVL_UDP_OPT_MULTICAST_LOOP = 4, /* 1: this machine gets what it sends to its groups; so unless set */
    EVL_UDP_OPT_MULTICAST_INTERFACE =
        5,                       /* the interface that groups are sent to by; 0: the system's choice */
    EVL_UDP_OPT_SEND_BUFFER = 6, /* bytes that the kernel holds; it may round */
    EVL_UDP_OPT_RECEIVE_BUFFER = 7
};

/* EVL_EINVAL (no such option, or value), EVL_ENOTSUP (not with this family or platform), and those of the
 * system.
 * @since 0.1 */
EVL_API int32_t evl_udp_set_option(evl_udp *udp, int32_t option, int32_t value);

/* Joins and leaves a multicast group, by the interface of that index (0: the system's choice), and with
 * source only what that address sends there; NULL: what anybody does. Both are addresses of the socket's
 * family, whose ports do not matter. Errors: EVL_EINVAL, EVL_ENOTSUP (the platform), EVL_EADDRINUSE (joined
 * already), EVL_EADDRNOTAVAIL (not joined), EVL_ENODEV and what else the system answers. @since 0.1 */
EVL_API int32_t evl_udp_join(evl_udp *udp, const void *group, uint32_t group_length, uint32_t interface_index,
                             const void *source, uint32_t source_length);
EVL_API int32_t evl_udp_leave(evl_udp *udp, const void *group, uint32_t group_length,
                              uint32_t interface_index, const void *source, uint32_t source_length);

#ifdef __cplusplus
}
#endif
#endif
