/* server.h - private header of servers: server.c (lifetime), server_event.c, server_accept.c,
 * server_socket.c, server_listen.c and server_adopt.c; and the two functions that a stream calls on the
 * server that accepted it.
 *
 * A server has a listener for each socket. Listeners are level-triggered, and are watched only while the
 * program wants connections (an accept operation is pending, or a callback is set) and no limit is met. */
#ifndef EVL_CORE_SERVER_H
#define EVL_CORE_SERVER_H

#include "../loop/access.h"
#include "../loop/backoff.h"
#include "../loop/watcher.h"
#include "address.h"
#include "shared.h"

#define EVL_SERVER_BACKOFF_MIN (INT64_C(5) * 1000000)

/* A listening socket. The first one is the handle the caller has; the others are internal handles. */
typedef struct evl_listener {
    evl_watcher io;
    struct evl_server_state *of;
    struct evl_listener *next;
    bool tcp;
    bool may_accept;   /* an event was reported, and accept has not returned EAGAIN since */
    bool was_blocking; /* O_NONBLOCK was not set before the fd was adopted */
    char *path;        /* absolute path of a Unix socket to unlink at the end, or NULL */
    size_t path_size;
    dev_t path_dev; /* of the socket file that bind created */
    ino_t path_ino;
} evl_listener;

typedef struct evl_server_state {
    evl_listener *first;
    evl_loop *loop;
    evl_server_options options;
    evl_link clients;        /* evl_stream_handle.peers */
    evl_link waiters;        /* evl_operation.node: pending accepts */
    evl_operation *ready_op; /* the accept that was notified and has not run yet */
    evl_link idle_waiters;   /* evl_operation.node: on_idle */
    evl_backoff backoff;     /* retry timer at the fd limit */
    int64_t backoff_ns;
    uint64_t pass;        /* the pass that `accepted` counts in */
    uint32_t accepted;    /* connections accepted in it */
    uint32_t live;        /* connections, lingering ones included */
    uint32_t lingering;   /* of these, closed by the program and still sending */
    int32_t error;        /* not yet reported to the callback */
    int32_t socket_error; /* one of several sockets failed: the next accept returns this */
    int spare;   /* EVL_ACCEPT_SHED: reserve fd, closed to accept one connection at the fd limit; or -1 */
    int held_fd; /* accepted connection for which there was no memory, or -1 */
    bool held_tcp;
    bool pushes; /* a connection callback is set */
    bool paused, stopped;
} evl_server_state;

static inline evl_listener *evl_listener_of(const evl_handle *handle) {
    return (evl_listener *)(void *)(uintptr_t)handle;
}
static inline evl_server_state *evl_server_of(const evl_handle *handle) {
    return evl_listener_of(handle)->of;
}

static inline bool evl_server_is_full(const evl_server_state *sv) {
    return sv->options.max_connections != 0 && sv->live - sv->lingering >= sv->options.max_connections;
}

static inline bool evl_server_is_backing_off(const evl_server_state *sv) {
    return evl_linked(&sv->backoff.link);
}

/* A held connection or an error: the kernel will report no event for them. */
static inline bool evl_server_has_leftover(const evl_server_state *sv) {
    return sv->held_fd >= 0 || sv->socket_error != 0;
}

static inline int evl_server_enter(const evl_server *handle) {
    return evl_enter_handle(handle, EVL_KIND_SERVER);
}

static inline int evl_server_check_new(evl_loop *loop, evl_server **out) {
    int rc = evl_enter(loop);
    return rc != 0 ? rc : out ? 0 : EVL_EINVAL;
}

/* server.c */
int evl_server_new(evl_loop *loop, const evl_server_options *given, evl_server_state **out);

/* Adds a listening fd to the server, which then owns it. After an error the caller still does. */
int evl_server_add(evl_server_state *sv, int fd, bool tcp, evl_listener **out);

/* Frees a server that could not be completed, and returns `error`. keep_fds: its fds stay open and get back
 * the blocking mode they had. */
int evl_server_abandon(evl_server_state *sv, bool keep_fds, int error);

/* A stream of the server with this id was closed and lingers; or was freed. The server may be gone. */
void evl_server_lingers(evl_loop *loop, uint64_t id);
void evl_server_left(evl_loop *loop, uint64_t id, bool lingered);

/* server_event.c */
void evl_server_update(evl_server_state *sv); /* which events are wanted, and whether the handle is active */
void evl_server_notify(evl_server_state *sv); /* makes the first waiter, or else the callback, ready */
void evl_server_back_off(evl_server_state *sv);       /* stops accepting for a while */
void evl_server_retry(void *arg);                     /* that while is over */
int evl_server_open_spare(void);                      /* the reserve fd, or -1 */
bool evl_server_may_find(const evl_server_state *sv); /* whether an accept may return something */
void evl_server_fail_waiters(evl_server_state *sv, int error);
void evl_server_wake_idle(evl_server_state *sv, int error);
void evl_server_event(evl_handle *handle, uint32_t mask, int error);
bool evl_server_take(evl_handle *handle, int64_t *result);

/* server_socket.c */

/* Makes, binds and adds a listening socket. */
int evl_server_listen_at(evl_server_state *sv, const evl_sockaddr *address);
void evl_listener_remove_path(evl_listener *l); /* unlinks it if bind created it */
void evl_listener_forget_path(evl_listener *l); /* leaves the file alone */
void evl_listener_close(evl_listener *l);

#endif
