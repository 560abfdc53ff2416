/* server.c - listening and accepting.
 *
 * A server has a listener for each socket. Listeners are level-triggered, and the kernel is asked only while
 * somebody wants connections and there is room for them. */
#include "server.h"
#include "address.h"
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG     511
#define ACCEPT_MAX  32 /* in a pass */
#define BACKOFF_MIN (INT64_C(5) * 1000000)
#define BACKOFF_MAX (INT64_C(1000) * 1000000)
#define PORT_TRIES  8

typedef struct server server;

/* A socket that listens. The user's handle is the first; the others are hidden behind it. */
typedef struct listener {
    evl_watcher io;
    server *of;
    struct listener *next;
    bool tcp;
    bool may_accept;   /* reported, and not found empty since */
    bool was_blocking; /* before it was adopted */
    char *path;        /* a Unix path that is ours to remove, NULL: none; absolute */
    size_t path_size;
    dev_t path_dev; /* of what we have made there */
    ino_t path_ino;
} listener;

struct server {
    listener *first;
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
};

static listener *listener_of(const evl_handle *handle) { return (listener *)(void *)(uintptr_t)handle; }
static server *server_of(const evl_handle *handle) { return listener_of(handle)->of; }

/* --- when to accept --------------------------------------------------------------------------- */

static bool is_full(const server *sv) {
    return sv->options.max_connections != 0 && sv->live - sv->lingering >= sv->options.max_connections;
}

static bool has_rest(const server *sv) { return evl_linked(&sv->backoff.link); }

/* What no event will speak of. */
static bool is_owed(const server *sv) { return sv->parked >= 0 || sv->lost != 0; }

static bool wants(const server *sv) {
    bool somebody = sv->pushes || sv->trying || !evl_list_empty(&sv->waiting);
    return somebody && !sv->paused && !sv->stopped && !is_full(sv) && !has_rest(sv);
}

static void update(server *sv) {
    uint32_t mask = wants(sv) ? EVL_READ : 0;
    for (listener *l = sv->first; l; l = l->next)
        evl_io_want(&l->io, mask);
    evl_handle_set_active(&sv->first->io.base, sv->pushes && !sv->stopped);
    evl_touch(sv->loop);
}

static void tell(server *sv) {
    evl_node *node = &sv->first->io.base.node;
    if (sv->trying)
        return;
    if (!evl_list_empty(&sv->waiting)) {
        sv->trying = evl_operation_at(evl_list_shift(&sv->waiting));
        evl_op_try(sv->trying);
    } else if (sv->pushes && !evl_linked(&node->link))
        evl_ready(sv->loop, node);
}

/* At the fd limit, or without memory. */
static void rest(server *sv) {
    evl_rest_begin(sv->loop, &sv->backoff, sv->backoff_ns);
    sv->backoff_ns = sv->backoff_ns * 2 < BACKOFF_MAX ? sv->backoff_ns * 2 : BACKOFF_MAX;
    update(sv);
}

static int open_spare(void) { return evl_sys.socket(AF_UNIX, SOCK_STREAM, 0); }

static void rested(void *arg) {
    server *sv = arg;
    if (sv->options.at_fd_limit == EVL_ACCEPT_SHED && sv->spare < 0)
        sv->spare = open_spare(); /* somebody else was faster */
    if (is_owed(sv))
        tell(sv);
    update(sv);
}

/* --- accepting -------------------------------------------------------------------------------- */

static bool is_limit(int error) {
    return error == EVL_EMFILE || error == EVL_ENFILE || error == EVL_ENOBUFS || error == EVL_ENOMEM;
}

/* What a connection that failed while it waited looks like on Linux: the next one may be good. */
static bool is_passing(int error) {
    return error == EVL_ECONNABORTED || error == EVL_EINTR || error == EVL_EPROTO || error == EVL_EPERM ||
           error == EVL_ENETDOWN || error == EVL_EHOSTDOWN || error == EVL_EHOSTUNREACH ||
           error == EVL_ENETUNREACH || error == EVL_ENOPROTOOPT || error == EVL_ENOTSUP;
}

/* An fd, or an error. */
static int ask(listener *l) {
    int fd = evl_sys.accept(l->io.fd, NULL, NULL);
    if (fd >= 0)
        return fd;
    int error = errno == EWOULDBLOCK ? EVL_EAGAIN : evl_err_from_errno(errno);
    if (error == EVL_EAGAIN)
        l->may_accept = false;
    return error;
}

/* Takes one connection with the fd that was kept back, and hangs up. 0, or an error: at the limit the kernel
 * says so whether or not somebody waits. */
static int shed(server *sv, listener *l) {
    (void)evl_sys.close(sv->spare);
    int fd = ask(l);
    if (fd >= 0)
        (void)evl_sys.close(fd);
    sv->spare = open_spare();
    return fd < 0 ? fd : 0;
}

/* An fd, EVL_EAGAIN, or an error. */
static int accept_from(server *sv, listener *l) {
    for (int i = 0; i < ACCEPT_MAX; i++) {
        int rc = ask(l);
        if (is_limit(rc) && sv->options.at_fd_limit == EVL_ACCEPT_SHED && sv->spare >= 0) {
            rc = shed(sv, l);
            if (rc == 0)
                continue;
        }
        if (!is_passing(rc))
            return rc;
    }
    return EVL_EAGAIN;
}

static int next_fd(server *sv, bool *tcp) {
    if (sv->parked >= 0) {
        int fd = sv->parked;
        sv->parked = -1;
        *tcp = sv->parked_tcp;
        return fd;
    }
    for (listener *l = sv->first; l; l = l->next) {
        if (!l->may_accept || l->io.fd < 0)
            continue;
        int fd = accept_from(sv, l);
        *tcp = l->tcp;
        if (fd != EVL_EAGAIN)
            return fd;
    }
    return EVL_EAGAIN;
}

static bool is_budget_spent(server *sv) {
    uint64_t pass = sv->loop->metrics.passes;
    if (sv->pass != pass) {
        sv->pass = pass;
        sv->accepted = 0;
    }
    return sv->accepted >= ACCEPT_MAX;
}

static int take_lost(server *sv) {
    int error = sv->lost;
    sv->lost = 0;
    return error;
}

static int take_stream(server *sv, evl_stream **out) {
    evl_stream_handle *s;
    bool tcp = false;
    if (sv->stopped)
        return EVL_ECLOSED;
    if (sv->paused || is_full(sv) || is_budget_spent(sv) || has_rest(sv))
        return EVL_EAGAIN;
    if (sv->lost != 0)
        return take_lost(sv);
    int fd = next_fd(sv, &tcp);
    int rc = fd < 0 ? fd
                    : evl_stream_make(sv->loop, fd, EVL_S_SOCKET | (tcp ? EVL_S_TCP : 0U),
                                      sv->options.linger_ns, &s);
    if (rc != 0 && fd >= 0) { /* it is not to be lost */
        sv->parked = fd;
        sv->parked_tcp = tcp;
    }
    if (is_limit(rc) || (rc != 0 && fd >= 0)) {
        if (sv->options.at_fd_limit == EVL_ACCEPT_REPORT) {
            if (sv->parked >= 0)
                tell(sv); /* no event will speak of it */
            return rc;
        }
        rest(sv);
        return EVL_EAGAIN;
    }
    if (rc != 0)
        return rc;
    sv->backoff_ns = BACKOFF_MIN;
    sv->accepted++;
    sv->live++;
    s->server = evl_handle_id(&sv->first->io.base);
    evl_list_append(&sv->clients, &s->peers);
    if (is_full(sv))
        update(sv);
    *out = &s->io.base;
    return 0;
}

static int enter(const evl_server *handle) { return evl_enter_handle(handle, EVL_KIND_SERVER); }

int32_t evl_server_accept(evl_server *handle, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = enter(handle);
    if (rc != 0)
        return rc;
    return out ? take_stream(server_of(handle), out) : EVL_EINVAL;
}

/* --- accepting by operations ------------------------------------------------------------------ */

static void leave_accept(evl_operation *op) {
    server *sv = op->owner;
    if (op->state == EVL_OP_PENDING)
        evl_list_remove(&op->node.link);
    else
        sv->trying = NULL;
    if (is_owed(sv))
        tell(sv); /* no event will speak of it to the next one */
    update(sv);
}

static void deliver_accept(evl_operation *op) {
    server *sv = op->owner;
    int rc = take_stream(sv, op->value);
    sv->trying = NULL;
    op->node.u.result = rc;
    if (rc == EVL_EAGAIN) {
        evl_list_prepend(&sv->waiting, &op->node.link);
        return;
    }
    if (!evl_list_empty(&sv->waiting)) /* the next in line tries too */
        tell(sv);
    update(sv);
}

static const evl_op_type accepting = {
    .name = "accept", .leave = leave_accept, .deliver = deliver_accept, .tries = true};

int32_t evl_server_accept_op(evl_server *handle, evl_op *op, evl_stream **out) {
    if (out)
        *out = NULL;
    int rc = evl_check_kind(handle, EVL_KIND_SERVER);
    if (rc == 0)
        rc = evl_op_check_start(handle->loop, op);
    if (rc != 0)
        return rc;
    server *sv = server_of(handle);
    if (!out)
        return EVL_EINVAL;
    if (sv->stopped)
        return EVL_ECLOSED;
    evl_operation *self = evl_op_park(handle->loop, op, &accepting, sv);
    self->value = out;
    evl_list_append(&sv->waiting, &self->node.link);
    update(sv);
    if (is_owed(sv))
        tell(sv);
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static bool may_find(const server *sv) {
    bool found = is_owed(sv);
    for (const listener *l = sv->first; l; l = l->next)
        found |= l->may_accept;
    return found;
}

static void fail(server *sv, int error) {
    while (!evl_list_empty(&sv->waiting))
        evl_op_complete(evl_operation_at(evl_list_shift(&sv->waiting)), error);
    evl_operation *op = sv->trying;
    sv->trying = NULL;
    if (op)
        evl_op_fail(op, error);
}

static void wake_idlers(server *sv, int error) {
    while (!evl_list_empty(&sv->idlers))
        evl_op_complete(evl_operation_at(evl_list_shift(&sv->idlers)), error);
}

static void remove_path(listener *l);

static void lose(listener *l, int fd, int error) {
    server *sv = l->of;
    if (error != EVL_EBADF && error != EVL_ECLOSED) { /* the kernel would not watch it */
        remove_path(l);
        (void)evl_sys.close(fd);
    }
    bool left = false;
    for (const listener *other = sv->first; other; other = other->next)
        left |= other->io.fd >= 0;
    l->may_accept = false;
    if (left && error != EVL_ECLOSED) { /* else the program knows */
        sv->lost = error;
        tell(sv);
    }
    if (left)
        return;
    sv->stopped = true;
    sv->error = error;
    fail(sv, error);
    tell(sv);
    update(sv);
    if (sv->live == 0)
        wake_idlers(sv, 0);
}

static void event(evl_handle *handle, uint32_t mask, int error) {
    listener *l = listener_of(handle);
    if (error != 0) {
        lose(l, (int)mask, error);
        return;
    }
    l->may_accept = true;
    tell(l->of);
}

/* Right before the callback, or as a record: whether there is still something to tell. */
static bool take(evl_handle *handle, int64_t *result) {
    server *sv = server_of(handle);
    if (sv->error != 0) {
        *result = sv->error;
        sv->error = 0;
        sv->pushes = false;
        update(sv);
        return true;
    }
    *result = 1;
    return sv->pushes && !sv->paused && !sv->stopped && !is_full(sv) && !has_rest(sv) && may_find(sv);
}

int32_t evl_server_on_connection(evl_server *handle, evl_done_fn *fn, void *arg) {
    int rc = enter(handle);
    if (rc != 0)
        return rc;
    server *sv = server_of(handle);
    if (sv->stopped)
        return EVL_ECLOSED;
    evl_node *node = &handle->node;
    evl_list_unlink(&node->link);
    evl_node_set(node, EVL_KIND_SERVER, fn, arg);
    node->type = EVL_NODE_TAKE;
    sv->pushes = true;
    update(sv);
    if (may_find(sv))
        tell(sv);
    return 0;
}

/* --- pausing, stopping, ending ---------------------------------------------------------------- */

int32_t evl_server_pause(evl_server *handle) {
    int rc = enter(handle);
    if (rc == 0) {
        server_of(handle)->paused = true;
        if (server_of(handle)->error == 0)
            evl_list_unlink(&handle->node.link);
        update(server_of(handle));
    }
    return rc;
}

int32_t evl_server_resume(evl_server *handle) {
    int rc = enter(handle);
    if (rc == 0) {
        server_of(handle)->paused = false;
        update(server_of(handle));
        if (may_find(server_of(handle)))
            tell(server_of(handle));
    }
    return rc;
}

/* The path may name another server's socket by now. */
static void remove_path(listener *l) {
    struct stat st;
    if (!l->path)
        return;
    if (!evl_is_forked(l->of->loop) && evl_sys.lstat(l->path, &st) == 0 && st.st_ino == l->path_ino &&
        st.st_dev == l->path_dev)
        (void)evl_sys.unlink(l->path);
    evl_mem_free(&l->of->loop->mem, l->path, l->path_size);
    l->path = NULL;
}

static void close_listener(listener *l) {
    int fd = l->io.fd;
    remove_path(l);
    if (fd < 0)
        return;
    evl_io_disown(&l->io);
    l->may_accept = false;
    (void)evl_sys.close(fd);
}

static void stop(server *sv) {
    sv->stopped = true;
    evl_list_unlink(&sv->backoff.link);
    for (listener *l = sv->first; l; l = l->next)
        close_listener(l);
    int *fds[] = {&sv->parked, &sv->spare};
    for (int i = 0; i < 2; i++) {
        if (*fds[i] >= 0)
            (void)evl_sys.close(*fds[i]);
        *fds[i] = -1;
    }
    evl_list_unlink(&sv->first->io.base.node.link);
    fail(sv, EVL_ECLOSED);
    evl_handle_set_active(&sv->first->io.base, false);
    if (sv->live == 0)
        wake_idlers(sv, 0);
}

int32_t evl_server_stop(evl_server *handle) {
    int rc = enter(handle);
    if (rc == 0) {
        stop(server_of(handle));
        evl_touch(handle->loop);
    }
    return rc;
}

/* The streams stay, and are nobody's. */
static void let_go(server *sv) {
    while (!evl_list_empty(&sv->clients)) {
        evl_stream_handle *s = EVL_OWNER(evl_list_shift(&sv->clients), evl_stream_handle, peers);
        s->server = 0;
    }
}

static void free_server(server *sv) { evl_mem_free(&sv->loop->mem, sv, sizeof *sv); }

static void drop_hidden(server *sv, listener *l) {
    listener **at = &sv->first;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    close_listener(l);
}

static void detach(evl_handle *handle) {
    listener *l = listener_of(handle);
    server *sv = l->of;
    if (l != sv->first) { /* hidden, and the loop is destroyed */
        drop_hidden(sv, l);
        return;
    }
    stop(sv);
    wake_idlers(sv, EVL_ECLOSED);
    let_go(sv);
    for (listener *hidden; (hidden = l->next);) {
        drop_hidden(sv, hidden);
        evl_handle_give(&hidden->io.base);
    }
    free_server(sv);
}

/* A connection that counted for the limit may do so no more. */
static void fill_up(server *sv, bool was_full) {
    if (!was_full || is_full(sv) || sv->stopped)
        return;
    update(sv);
    if (may_find(sv))
        tell(sv);
}

void evl_server_lingers(evl_loop *loop, uint64_t id) {
    evl_handle *handle = evl_handle_find(loop, id);
    if (!handle)
        return;
    server *sv = server_of(handle);
    bool was_full = is_full(sv);
    sv->lingering++;
    fill_up(sv, was_full);
}

void evl_server_left(evl_loop *loop, uint64_t id, bool lingered) {
    evl_handle *handle = evl_handle_find(loop, id);
    if (!handle)
        return;
    server *sv = server_of(handle);
    bool was_full = is_full(sv);
    sv->live--;
    sv->lingering -= lingered;
    if (sv->stopped && sv->live == 0)
        wake_idlers(sv, 0);
    fill_up(sv, was_full);
}

static int32_t end_clients(evl_server *handle, int32_t (*end)(evl_handle *)) {
    int rc = enter(handle);
    if (rc != 0)
        return rc;
    server *sv = server_of(handle);
    int32_t count = 0;
    for (; !evl_list_empty(&sv->clients); count++)
        (void)end(&EVL_OWNER(sv->clients.next, evl_stream_handle, peers)->io.base);
    return count;
}

int32_t evl_server_close_clients(evl_server *handle) { return end_clients(handle, evl_close); }
int32_t evl_server_abort_clients(evl_server *handle) { return end_clients(handle, evl_stream_abort); }

static const evl_op_type idling = {.name = "server_idle"};

int32_t evl_server_on_idle(evl_server *handle, evl_op *op) {
    int rc = evl_check_kind(handle, EVL_KIND_SERVER);
    if (rc == 0)
        rc = evl_op_check_start(handle->loop, op);
    if (rc != 0)
        return rc;
    server *sv = server_of(handle);
    if (sv->stopped && sv->live == 0)
        return evl_op_start_done(handle->loop, op, &idling, sv, 0);
    evl_list_append(&sv->idlers, &evl_op_park(handle->loop, op, &idling, sv)->node.link);
    return 0;
}

/* --- looking at it ---------------------------------------------------------------------------- */

static const listener *nth(const server *sv, int32_t n) {
    const listener *l = sv->first;
    for (; l && (n > 0 || l->io.fd < 0); l = l->next)
        n -= l->io.fd >= 0;
    return n < 0 ? NULL : l;
}

int32_t evl_server_sockets(const evl_server *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    int32_t n = 0;
    for (const listener *l = server_of(handle)->first; l; l = l->next)
        n += l->io.fd >= 0;
    return n;
}

evl_fd evl_server_fd(const evl_server *handle, int32_t n) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    const listener *l = nth(server_of(handle), n);
    return l ? l->io.fd : EVL_EINVAL;
}

int32_t evl_server_local(const evl_server *handle, int32_t n, void *address, size_t cap) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    if (rc != 0)
        return rc;
    const listener *l = nth(server_of(handle), n);
    socklen_t len = cap > INT32_MAX ? INT32_MAX : (socklen_t)cap;
    if (!l || (!address && cap > 0))
        return EVL_EINVAL;
    return evl_sys.getsockname(l->io.fd, address, &len) == 0 ? (int32_t)len : evl_err_from_errno(errno);
}

int32_t evl_server_connections(const evl_server *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_SERVER);
    return rc != 0 ? rc : (int32_t)server_of(handle)->live;
}

static void describe(const evl_handle *handle, char *buf, size_t cap) {
    const server *sv = server_of(handle);
    (void)snprintf(buf, cap, "server id=%llu sockets=%d connections=%u%s%s%s",
                   (unsigned long long)evl_handle_id(handle), evl_server_sockets(handle), sv->live,
                   sv->paused ? " paused" : "", sv->stopped ? " stopped" : "",
                   has_rest(sv) ? " at_limit" : "");
}

/* --- making ----------------------------------------------------------------------------------- */

static const evl_handle_type server_type = {.size = sizeof(listener),
                                            .detach = detach,
                                            .event = event,
                                            .pushes = true,
                                            .take = take,
                                            .describe = describe};

static int read_options(const evl_server_options *given, evl_server_options *out) {
    memset(out, 0, sizeof *out);
    if (given && given->struct_size < sizeof given->struct_size)
        return EVL_EINVAL;
    if (given)
        memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    if ((out->flags & ~(uint32_t)(EVL_SERVER_REUSE_PORT | EVL_SERVER_KEEP_PATH | EVL_SERVER_SHARED)) != 0 ||
        out->reserved != 0 || out->backlog < 0 || out->at_fd_limit < EVL_ACCEPT_PAUSE ||
        out->at_fd_limit > EVL_ACCEPT_REPORT)
        return EVL_EINVAL;
    if (out->backlog == 0)
        out->backlog = BACKLOG;
    return 0;
}

static int new_server(evl_loop *loop, const evl_server_options *given, server **out) {
    evl_server_options options;
    int rc = read_options(given, &options);
    if (rc == 0)
        rc = evl_net_get(loop);
    if (rc != 0)
        return rc;
    if (!loop->types[EVL_KIND_SERVER])
        evl_handle_know(loop, EVL_KIND_SERVER, &server_type);
    server *sv = evl_mem_zalloc(&loop->mem, sizeof *sv);
    if (!sv)
        return EVL_ENOMEM;
    sv->loop = loop;
    sv->options = options;
    sv->backoff_ns = BACKOFF_MIN;
    sv->spare = sv->parked = -1;
    evl_list_init(&sv->clients);
    evl_list_init(&sv->waiting);
    evl_list_init(&sv->idlers);
    sv->backoff.fn = rested;
    sv->backoff.arg = sv;
    if (options.at_fd_limit == EVL_ACCEPT_SHED)
        sv->spare = open_spare();
    *out = sv;
    return 0;
}

/* Takes an fd that listens into the server. On an error it is the caller's. */
static int add(server *sv, int fd, bool tcp, listener **out) {
    evl_handle *handle = sv->first ? evl_handle_take_internal(sv->loop, EVL_KIND_SERVER, NULL, NULL)
                                   : evl_handle_take(sv->loop, EVL_KIND_SERVER, NULL, NULL);
    if (!handle)
        return EVL_ENOMEM;
    listener *l = listener_of(handle);
    handle->node.type = EVL_NODE_TAKE;
    l->of = sv;
    l->next = NULL;
    l->tcp = tcp;
    l->may_accept = false;
    l->was_blocking = false;
    l->path = NULL;
    if (sv->options.flags & EVL_SERVER_SHARED)
        handle->node.flags |= EVL_F_EXCLUSIVE;
    int rc = evl_io_own(&l->io, fd, 0, false);
    if (rc != 0) {
        evl_handle_give(handle);
        return rc;
    }
    listener **end = &sv->first;
    while (*end)
        end = &(*end)->next;
    *end = l;
    *out = l;
    return 0;
}

static void block(int fd) {
    int flags = evl_sys.get_fd_flags(fd);
    if (flags >= 0)
        (void)evl_sys.set_fd_flags(fd, flags & ~O_NONBLOCK);
}

/* Undoes it all; `keep_fds`: they were the caller's. */
static int give_up(server *sv, bool keep_fds, int error) {
    for (listener *l = sv->first; l && keep_fds; l = l->next) {
        if (l->was_blocking)
            block(l->io.fd);
        evl_io_disown(&l->io);
    }
    listener *first = sv->first;
    if (first) {
        detach(&first->io.base);
        evl_handle_give(&first->io.base);
        return error;
    }
    if (sv->spare >= 0)
        (void)evl_sys.close(sv->spare);
    free_server(sv);
    return error;
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int set(int fd, int level, int name) {
    int on = 1;
    return evl_sys.setsockopt(fd, level, name, &on, sizeof on) == 0 ? 0 : evl_err_from_errno(errno);
}

static int set_up(int fd, int family, uint32_t flags) {
    if (family == AF_UNIX)
        return 0;
    int rc = set(fd, SOL_SOCKET, SO_REUSEADDR);
    if (rc == 0 && family == AF_INET6)
        rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    if (rc == 0 && (flags & EVL_SERVER_REUSE_PORT))
        rc = set(fd, SOL_SOCKET, SO_REUSEPORT);
    if (rc == 0)
        (void)set(fd, IPPROTO_TCP, TCP_NODELAY); /* inherited by what it accepts */
    return rc;
}

/* A socket in the file system that nobody has any more. Another kind of socket cannot be connected to it
 * (EPROTOTYPE), but is refused only where there is none: so whoever has it is not disturbed by the question.
 */
static bool is_stale(const evl_address *address) {
    struct stat st;
    if (evl_sys.lstat(address->u.path.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = evl_sys.socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return false;
    int rc;
    do
        rc = evl_sys.connect(fd, &address->u.any, address->length);
    while (rc != 0 && errno == EINTR);
    bool refused = rc != 0 && errno == ECONNREFUSED;
    (void)evl_sys.close(fd);
    return refused;
}

static bool is_path(const evl_address *address) {
    return address->u.any.sa_family == AF_UNIX && address->u.path.sun_path[0] != '\0';
}

static int bind_to(int fd, const evl_address *address) {
    if (evl_sys.bind(fd, &address->u.any, address->length) == 0)
        return 0;
    int error = evl_err_from_errno(errno);
    if (error != EVL_EADDRINUSE || !is_path(address) || !is_stale(address))
        return error;
    (void)evl_sys.unlink(address->u.path.sun_path);
    return evl_sys.bind(fd, &address->u.any, address->length) == 0 ? 0 : evl_err_from_errno(errno);
}

/* The current directory may be another when the path is removed. */
static int remember_path(const server *sv, listener *l, const evl_address *address) {
    char before[4096] = "";
    const char *path = address->u.path.sun_path;
    struct stat st;
    if (!is_path(address) || (sv->options.flags & EVL_SERVER_KEEP_PATH) || evl_sys.lstat(path, &st) != 0)
        return 0;
    if (path[0] != '/' && evl_sys.getcwd(before, sizeof before) != 0)
        before[0] = '\0';
    l->path_size = strlen(before) + strlen(path) + 2;
    l->path = evl_mem_zalloc(&sv->loop->mem, l->path_size);
    if (!l->path)
        return EVL_ENOMEM;
    (void)snprintf(l->path, l->path_size, "%s%s%s", before, before[0] ? "/" : "", path);
    l->path_dev = st.st_dev;
    l->path_ino = st.st_ino;
    return 0;
}

static int listen_on(server *sv, const evl_address *address) {
    int family = address->u.any.sa_family;
    int fd = evl_sys.socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return evl_err_from_errno(errno);
    int rc = set_up(fd, family, sv->options.flags);
    if (rc == 0)
        rc = bind_to(fd, address);
    bool bound = rc == 0;
    listener *l;
    if (rc == 0 && evl_sys.listen(fd, sv->options.backlog) != 0)
        rc = evl_err_from_errno(errno);
    if (rc == 0)
        rc = add(sv, fd, family != AF_UNIX, &l);
    if (rc != 0) {
        if (bound && is_path(address))
            (void)evl_sys.unlink(address->u.path.sun_path);
        (void)evl_sys.close(fd);
        return rc;
    }
    rc = remember_path(sv, l, address);
    if (rc != 0) /* the listener goes with the server */
        (void)evl_sys.unlink(address->u.path.sun_path);
    return rc;
}

static void set_port(evl_address *address, uint16_t port) {
    if (address->u.any.sa_family == AF_INET)
        address->u.v4.sin_port = port;
    else if (address->u.any.sa_family == AF_INET6)
        address->u.v6.sin6_port = port;
}

/* In the network's byte order. */
static uint16_t port_of(const evl_address *address) {
    return address->u.any.sa_family == AF_INET    ? address->u.v4.sin_port
           : address->u.any.sa_family == AF_INET6 ? address->u.v6.sin6_port
                                                  : 0;
}

static uint16_t bound_port(const server *sv) {
    evl_address address;
    socklen_t len = sizeof address.u;
    memset(&address, 0, sizeof address);
    if (evl_sys.getsockname(sv->first->io.fd, &address.u.any, &len) != 0)
        return 0;
    return port_of(&address);
}

static bool is_absent(int error) { return error == EVL_EADDRNOTAVAIL || error == EVL_EAFNOSUPPORT; }

/* All of them or nothing, those apart that the machine does not have. With any port, the first's is
 * everybody's; *clash: that one was taken elsewhere. */
static int listen_all(server *sv, evl_address *addresses, int n, bool *clash) {
    int rc = EVL_EADDRNOTAVAIL;
    bool any = port_of(&addresses[0]) == 0;
    *clash = false;
    for (int i = 0; i < n; i++) {
        if (any && sv->first)
            set_port(&addresses[i], bound_port(sv));
        int error = listen_on(sv, &addresses[i]);
        *clash = error == EVL_EADDRINUSE && any && sv->first;
        if (error == 0)
            rc = 0;
        else if (!is_absent(error))
            return error;
    }
    return sv->first ? 0 : rc;
}

static int listen_addresses(evl_loop *loop, evl_address *addresses, int n, const evl_server_options *options,
                            evl_server **out) {
    int rc = EVL_EINVAL;
    bool any = n > 0 && port_of(&addresses[0]) == 0, clash = n > 0;
    for (int tries = 0; tries < PORT_TRIES && clash; tries++) {
        server *sv;
        rc = new_server(loop, options, &sv);
        if (rc != 0)
            return rc;
        for (int i = 0; i < n && any; i++)
            set_port(&addresses[i], 0);
        rc = listen_all(sv, addresses, n, &clash);
        if (rc == 0) {
            *out = &sv->first->io.base;
            return 0;
        }
        (void)give_up(sv, false, rc);
    }
    return rc;
}

static int check(evl_loop *loop, evl_server **out) {
    int rc = evl_enter(loop);
    return rc != 0 ? rc : out ? 0 : EVL_EINVAL;
}

int32_t evl_server_listen_on(evl_loop *loop, const void *address, uint32_t length,
                             const evl_server_options *options, evl_server **out) {
    if (out)
        *out = NULL;
    evl_address copy;
    int rc = check(loop, out);
    if (rc == 0)
        rc = evl_address_copy(address, length, &copy);
    return rc != 0 ? rc : listen_addresses(loop, &copy, 1, options, out);
}

int32_t evl_server_listen_unix(evl_loop *loop, const char *path, const evl_server_options *options,
                               evl_server **out) {
    if (out)
        *out = NULL;
    evl_address address;
    int rc = check(loop, out);
    if (rc == 0)
        rc = evl_address_path(path, &address);
    return rc != 0 ? rc : listen_addresses(loop, &address, 1, options, out);
}

/* Some resolvers say an address twice, and the second time it would be in use. */
static bool is_among(const evl_address *addresses, int n, const evl_address *address) {
    for (int i = 0; i < n; i++)
        if (addresses[i].length == address->length &&
            memcmp(&addresses[i].u, &address->u, address->length) == 0)
            return true;
    return false;
}

int32_t evl_server_listen_any(evl_loop *loop, const evl_addresses *list, const evl_server_options *options,
                              evl_server **out) {
    if (out)
        *out = NULL;
    int rc = check(loop, out);
    int n = evl_addresses_count(list);
    if (rc == 0 && n == 0)
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    size_t size = (size_t)n * sizeof(evl_address);
    evl_address *addresses = evl_mem_zalloc(&loop->mem, size);
    if (!addresses)
        return EVL_ENOMEM;
    int different = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        uint32_t length;
        const void *address = evl_addresses_at(list, i, &length);
        rc = evl_address_copy(address, length, &addresses[different]);
        different += !is_among(addresses, different, &addresses[different]);
    }
    if (rc == 0)
        rc = listen_addresses(loop, addresses, different, options, out);
    evl_mem_free(&loop->mem, addresses, size);
    return rc;
}

static int read_port(const char *service, uint16_t *port) {
    char *end;
    if (!service || service[0] == '\0')
        service = "0";
    unsigned long number = strtoul(service, &end, 10);
    if (service[0] < '0' || service[0] > '9' || *end != '\0' || number > UINT16_MAX)
        return EVL_EAI_SERVICE;
    *port = (uint16_t)number;
    return 0;
}

int32_t evl_server_listen(evl_loop *loop, const char *host, const char *service,
                          const evl_server_options *options, evl_server **out) {
    if (out)
        *out = NULL;
    evl_address addresses[2];
    uint16_t port = 0;
    int n = 2, rc = check(loop, out);
    if (rc == 0)
        rc = read_port(service, &port);
    if (rc != 0)
        return rc;
    bool all = !host || host[0] == '\0';
    if (all || strcmp(host, "localhost") == 0) {
        (void)evl_address_literal(all ? "0.0.0.0" : "127.0.0.1", port, &addresses[0]);
        (void)evl_address_literal(all ? "::" : "::1", port, &addresses[1]);
    } else {
        n = 1;
        rc = evl_address_literal(host, port, &addresses[0]);
        if (rc != 0)
            return rc == EVL_EINVAL ? EVL_EAI_NONAME : rc;
    }
    return listen_addresses(loop, addresses, n, options, out);
}

/* --- sockets of others ------------------------------------------------------------------------ */

static int get(int fd, int name, int *value) {
    socklen_t len = sizeof *value;
    return evl_sys.getsockopt(fd, SOL_SOCKET, name, value, &len) == 0 ? 0 : evl_err_from_errno(errno);
}

/* Takes an fd of the caller's into the server. On an error it is as it was. */
static int adopt(server *sv, int fd) {
    int listens = 0, type = 0;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int rc = get(fd, SO_ACCEPTCONN, &listens);
    if (rc == 0)
        rc = get(fd, SO_TYPE, &type);
    if (rc != 0)
        return rc;
    if (!listens || type != SOCK_STREAM)
        return EVL_EINVAL;
    if (evl_sys.getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return evl_err_from_errno(errno);
    int flags = evl_sys.get_fd_flags(fd);
    bool blocking = flags >= 0 && !(flags & O_NONBLOCK);
    if (flags < 0 || (blocking && evl_sys.set_fd_flags(fd, flags | O_NONBLOCK) < 0))
        return evl_err_from_errno(errno);
    listener *l;
    rc = add(sv, fd, address.ss_family != AF_UNIX, &l);
    if (rc == 0)
        l->was_blocking = blocking;
    else if (blocking)
        block(fd);
    return rc;
}

int32_t evl_server_listen_fds(evl_loop *loop, const evl_fd *fds, int32_t n, const evl_server_options *options,
                              evl_server **out) {
    if (out)
        *out = NULL;
    server *sv;
    int rc = check(loop, out);
    if (rc == 0 && (!fds || n <= 0))
        rc = EVL_EINVAL;
    if (rc == 0)
        rc = new_server(loop, options, &sv);
    if (rc != 0)
        return rc;
    for (int32_t i = 0; i < n && rc == 0; i++)
        rc = adopt(sv, fds[i]);
    if (rc != 0)
        return give_up(sv, true, rc);
    *out = &sv->first->io.base;
    return 0;
}
