/* udp.h - private header of datagram sockets: udp.c (lifetime), udp_receive.c, udp_send.c, udp_option.c. */
#ifndef EVL_CORE_UDP_H
#define EVL_CORE_UDP_H

#include "../loop/watcher.h"
#include "shared.h"

#include <evloop/udp.h>
#include <sys/socket.h>

#define EVL_UDP_BURST 32    /* most datagrams of an event, in either direction */
#define EVL_UDP_BYTES 65536 /* most bytes of them */

enum {
    EVL_U_EDGE = 1,      /* edge-triggered; otherwise EVL_READ is watched only while a receiver waits */
    EVL_U_CAN_READ = 2,  /* an event was reported, and no receive has emptied the socket since */
    EVL_U_CONNECTED = 4, /* connected to an address */
    EVL_U_PUSH = 8,      /* push mode: a data callback or records */
    EVL_U_PAUSED = 0x10,
    EVL_U_REPORTED = 0x20, /* a record reported datagrams, and no receive was tried since */
    EVL_U_KEEP_FD = 0x40,
    EVL_U_UNBLOCK = 0x80,     /* O_NONBLOCK was set here and is cleared at the end */
    EVL_U_ONE_BY_ONE = 0x100, /* the system has no sendmmsg, recvmmsg */
    EVL_U_LARGE = 0x200       /* a Unix socket: datagrams may be larger than 64 KiB */
};

typedef struct evl_udp_socket {
    evl_watcher io;
    int fd; /* the fd to close, also when it is not watched any more; -1: none */
    uint32_t flags;
    int32_t error; /* of a queued datagram: returned by the next receive, drain or flush */
    int32_t lost;  /* why the fd is not watched any more, or 0 */

    /* Receiving. */
    evl_operation *reader; /* the pending receive: value is the buffer, until its size */
    void *reader_address;
    uint32_t *reader_length;
    struct sockaddr_storage from; /* sender of the datagram that is pushed */
    uint32_t from_len;
    uint32_t burst, burst_bytes; /* datagrams and bytes pushed in a row */

    /* Sending. The queue is bytes[head, tail). */
    char *bytes;
    size_t head, tail, cap;
    size_t queued; /* what evl_udp_queued returns */
    uint32_t high, low, hard;
    evl_link waiters; /* evl_operation.node: drain, flush */
    evl_op sender;    /* internal: pending while datagrams are queued */
} evl_udp_socket;

static inline bool evl_u_has(const evl_udp_socket *u, uint32_t flags) { return (u->flags & flags) != 0; }

static inline evl_udp_socket *evl_u_of(const evl_handle *handle) {
    return (evl_udp_socket *)(void *)(uintptr_t)handle;
}

static inline bool evl_u_pushes(const evl_udp_socket *u) {
    return (u->flags & (EVL_U_PUSH | EVL_U_PAUSED)) == EVL_U_PUSH;
}

/* udp.c */
int evl_udp_enter(const evl_udp *udp);        /* the checks of a call; an error also when the fd was lost */
void evl_udp_update_state(evl_udp_socket *u); /* which events are watched, whether it is active */
int64_t evl_udp_failure(void);                /* EVL_EAGAIN, or errno as an evloop error */
int evl_udp_take_error(evl_udp_socket *u);    /* returns `error` and clears it */

/* udp_receive.c */
void evl_udp_readable(evl_udp_socket *u); /* makes the pending receive, or the data callback, ready */
void evl_udp_end_receiving(evl_udp_socket *u, int error);
bool evl_udp_take(evl_handle *handle, int64_t *result);

/* udp_send.c */
void evl_udp_writable(evl_udp_socket *u);
void evl_udp_send_last(evl_udp_socket *u);              /* sends what the kernel accepts, before the close */
void evl_udp_end_sending(evl_udp_socket *u, int error); /* frees the queue, fails its waiters */
void evl_udp_init_sending(evl_udp_socket *u);

#endif
