/* peers.h - the echo servers that are compiled by themselves, and what they share with those of servers.h. */
#ifndef EVL_BENCH_PEERS_H
#define EVL_BENCH_PEERS_H

#include "bench.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MESSAGE 64   /* bytes */
#define ROOM    4096 /* a server's buffer */

extern uint64_t echo_left;       /* messages until echo_turn; 0: never */
extern void (*echo_turn)(void);  /* the benchmark's turn, inside the last callback */
extern void (*echo_ready)(void); /* everything is being watched; may be NULL */

static inline void echo_begin(void) {
    if (echo_ready)
        echo_ready();
}

/* A message has been sent back. */
static inline void echo_done(void) {
    if (--echo_left == 0)
        echo_turn();
}

/* Each serves until the other ends have closed; the sockets stay the caller's. */
void serve_coroutine(const int *fds, int n);      /* evloop's */
void serve_asio(const int *fds, int n);           /* by callbacks */
void serve_asio_coroutine(const int *fds, int n); /* by awaiting */
void serve_libevent(const int *fds, int n);
void serve_fiber(const int *fds, int n); /* evloop's */
void serve_libcoro(const int *fds, int n);

#ifdef __cplusplus
}
#endif
#endif
