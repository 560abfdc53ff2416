/* udp.h - datagram sockets from the inside: udp.c (their life), udp_receive.c, udp_send.c, udp_option.c. */
#ifndef EVL_CORE_UDP_H
#define EVL_CORE_UDP_H

#include "../loop/watcher.h"
#include "shared.h"

#include <evloop/udp.h>
#include <sys/socket.h>

#define EVL_UDP_BURST 32    /* datagrams of an event, in either direction */
#define EVL_UDP_BYTES 65536 /* or so many bytes */

enum {
    EVL_U_EDGE = 1,      /* the kernel reports changes; else it is asked while somebody waits */
    EVL_U_CAN_READ = 2,  /* a receive may find something: there was an event, and no end of it seen since */
    EVL_U_CONNECTED = 4, /* has an address to send to */
    EVL_U_PUSH = 8,      /* datagrams are pushed */
    EVL_U_PAUSED = 0x10,
    EVL_U_TOLD = 0x20, /* a record said that there are datagrams, and nobody has looked yet */
    EVL_U_KEEP_FD = 0x40,
    EVL_U_UNBLOCK = 0x80,     /* O_NONBLOCK is ours and goes at the end */
    EVL_U_ONE_BY_ONE = 0x100, /* the system has no batches */
    EVL_U_LARGE = 0x200       /* datagrams may be larger than IP's */
};

typedef struct evl_udp_socket {
    evl_watcher io;
    int fd; /* ours to close, which it may be without being watched any more */
    uint32_t flags;
    int32_t error; /* of a queued datagram: to be told to whoever receives next, or waits */
    int32_t lost;  /* why there is no fd any more, or 0 */

    /* Receiving. */
    evl_operation *reader; /* its value is the buffer, its until the room there */
    void *reader_address;
    uint32_t *reader_length;
    struct sockaddr_storage from; /* who sent what was pushed */
    uint32_t from_len;
    uint32_t burst, burst_bytes; /* pushed in a row */

    /* Sending. What is queued lies in one piece, bytes[head, tail). */
    char *bytes;
    size_t head, tail, cap;
    size_t queued; /* as evl_udp_queued counts; 0: nothing */
    uint32_t high, low, hard;
    evl_link waiters; /* evl_operation.node: drain, flush */
    evl_op sender;    /* waits for room in the kernel while something is queued */
} evl_udp_socket;

static inline bool evl_u_has(const evl_udp_socket *u, uint32_t flags) { return (u->flags & flags) != 0; }

static inline evl_udp_socket *evl_u_of(const evl_handle *handle) {
    return (evl_udp_socket *)(void *)(uintptr_t)handle;
}

static inline bool evl_u_pushes(const evl_udp_socket *u) {
    return (u->flags & (EVL_U_PUSH | EVL_U_PAUSED)) == EVL_U_PUSH;
}

/* udp.c */
int evl_udp_enter(const evl_udp *udp);     /* and the fd is there */
void evl_udp_settle(evl_udp_socket *u);    /* after a change of either side: what is wanted, is it active */
int64_t evl_udp_failure(void);             /* errno's code */
int evl_udp_take_error(evl_udp_socket *u); /* 0: there is none to tell */

/* udp_receive.c */
void evl_udp_readable(evl_udp_socket *u); /* whoever receives looks */
void evl_udp_end_receiving(evl_udp_socket *u, int error);
bool evl_udp_take(evl_handle *handle, int64_t *result);

/* udp_send.c */
void evl_udp_writable(evl_udp_socket *u);
void evl_udp_send_last(evl_udp_socket *u);              /* tries once with all that is queued */
void evl_udp_end_sending(evl_udp_socket *u, int error); /* drops the queue; who waits hears of it */
void evl_udp_init_sending(evl_udp_socket *u);

#endif
