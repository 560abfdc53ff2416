/* connect.c - connecting to one of several addresses ("happy eyeballs"): an attempt is started after another,
 * with a delay between them, and the first that connects wins.
 *
 * The race has an allocation and internal operations of its own. It is freed when the caller's operation
 * ends. */
#include "../loop/backoff.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"
#include "address.h"
#include "option.h"
#include "stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#define STAGGER   (INT64_C(250) * 1000000)
#define RETRY     (INT64_C(2) * 1000000) /* no event reports room in the backlog of a Unix listener */
#define RETRY_MAX (INT64_C(100) * 1000000)

typedef struct attempt {
    struct race *race;
    evl_sockaddr address;
    evl_op op; /* waits for the fd */
    int fd;    /* -1: not started, or failed */
    int error;
} attempt;

typedef struct race {
    evl_link peers; /* in evl_net.connecting */
    evl_loop *loop;
    evl_operation *op; /* the caller's */
    evl_stream **out;
    evl_op lookup;
    evl_addresses *found;
    evl_op stagger;
    evl_backoff retry;
    int64_t stagger_ns, retry_ns;
    int64_t linger_ns;  /* of the stream; 0: the loop's */
    evl_sockaddr local; /* length 0: none */
    uint32_t families;  /* EVL_NAME_IPV4, EVL_NAME_IPV6; 0: any */
    int32_t *errors;
    int32_t errors_cap;
    int n, next, running;
    int winner; /* the fd that connected, or -1 */
    attempt *attempts;
} race;

/* --- end of the race -------------------------------------------------------------------------- */

static void close_attempt(attempt *a) {
    evl_op_end(&a->op);
    if (a->fd < 0)
        return;
    evl_io_forget(a->race->loop, a->fd);
    (void)evl_sys.close(a->fd);
    a->fd = -1;
    a->race->running--;
}

static void stop_attempts(race *r) {
    for (int i = 0; i < r->n; i++)
        close_attempt(&r->attempts[i]);
}

static void free_race(race *r) {
    evl_mem *mem = &r->loop->mem;
    evl_op_end(&r->lookup);
    evl_op_end(&r->stagger);
    evl_list_unlink(&r->retry.link);
    evl_list_unlink(&r->peers);
    stop_attempts(r);
    evl_addresses_free(r->found);
    if (r->winner >= 0)
        (void)evl_sys.close(r->winner);
    evl_mem_free(mem, r->attempts, (size_t)r->n * sizeof *r->attempts);
    evl_mem_free(mem, r, sizeof *r);
}

static void leave_race(evl_operation *op) { free_race(op->owner); }

/* The stream is made at delivery: an operation that is cancelled before has nothing to undo. */
static void deliver_stream(evl_operation *op) {
    race *r = op->owner;
    evl_stream_handle *s;
    bool tcp = op->count != 0;
    int rc = evl_stream_make(r->loop, r->winner, EVL_S_SOCKET | (tcp ? EVL_S_TCP : 0U), r->linger_ns, &s);
    if (rc == 0) {
        *r->out = &s->io.base;
        r->winner = -1;
    }
    op->node.u.result = rc;
    free_race(r);
}

static const evl_op_type connecting = {
    .name = "connect", .leave = leave_race, .deliver = deliver_stream, .refuse = leave_race};

static void fail_race(race *r, int error) {
    evl_operation *op = r->op;
    free_race(r);
    evl_op_complete(op, error);
}

void evl_connect_inherit(evl_net *net) {
    while (!evl_list_empty(&net->connecting)) {
        race *r = EVL_OWNER(net->connecting.next, race, peers);
        evl_operation *op = r->op;
        free_race(r);
        evl_op_fail(op, EVL_EFORK);
    }
}

static void win(race *r, attempt *a) {
    bool tcp = a->address.u.any.sa_family != AF_UNIX;
    r->winner = a->fd;
    evl_io_forget(r->loop, a->fd);
    a->fd = -1;
    r->running--;
    stop_attempts(r);
    evl_op_end(&r->stagger);
    evl_list_unlink(&r->retry.link);
    if (tcp)
        (void)evl_socket_set(r->winner, IPPROTO_TCP, TCP_NODELAY, 1);
    r->op->count = tcp;
    evl_op_complete(r->op, 0);
}

/* --- one attempt ------------------------------------------------------------------------------ */

static void record_error(race *r, attempt *a, int error) {
    long place = a - r->attempts;
    a->error = error;
    if (place < r->errors_cap)
        r->errors[place] = error;
}

static bool begin_next_attempt(race *r);

/* Starts the next attempt at once. Returns false if the race has ended and was freed. */
static bool fail_attempt(race *r, attempt *a, int error) {
    close_attempt(a);
    record_error(r, a, error);
    return begin_next_attempt(r);
}

static void attempt_ready(void *arg, int64_t result) {
    attempt *a = arg;
    int error = 0;
    socklen_t len = sizeof error;
    if (result < 0)
        error = (int)result;
    else if (evl_sys.getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = evl_err_from_errno(errno);
    else if (error == 0 && (result & EVL_ERR))
        error = EVL_ECONNABORTED; /* an emulated kqueue has already taken the error */
    else
        error = evl_err_from_errno(error);
    if (error == 0)
        win(a->race, a);
    else
        (void)fail_attempt(a->race, a, error);
}

static int bind_local(const race *r, int fd) {
    if (r->local.length == 0)
        return 0;
    return evl_sys.bind(fd, &r->local.u.any, r->local.length) == 0 ? 0 : evl_err_from_errno(errno);
}

/* Returns 1 if connected, 0 if in progress, EVL_EAGAIN if the backlog of a Unix listener is full, or an
 * error. */
static int try_connect(attempt *a) {
    int rc;
    do
        rc = evl_sys.connect(a->fd, &a->address.u.any, a->address.length);
    while (rc != 0 && errno == EINTR && a->address.u.any.sa_family == AF_UNIX);
    if (rc == 0)
        return 1;
    /* The kernel continues an interrupted connect. */
    return errno == EINPROGRESS || errno == EINTR ? 0 : evl_err_from_errno(errno);
}

static int continue_attempt(attempt *a) {
    race *r = a->race;
    int rc = try_connect(a);
    if (rc == EVL_EAGAIN && a->address.u.any.sa_family == AF_UNIX) {
        evl_backoff_begin(r->loop, &r->retry, r->retry_ns);
        r->retry_ns = r->retry_ns * 2 < RETRY_MAX ? r->retry_ns * 2 : RETRY_MAX;
        return 0;
    }
    return rc != 0 ? rc : evl_wait_fd(r->loop, &a->op, a->fd, EVL_WRITE);
}

static void retry_attempt(void *arg) {
    race *r = arg;
    attempt *a = &r->attempts[r->next - 1];
    int rc = continue_attempt(a);
    if (rc == 1)
        win(r, a);
    else if (rc < 0)
        (void)fail_attempt(r, a, rc);
}

static int begin_attempt(race *r, attempt *a) {
    int family = a->address.u.any.sa_family;
    a->fd = evl_sys.socket(family, SOCK_STREAM, 0);
    if (a->fd < 0)
        return evl_err_from_errno(errno);
    r->running++;
    int rc = bind_local(r, a->fd);
    return rc != 0 ? rc : continue_attempt(a);
}

static void staggered(void *arg, int64_t result) {
    if (result == 0)
        (void)begin_next_attempt(arg);
}

static int first_error(const race *r) { return r->n == 0 ? EVL_EADDRNOTAVAIL : r->attempts[0].error; }

/* Returns false if the race has ended and was freed. */
static bool begin_next_attempt(race *r) {
    while (r->next < r->n) {
        attempt *a = &r->attempts[r->next++];
        int rc = begin_attempt(r, a);
        if (rc == 1) {
            win(r, a);
            return false;
        }
        if (rc == 0) {
            evl_op_end(&r->stagger);
            if (r->next < r->n)
                (void)evl_sleep(r->loop, &r->stagger,
                                r->stagger_ns); /* if it fails, the next attempt starts when this one fails */
            return true;
        }
        close_attempt(a);
        record_error(r, a, rc);
    }
    if (r->running > 0)
        return true;
    fail_race(r, first_error(r));
    return false;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Fills `order` with the indexes of the addresses: the families alternate, beginning with the first one. */
static int alternate(const evl_addresses *list, int n, int *order) {
    int count = 0;
    const struct sockaddr *first = evl_addresses_at(list, 0, NULL);
    int same = 0, other = 0;
    for (int turn = 0; count < n; turn++) {
        int *at = turn % 2 == 0 ? &same : &other;
        for (; *at < n; ++*at) {
            const struct sockaddr *address = evl_addresses_at(list, *at, NULL);
            if ((address->sa_family == first->sa_family) == (turn % 2 == 0)) {
                order[count++] = (*at)++;
                break;
            }
        }
    }
    return count;
}

static int make_attempts(race *r, int n) {
    if (n == 0)
        return 0;
    r->attempts = evl_mem_zalloc(&r->loop->mem, (size_t)n * sizeof *r->attempts);
    if (!r->attempts)
        return EVL_ENOMEM;
    r->n = n;
    for (int i = 0; i < n; i++) {
        attempt *a = &r->attempts[i];
        a->race = r;
        a->fd = -1;
        evl_op_init_internal(&a->op, attempt_ready, a);
    }
    return 0;
}

/* False for a family that the local address excludes or the caller did not ask for. */
static bool is_wanted(const race *r, const struct sockaddr *address) {
    int family = address->sa_family;
    if (r->local.length != 0 && r->local.u.any.sa_family != family)
        return false;
    uint32_t flag = family == AF_INET ? EVL_NAME_IPV4 : family == AF_INET6 ? EVL_NAME_IPV6 : 0U;
    return r->families == 0 || flag == 0 || (r->families & flag) != 0;
}

static int take_list(race *r, const evl_addresses *list) {
    int n = evl_addresses_count(list), wanted = 0;
    int *order = evl_mem_zalloc(&r->loop->mem, (size_t)n * sizeof *order);
    if (!order)
        return EVL_ENOMEM;
    (void)alternate(list, n, order);
    for (int i = 0; i < n; i++)
        if (is_wanted(r, evl_addresses_at(list, order[i], NULL)))
            order[wanted++] = order[i];
    int rc = make_attempts(r, wanted);
    for (int i = 0; i < wanted && rc == 0; i++) {
        uint32_t length;
        const void *address = evl_addresses_at(list, order[i], &length);
        rc = evl_sockaddr_copy(address, length, &r->attempts[i].address);
    }
    evl_mem_free(&r->loop->mem, order, (size_t)n * sizeof *order);
    return rc;
}

static void looked_up(void *arg, int64_t result) {
    race *r = arg;
    int rc = result < 0 ? (int)result : take_list(r, r->found);
    if (rc != 0)
        fail_race(r, rc);
    else
        (void)begin_next_attempt(r);
}

/* --- starting --------------------------------------------------------------------------------- */

static int read_options(race *r, const evl_connect_options *given, uint32_t *flags) {
    evl_connect_options o = {0};
    if (given) {
        if (given->struct_size < sizeof given->struct_size)
            return EVL_EINVAL;
        memcpy(&o, given, given->struct_size < sizeof o ? given->struct_size : sizeof o);
    }
    if ((o.flags & ~(uint32_t)(EVL_NAME_IPV4 | EVL_NAME_IPV6)) != 0 || o.stagger_ns < 0 || o.errors_cap < 0 ||
        (o.errors_cap > 0 && !o.errors))
        return EVL_EINVAL;
    *flags = o.flags;
    r->stagger_ns = o.stagger_ns ? o.stagger_ns : STAGGER;
    r->linger_ns = o.linger_ns;
    r->errors = o.errors;
    r->errors_cap = o.errors_cap;
    r->families = o.flags;
    for (int i = 0; i < o.errors_cap; i++)
        o.errors[i] = 0;
    return o.local ? evl_sockaddr_copy(o.local, o.local_length, &r->local) : 0;
}

static int new_race(evl_loop *loop, evl_op *op, const evl_connect_options *options, evl_stream **out,
                    uint32_t *flags, race **made) {
    int rc = evl_op_check_start(loop, op);
    if (rc == 0)
        rc = out ? evl_net_get(loop) : EVL_EINVAL;
    if (rc != 0)
        return rc;
    race *r = evl_mem_zalloc(&loop->mem, sizeof *r);
    if (!r)
        return EVL_ENOMEM;
    r->loop = loop;
    r->out = out;
    r->winner = -1;
    r->retry_ns = RETRY;
    evl_op_init_internal(&r->lookup, looked_up, r);
    evl_op_init_internal(&r->stagger, staggered, r);
    r->retry.fn = retry_attempt;
    r->retry.arg = r;
    evl_list_append(&evl_net_at(loop)->connecting, &r->peers);
    rc = read_options(r, options, flags);
    if (rc != 0) {
        free_race(r);
        return rc;
    }
    *made = r;
    return 0;
}

/* Starts the first attempt: the addresses are known. */
static void start_race(race *r, evl_op *op) {
    evl_loop *loop = r->loop;
    r->op = evl_op_park(loop, op, &connecting, r);
    (void)begin_next_attempt(r);
    evl_touch(loop);
}

int32_t evl_connect_to(evl_loop *loop, evl_op *op, const void *address, uint32_t length,
                       const evl_connect_options *options, evl_stream **out) {
    if (out)
        *out = NULL;
    race *r;
    uint32_t flags;
    int rc = new_race(loop, op, options, out, &flags, &r);
    if (rc != 0)
        return rc;
    evl_sockaddr to;
    rc = evl_sockaddr_copy(address, length, &to);
    if (rc == 0)
        rc = make_attempts(r, is_wanted(r, &to.u.any));
    if (rc == 0 && r->n == 1)
        r->attempts[0].address = to;
    if (rc != 0) {
        free_race(r);
        return rc;
    }
    start_race(r, op);
    return 0;
}

int32_t evl_connect_unix(evl_loop *loop, evl_op *op, const char *path, evl_stream **out) {
    if (out)
        *out = NULL;
    evl_sockaddr address;
    int rc = evl_sockaddr_path(path, &address);
    return rc != 0 ? rc : evl_connect_to(loop, op, &address.u, address.length, NULL, out);
}

int32_t evl_connect_any(evl_loop *loop, evl_op *op, const evl_addresses *addresses,
                        const evl_connect_options *options, evl_stream **out) {
    if (out)
        *out = NULL;
    race *r;
    uint32_t flags;
    if (evl_addresses_count(addresses) == 0)
        return EVL_EINVAL;
    int rc = new_race(loop, op, options, out, &flags, &r);
    if (rc != 0)
        return rc;
    rc = take_list(r, addresses);
    if (rc != 0) {
        free_race(r);
        return rc;
    }
    start_race(r, op);
    return 0;
}

int32_t evl_connect(evl_loop *loop, evl_op *op, const char *host, const char *service,
                    const evl_connect_options *options, evl_stream **out) {
    if (out)
        *out = NULL;
    race *r;
    uint32_t flags;
    int rc = new_race(loop, op, options, out, &flags, &r);
    if (rc != 0)
        return rc;
    rc = evl_getaddrinfo(loop, &r->lookup, host, service, flags, &r->found);
    if (rc < 0) {
        free_race(r);
        return rc;
    }
    r->op = evl_op_park(loop, op, &connecting, r);
    return 0;
}
