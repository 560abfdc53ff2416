/* evloop/adapters/curl.h - libcurl's multi interface on a loop: any number of transfers at once.
 *
 *     static void done(void *arg, CURL *easy, CURLcode result) {
 *         printf("%s: %s\n", (char *)arg, curl_easy_strerror(result));
 *         curl_easy_cleanup(easy);
 *     }
 *
 *     CURLM *multi = curl_multi_init();
 *     evl_curl_attach(loop, multi, done, "fetched", &attached);
 *     curl_multi_add_handle(multi, easy);      // starts it
 *     evl_loop_run(loop, EVL_RUN_DEFAULT);
 *     evl_curl_detach(attached);
 *     curl_multi_cleanup(multi);
 *
 * Over curl_multi_socket_action: the loop watches what libcurl wants watched, with no scan of all transfers.
 * Only this header: link libcurl, 7.28 or newer, and evloop. */
#ifndef EVLOOP_ADAPTERS_CURL_H
#define EVLOOP_ADAPTERS_CURL_H

#include <curl/curl.h>
#include <evloop.h>
#include <stdlib.h>

/* A transfer has ended, with `result`; the multi handle no longer has it. It may be added again, freed, and
 * others added and removed; evl_curl_detach and curl_multi_cleanup may be called, too. */
typedef void evl_curl_done_fn(void *arg, CURL *easy, CURLcode result);

struct evl_curl;

/* A socket of libcurl's. */
typedef struct evl_curl_socket {
    struct evl_curl *owner;
    struct evl_curl_socket *next, **link;
    evl_io *io; /* NULL: there was no memory; it is tried again */
    curl_socket_t fd;
    uint32_t mask;
} evl_curl_socket;

/* A multi handle on a loop; its members are the adapter's. */
typedef struct evl_curl {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    CURLM *multi;   /* NULL: detached */
    evl_curl_done_fn *done;
    void *arg;
    evl_timer *timer;
    evl_timer *retry;
    evl_curl_socket *sockets;
    int busy; /* in libcurl or in `done`, which may detach */
} evl_curl;

static inline void evl_curl_leave(evl_curl *c) {
    if (--c->busy == 0 && !c->multi)
        free(c);
}

static inline void evl_curl_report(evl_curl *c) {
    CURLMsg *message;
    int left;
    while (c->multi && (message = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        (void)curl_multi_remove_handle(c->multi, easy); /* and the message with it */
        c->done(c->arg, easy, result);
    }
}

static inline void evl_curl_act(evl_curl *c, curl_socket_t fd, int what) {
    int running;
    c->busy++;
    (void)curl_multi_socket_action(c->multi, fd, what, &running);
    evl_curl_report(c);
    evl_curl_leave(c);
}

static inline void evl_curl_ready(void *arg, int64_t mask) {
    evl_curl_socket *s = (evl_curl_socket *)arg;
    int what = mask < 0
                   ? CURL_CSELECT_ERR
                   : (mask & (EVL_READ | EVL_HUP) ? CURL_CSELECT_IN : 0) |
                         (mask & EVL_WRITE ? CURL_CSELECT_OUT : 0) | (mask & EVL_ERR ? CURL_CSELECT_ERR : 0);
    evl_curl_act(s->owner, s->fd, what);
}

static inline void evl_curl_timed_out(void *arg, int64_t expirations) {
    (void)expirations;
    evl_curl_act((evl_curl *)arg, CURL_SOCKET_TIMEOUT, 0);
}

static inline int evl_curl_on_timer(CURLM *multi, long timeout_ms, void *arg) {
    evl_curl *c = (evl_curl *)arg;
    (void)multi;
    if (timeout_ms < 0)
        (void)evl_timer_stop(c->timer);
    else
        (void)evl_timer_start_in(c->timer, (int64_t)timeout_ms * EVL_MS, 0);
    return 0;
}

static inline void evl_curl_free_socket(evl_curl_socket *s) {
    (void)evl_close(s->io);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    free(s);
}

static inline evl_curl_socket *evl_curl_new_socket(evl_curl *c, curl_socket_t fd) {
    evl_curl_socket *s = (evl_curl_socket *)calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->owner = c;
    s->fd = fd;
    s->next = c->sockets;
    s->link = &c->sockets;
    if (s->next)
        s->next->link = &s->next;
    c->sockets = s;
    (void)curl_multi_assign(c->multi, fd, s);
    return s;
}

/* A watcher that was lost, as when the fd was closed under it, is made again. Without memory for one it is
 * tried again later, for libcurl would end all transfers if it were told. */
static inline void evl_curl_watch(evl_curl_socket *s) {
    if (s->io && evl_io_set(s->io, s->mask) == 0)
        return;
    (void)evl_close(s->io);
    if (evl_io_new(s->owner->loop, (evl_fd)s->fd, s->mask, 0, evl_curl_ready, s, &s->io) != 0)
        (void)evl_timer_start_in(s->owner->retry, 10 * EVL_MS, 0);
}

static inline void evl_curl_watch_again(void *arg, int64_t expirations) {
    (void)expirations;
    for (evl_curl_socket *s = ((evl_curl *)arg)->sockets; s; s = s->next)
        if (!s->io)
            evl_curl_watch(s);
}

static inline int evl_curl_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned) {
    evl_curl *c = (evl_curl *)arg;
    evl_curl_socket *s = (evl_curl_socket *)assigned;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            evl_curl_free_socket(s);
        (void)curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (!s && (s = evl_curl_new_socket(c, fd)) == NULL)
        return -1;
    s->mask =
        (what & CURL_POLL_IN ? (uint32_t)EVL_READ : 0u) | (what & CURL_POLL_OUT ? (uint32_t)EVL_WRITE : 0u);
    evl_curl_watch(s);
    return 0;
}

/* Attaches a multi handle to a loop: done(arg, easy, result) is called for each transfer that ends. Transfers
 * that it has already begin to move. Sets CURLMOPT_SOCKETFUNCTION, CURLMOPT_TIMERFUNCTION and their data.
 *
 * A transfer in flight keeps the loop alive. curl_multi_remove_handle cancels one, and `done` is not called
 * for it.
 * Errors:
 * - EVL_EINVAL: a NULL pointer.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_curl_attach(evl_loop *loop, CURLM *multi, evl_curl_done_fn *done, void *arg,
                                      evl_curl **out) {
    *out = NULL;
    if (!loop || !multi || !done)
        return EVL_EINVAL;
    evl_curl *c = (evl_curl *)calloc(1, sizeof *c);
    if (!c)
        return EVL_ENOMEM;
    int32_t rc = evl_timer_new(loop, evl_curl_timed_out, c, &c->timer);
    if (rc == 0)
        rc = evl_timer_new(loop, evl_curl_watch_again, c, &c->retry);
    if (rc != 0) {
        (void)evl_close(c->timer);
        free(c);
        return rc;
    }
    c->loop = evl_loop_ref(loop);
    c->multi = multi;
    c->done = done;
    c->arg = arg;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, evl_curl_on_socket);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, evl_curl_on_timer);
    (void)evl_timer_start_in(c->timer, 0, 0);
    *out = c;
    return 0;
}

/* Detaches a multi handle, before curl_multi_cleanup, also when the loop was destroyed first, and in `done`;
 * not in the callbacks of a transfer, where libcurl refuses it. Transfers in flight stay with the multi
 * handle and stand still. NULL is allowed. */
static inline void evl_curl_detach(evl_curl *c) {
    if (!c)
        return;
    CURLM *multi = c->multi;
    (void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, NULL);
    (void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, NULL);
    while (c->sockets) {
        (void)curl_multi_assign(multi, c->sockets->fd, NULL);
        evl_curl_free_socket(c->sockets);
    }
    (void)evl_close(c->timer);
    (void)evl_close(c->retry);
    evl_loop_unref(c->loop);
    c->multi = NULL;
    c->busy++;
    evl_curl_leave(c);
}

#endif
