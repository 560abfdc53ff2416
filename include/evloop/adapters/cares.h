/* evloop/adapters/cares.h - DNS by c-ares: a channel on a loop.
 *
 *     static void found(void *arg, int status, int timeouts, struct ares_addrinfo *list) {
 *         if (status == ARES_SUCCESS)
 *             use(list->nodes);
 *         ares_freeaddrinfo(list);
 *     }
 *
 *     evl_cares_new(loop, NULL, 0, &cares);
 *     ares_getaddrinfo(evl_cares_channel(cares), "example.org", "http", &hints, found, app);
 *
 * For many look-ups at once, and for records that evl_getaddrinfo does not give (MX, SRV, TXT): its threads
 * are four, unless evl_cares_use(cares) has it ask c-ares, too. Only this header: link c-ares, 1.16 or newer,
 * and evloop. */
#ifndef EVLOOP_ADAPTERS_CARES_H
#define EVLOOP_ADAPTERS_CARES_H

#include <sys/select.h> /* ares.h wants it */

#include <ares.h>
#include <evloop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

struct evl_cares;

/* A socket of c-ares. */
typedef struct evl_cares_socket {
    struct evl_cares_socket *next;
    struct evl_cares *owner;
    evl_io *io;
    ares_socket_t fd;
} evl_cares_socket;

/* A channel on a loop; its members are the adapter's. */
typedef struct evl_cares {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    ares_channel channel;
    evl_timer *timer; /* fires when c-ares has something to repeat or to give up, or sooner */
    evl_cares_socket *sockets;
    int32_t resolves; /* evl_cares_use */
} evl_cares;

/* Starts the timer for what c-ares waits for. c-ares walks over all of its queries for it. */
static inline void evl_cares_update(evl_cares *c) {
    struct timeval left, *t = ares_timeout(c->channel, NULL, &left);
    if (t)
        (void)evl_timer_start_in(c->timer, (int64_t)t->tv_sec * EVL_SECOND + (int64_t)t->tv_usec * EVL_US, 0);
    else
        (void)evl_timer_stop(c->timer);
}

static inline void evl_cares_timed_out(void *arg, int64_t expirations) {
    evl_cares *c = (evl_cares *)arg;
    (void)expirations;
    ares_process_fd(c->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    evl_cares_update(c);
}

/* A socket that was closed or lost is ready for everything: c-ares finds what is wrong with it. */
static inline void evl_cares_ready(void *arg, int64_t mask) {
    evl_cares_socket *s = (evl_cares_socket *)arg;
    evl_cares *c = s->owner;
    ares_process_fd(c->channel, mask < 0 || (mask & (EVL_READ | EVL_HUP | EVL_ERR)) ? s->fd : ARES_SOCKET_BAD,
                    mask < 0 || (mask & EVL_WRITE) ? s->fd : ARES_SOCKET_BAD);
    if (!c->sockets)
        (void)evl_timer_stop(c->timer); /* nothing is asked for any more */
}

static inline evl_cares_socket *evl_cares_find(evl_cares *c, ares_socket_t fd) {
    evl_cares_socket *s = c->sockets;
    while (s && s->fd != fd)
        s = s->next;
    return s;
}

static inline evl_cares_socket *evl_cares_add(evl_cares *c, ares_socket_t fd) {
    evl_cares_socket *s = (evl_cares_socket *)calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->owner = c;
    s->fd = fd;
    s->next = c->sockets;
    c->sockets = s;
    return s;
}

static inline void evl_cares_remove(evl_cares *c, ares_socket_t fd) {
    evl_cares_socket **link = &c->sockets;
    while (*link && (*link)->fd != fd)
        link = &(*link)->next;
    evl_cares_socket *s = *link;
    if (!s)
        return;
    *link = s->next;
    (void)evl_close(s->io);
    free(s);
}

/* Without memory for a watcher queries over the socket time out, and are repeated over others. */
static inline void evl_cares_state(void *arg, ares_socket_t fd, int readable, int writable) {
    evl_cares *c = (evl_cares *)arg;
    if (!readable && !writable) {
        evl_cares_remove(c, fd);
        return;
    }
    uint32_t mask = (readable ? (uint32_t)EVL_READ : 0u) | (writable ? (uint32_t)EVL_WRITE : 0u);
    evl_cares_socket *s = evl_cares_find(c, fd);
    if (!s)
        s = evl_cares_add(c, fd);
    if (s && s->io)
        (void)evl_io_set(s->io, mask);
    else if (s)
        (void)evl_io_new(c->loop, (evl_fd)fd, mask, 0, evl_cares_ready, s, &s->io);
    if (!evl_active(c->timer))
        (void)evl_timer_start_in(c->timer, 0, 0); /* asks for the time when c-ares knows it */
}

/* Makes a channel on a loop, as ares_init_options with `options` and `optmask`, which may be NULL and 0; the
 * callback for socket states is the adapter's. Call ares_library_init before.
 *
 * While a query waits it keeps the loop alive. With ARES_FLAG_STAYOPEN call evl_cares_update after each
 * query. Errors:
 * - EVL_EINVAL: loop is NULL, or c-ares refuses the options.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_cares_new(evl_loop *loop, const struct ares_options *options, int optmask,
                                    evl_cares **out) {
    struct ares_options own;
    *out = NULL;
    if (!loop || (optmask != 0 && !options))
        return EVL_EINVAL;
    evl_cares *c = (evl_cares *)calloc(1, sizeof *c);
    if (!c)
        return EVL_ENOMEM;
    int32_t rc = evl_timer_new(loop, evl_cares_timed_out, c, &c->timer);
    if (rc == 0) {
        memset(&own, 0, sizeof own);
        if (options)
            own = *options;
        own.sock_state_cb = evl_cares_state;
        own.sock_state_cb_data = c;
        int status = ares_init_options(&c->channel, &own, optmask | ARES_OPT_SOCK_STATE_CB);
        rc = status == ARES_SUCCESS ? 0 : status == ARES_ENOMEM ? EVL_ENOMEM : EVL_EINVAL;
    }
    if (rc != 0) {
        (void)evl_close(c->timer);
        free(c);
        return rc;
    }
    c->loop = evl_loop_ref(loop);
    *out = c;
    return 0;
}

/* Returns the channel, for every function of c-ares that takes one but ares_destroy. */
static inline ares_channel evl_cares_channel(const evl_cares *c) { return c->channel; }

static inline int32_t evl_cares_error(int status) {
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return EVL_EAI_NONAME;
    case ARES_ENODATA:
        return EVL_EAI_NODATA;
    case ARES_ESERVICE:
        return EVL_EAI_SERVICE;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL:
        return EVL_EAI_AGAIN;
    case ARES_ENOMEM:
        return EVL_ENOMEM;
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
        return EVL_ECANCELED;
    default:
        return EVL_EAI_FAIL;
    }
}

static inline void evl_cares_resolved(void *arg, int status, int timeouts, struct ares_addrinfo *list) {
    evl_resolution *r = (evl_resolution *)arg;
    int32_t error = evl_cares_error(status);
    (void)timeouts;
    if (list) {
        const struct ares_addrinfo_node *node = error == 0 ? list->nodes : NULL;
        for (; node && error == 0; node = node->ai_next)
            error = evl_resolution_add(r, node->ai_addr, (uint32_t)node->ai_addrlen);
        if (list->name)
            (void)evl_resolution_set_canonical(r, list->name);
        ares_freeaddrinfo(list);
    }
    (void)evl_resolution_end(r, error);
}

static inline int32_t evl_cares_resolve(void *self, evl_resolution *r, const char *host, const char *service,
                                        uint32_t flags) {
    evl_cares *c = (evl_cares *)self;
    uint32_t families = flags & (EVL_NAME_IPV4 | EVL_NAME_IPV6);
    struct ares_addrinfo_hints hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = families == EVL_NAME_IPV4 ? AF_INET : families == EVL_NAME_IPV6 ? AF_INET6 : AF_UNSPEC;
    hints.ai_socktype = flags & EVL_NAME_DATAGRAM ? SOCK_DGRAM : SOCK_STREAM;
    hints.ai_flags = (flags & EVL_NAME_CANONICAL ? ARES_AI_CANONNAME : 0) |
                     (flags & EVL_NAME_NUMERIC_SERVICE ? ARES_AI_NUMERICSERV : 0) |
                     (flags & EVL_NAME_CONFIGURED ? ARES_AI_ADDRCONFIG : 0);
    ares_getaddrinfo(c->channel, host, service, &hints, evl_cares_resolved, r);
    return 0;
}

/* Makes the channel its loop's resolver (evl_loop_set_resolver): evl_getaddrinfo, evl_connect and all else
 * that takes the name of a host ask c-ares, and no threads. Until evl_cares_free, which ends what is still
 * asked for with EVL_ECANCELED. Errors: those of evl_loop_set_resolver. */
static inline int32_t evl_cares_use(evl_cares *c) {
    int32_t rc = evl_loop_set_resolver(c->loop, evl_cares_resolve, c);
    c->resolves = rc == 0;
    return rc;
}

/* Destroys the channel, before or after its loop: what is still asked for ends with ARES_EDESTRUCTION, inside
 * this call. As ares_destroy, not in a callback of c-ares. NULL is allowed. */
static inline void evl_cares_free(evl_cares *c) {
    if (!c)
        return;
    if (c->resolves)
        (void)evl_loop_set_resolver(c->loop, NULL, NULL);
    ares_destroy(c->channel);
    while (c->sockets)
        evl_cares_remove(c, c->sockets->fd);
    (void)evl_close(c->timer);
    evl_loop_unref(c->loop);
    free(c);
}

#endif
