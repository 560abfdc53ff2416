/* client_sockets.c - what libcurl waits for: a watcher for each of its sockets, and one timer. */
#include "client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket that libcurl has asked to watch. */
typedef struct watched {
    evl_http_session *session;
    evl_fd fd;
    uint64_t io;
} watched;

static uint32_t mask_of(int what) {
    return (what & CURL_POLL_IN ? EVL_READ : 0u) | (what & CURL_POLL_OUT ? EVL_WRITE : 0u);
}

/* libcurl goes on. No function of the program's is called from in there: operations complete later. */
static void act(evl_http_session *s, curl_socket_t fd, int events) {
    int running;
    if (http_session_is_foreign(s)) {
        (void)evl_http_session_fork(s);
        return;
    }
    if (!s->multi)
        return;
    (void)curl_multi_socket_action(s->multi, fd, events, &running);
    http_collect(s);
}

/* Errors and hang-ups come with what was waited for, and libcurl finds them by trying. */
static void on_io(void *arg, int64_t mask) {
    watched *w = arg;
    int events = CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (mask >= 0)
        events = (mask & EVL_READ ? CURL_CSELECT_IN : 0) | (mask & EVL_WRITE ? CURL_CSELECT_OUT : 0);
    act(w->session, w->fd, events);
}

static void on_timer(void *arg, int64_t n) {
    (void)n;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void forget(watched *w) {
    (void)evl_close(evl_lookup(w->session->loop, w->io));
    free(w);
}

static int32_t watch(evl_http_session *s, curl_socket_t fd, int what) {
    watched *w = calloc(1, sizeof *w);
    evl_io *io;
    if (!w)
        return EVL_ENOMEM;
    w->session = s;
    w->fd = fd;
    int32_t rc = evl_io_new(s->loop, fd, mask_of(what), 0, on_io, w, &io);
    if (rc != 0) {
        free(w);
        return rc;
    }
    w->io = evl_id(io);
    (void)curl_multi_assign(s->multi, fd, w);
    return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket) {
    evl_http_session *s = arg;
    watched *w = of_socket;
    evl_http_request *r = NULL;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            forget(w);
        (void)curl_multi_assign(s->multi, fd, NULL);
        return 0;
    }
    int32_t rc = w ? evl_io_set(evl_lookup(s->loop, w->io), mask_of(what)) : watch(s, fd, what);
    if (rc < 0 && curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r) == CURLE_OK && r)
        r->own_error = rc, s->failing = true; /* http_collect ends it */
    return 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg) {
    evl_http_session *s = arg;
    evl_timer *timer = evl_lookup(s->loop, s->timer);
    (void)multi;
    if (ms < 0)
        (void)evl_timer_stop(timer);
    else
        (void)evl_timer_start_in(timer, ms * EVL_MS, 0);
    return 0;
}

/* --- sockets, open or not --------------------------------------------------------------------- */

static bool note_socket(evl_http_session *s, evl_fd fd) {
    size_t cap = s->sockets_cap ? s->sockets_cap : 64;
    while (cap <= (size_t)fd)
        cap *= 2;
    if (cap != s->sockets_cap) {
        unsigned char *sockets = realloc(s->sockets, cap);
        if (!sockets)
            return false;
        memset(sockets + s->sockets_cap, 0, cap - s->sockets_cap);
        s->sockets = sockets;
        s->sockets_cap = cap;
    }
    s->sockets[fd] = 1;
    return true;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address) {
    evl_http_session *s = arg;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0 && !note_socket(s, fd)) {
        (void)close(fd);
        return CURL_SOCKET_BAD;
    }
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd) {
    evl_http_session *s = arg;
    s->sockets[fd] = 0;
    (void)evl_fd_closing(s->loop, fd);
    return close(fd);
}

void http_sockets_prepare(evl_http_request *r) {
    (void)curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(r->easy, CURLOPT_OPENSOCKETDATA, r->session);
    (void)curl_easy_setopt(r->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(r->easy, CURLOPT_CLOSESOCKETDATA, r->session);
}

/* In a child: its numbers lead elsewhere from now on, so that what libcurl says when it closes connections
 * (close_notify, GOAWAY) does not reach the parent's peers. */
void http_sockets_abandon(evl_http_session *s) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    (void)close(ends[1]);
    for (size_t fd = 0; fd < s->sockets_cap; fd++)
        if (s->sockets[fd])
            (void)dup3(ends[0], (int)fd, O_CLOEXEC);
    (void)close(ends[0]);
}

/* --- the multi handle ------------------------------------------------------------------------- */

int32_t http_multi_open(evl_http_session *s) {
    const evl_http_session_options *o = &s->o;
    s->multi = curl_multi_init();
    if (!s->multi)
        return EVL_ENOMEM;
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    (void)curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)o->max_connections);
    (void)curl_multi_setopt(s->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)o->max_host_connections);
    if (o->max_idle != 0)
        (void)curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, (long)o->max_idle);
    return 0;
}

void http_multi_close(evl_http_session *s) {
    (void)curl_multi_cleanup(s->multi);
    s->multi = NULL;
    (void)evl_timer_stop(evl_lookup(s->loop, s->timer));
}

/* The timer was closed: by the session, with its loop, or by a program that closes all that it finds. */
static void drop(void *arg) {
    evl_http_session *s = arg;
    http_session_end(s, EVL_ECLOSED);
    http_session_unref(s);
}

int32_t http_sockets_begin(evl_http_session *s) {
    evl_timer *timer;
    int32_t rc = evl_timer_new(s->loop, on_timer, s, &timer);
    if (rc == 0)
        rc = evl_set_drop(timer, drop);
    if (rc != 0) {
        (void)evl_close(timer);
        return rc;
    }
    (void)evl_keep_alive(timer, 0); /* that is for sockets, and for operations that wait */
    s->timer = evl_id(timer);
    s->refs++;
    return 0;
}
