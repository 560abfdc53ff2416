/* server.h - servers from the inside: server.c (their life), server_event.c, server_accept.c,
 * server_socket.c, server_listen.c and server_adopt.c; and what a stream knows of the server that accepted
 * it.
 *
 * A server has a listener for each socket. Listeners are level-triggered, and the kernel is asked only while
 * somebody wants connections and there is room for them. */
#ifndef EVL_CORE_SERVER_H
#define EVL_CORE_SERVER_H

#include "../loop/access.h"
#include "../loop/backoff.h"
#include "../loop/watcher.h"
#include "address.h"
#include "shared.h"

#define EVL_SERVER_BACKOFF_MIN (INT64_C(5) * 1000000)

/* A socket that listens. The user's handle is the first; the others are hidden behind it. */
typedef struct evl_listener {
    evl_watcher io;
    struct evl_server_state *of;
    struct evl_listener *next;
    bool tcp;
    bool may_accept;   /* reported, and not found empty since */
    bool was_blocking; /* before it was adopted */
    char *path;        /* a Unix path that is ours to remove, NULL: none; absolute */
    size_t path_size;
    dev_t path_dev; /* of what we have made there */
    ino_t path_ino;
} evl_listener;

typedef struct evl_server_state {
    evl_listener *first;
    evl_loop *loop;
    evl_server_options options;
    evl_link clients;      /* evl_stream_handle.peers */
    evl_link waiting;      /* evl_operation.node: accept */
    evl_operation *trying; /* the first of them, while it is ready */
    evl_link idlers;       /* evl_operation.node: on_idle */
    evl_rest backoff;      /* at the fd limit */
    int64_t backoff_ns;
    uint64_t pass; /* of which `accepted` counts */
    uint32_t accepted;
    uint32_t live;      /* connections */
    uint32_t lingering; /* of these, closed by their user */
    int32_t error;      /* to be reported */
    int32_t lost;       /* why one of several sockets is no more: the next accept returns it */
    int spare;          /* EVL_ACCEPT_SHED: an fd to close when there is none left */
    int parked;         /* a connection that there was no memory for, or -1 */
    bool parked_tcp;
    bool pushes; /* evl_server_on_connection */
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

/* What no event will speak of. */
static inline bool evl_server_has_leftover(const evl_server_state *sv) {
    return sv->parked >= 0 || sv->lost != 0;
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
int evl_server_add(evl_server_state *sv, int fd, bool tcp, evl_listener **out);
int evl_server_abandon(evl_server_state *sv, bool keep_fds, int error);

/* Of the server of this id, if it is still there: a stream was closed and lingers; one is gone for good. */
void evl_server_lingers(evl_loop *loop, uint64_t id);
void evl_server_left(evl_loop *loop, uint64_t id, bool lingered);

/* server_event.c */
void evl_server_update(evl_server_state *sv);
void evl_server_notify(evl_server_state *sv);
void evl_server_back_off(evl_server_state *sv);
void evl_server_retry(void *arg);
int evl_server_open_spare(void);
bool evl_server_may_find(const evl_server_state *sv);
void evl_server_fail_waiters(evl_server_state *sv, int error);
void evl_server_wake_idle(evl_server_state *sv, int error);
void evl_server_event(evl_handle *handle, uint32_t mask, int error);
bool evl_server_take(evl_handle *handle, int64_t *result);

/* server_socket.c */
int evl_server_listen_at(evl_server_state *sv, const evl_address *address);
void evl_listener_remove_path(evl_listener *l);
void evl_listener_close(evl_listener *l);

#endif
