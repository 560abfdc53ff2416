/* resolver.c - evl_getaddrinfo by a resolver of the program's.
 *
 * A resolution belongs to the resolver from its start to evl_resolution_end, whatever becomes of the
 * operation and of the loop: one that is cancelled, closed or taken down only loses its operation, as with
 * the threads of names.c. */
#include "resolver.h"
#include "../loop/access.h"
#include "../op/op.h"

#include <string.h>

#define HOST_SIZE 1025 /* NI_MAXHOST */
#define MOST      4096 /* addresses of one name */

struct evl_resolution {
    evl_loop *loop;    /* a reference, for its memory */
    evl_operation *op; /* NULL: nothing waits for it any more */
    evl_sockaddr *found;
    int32_t count, cap;
    int32_t error;
    bool starting; /* inside the resolver's function, which may end it at once */
    bool ended;
    char canonical[HOST_SIZE];
};

static void free_resolution(evl_resolution *r) {
    evl_loop *loop = r->loop;
    evl_mem_free(&loop->mem, r->found, (size_t)r->cap * sizeof *r->found);
    evl_mem_free(&loop->mem, r, sizeof *r);
    evl_loop_unref(loop);
}

static void leave(evl_operation *op) {
    evl_resolution *r = op->value;
    r->op = NULL;
    op->loop->awaited--;
}

static void deliver(evl_operation *op) { *(evl_addresses **)op->owner = op->value; }

static void refuse(evl_operation *op) { evl_addresses_free(op->value); }

/* In a forked child the resolver's sockets are the parent's, too: it is the parent's to finish. */
static const evl_op_type resolving = {
    .name = "getaddrinfo", .leave = leave, .deliver = deliver, .refuse = refuse, .threaded = true};

/* Stores what was found in *out. Returns the number of addresses, or an error. */
static int make_list(const evl_resolution *r, evl_addresses **out) {
    *out = NULL;
    if (r->error != 0)
        return r->error;
    if (r->count == 0)
        return EVL_EAI_NODATA;
    *out = evl_addresses_make(r->loop, r->found, r->count, r->canonical);
    return *out ? r->count : EVL_ENOMEM;
}

static int complete_at_once(evl_op *op, evl_resolution *r, evl_addresses **out) {
    evl_addresses *list;
    evl_loop *loop = r->loop;
    int rc = make_list(r, &list);
    if (rc >= 0) {
        evl_operation_of(op)->value = list;
        rc = evl_op_start_done(loop, op, &resolving, out, rc);
        if (rc == 1)
            *out = list;
    }
    free_resolution(r);
    return rc;
}

int evl_resolver_start(evl_loop *loop, evl_op *op, const char *host, const char *service, uint32_t flags,
                       evl_addresses **out) {
    evl_resolution *r = evl_mem_zalloc(&loop->mem, sizeof *r);
    if (!r)
        return EVL_ENOMEM;
    r->loop = evl_loop_ref(loop);
    r->starting = true;
    int rc = loop->resolve(loop->resolver, r, host, service, flags);
    r->starting = false;
    if (rc < 0) {
        free_resolution(r);
        return rc;
    }
    if (r->ended)
        return complete_at_once(op, r, out);
    r->op = evl_op_park(loop, op, &resolving, out);
    r->op->value = r;
    loop->awaited++;
    return 0;
}

int32_t evl_loop_set_resolver(evl_loop *loop, evl_resolve_fn *resolve, void *self) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    loop->resolve = resolve;
    loop->resolver = self;
    return 0;
}

static int make_room(evl_resolution *r) {
    if (r->count < r->cap)
        return 0;
    int32_t cap = r->cap == 0 ? 4 : 2 * r->cap;
    evl_sockaddr *found = cap <= MOST
                              ? evl_mem_resize(&r->loop->mem, r->found, (size_t)r->cap * sizeof *found,
                                               (size_t)cap * sizeof *found)
                              : NULL;
    if (!found)
        return EVL_ENOMEM;
    r->found = found;
    r->cap = cap;
    return 0;
}

int32_t evl_resolution_add(evl_resolution *r, const void *address, uint32_t length) {
    evl_sockaddr copy;
    if (!r || r->ended)
        return EVL_EINVAL;
    int rc = evl_sockaddr_copy(address, length, &copy);
    if (rc == 0 && copy.u.any.sa_family == AF_UNIX)
        rc = EVL_EAFNOSUPPORT;
    if (rc == 0)
        rc = make_room(r);
    if (rc == 0)
        r->found[r->count++] = copy;
    return rc;
}

int32_t evl_resolution_set_canonical(evl_resolution *r, const char *name) {
    if (!r || r->ended || !name)
        return EVL_EINVAL;
    if (strlen(name) >= sizeof r->canonical)
        return EVL_ENAMETOOLONG;
    memcpy(r->canonical, name, strlen(name) + 1);
    return 0;
}

int32_t evl_resolution_end(evl_resolution *r, int32_t error) {
    if (!r || r->ended || error > 0)
        return EVL_EINVAL;
    r->error = error;
    r->ended = true;
    if (r->starting)
        return 0;
    evl_operation *op = r->op;
    if (op) {
        evl_addresses *list;
        int rc = make_list(r, &list);
        leave(op);
        op->value = list;
        evl_op_complete(op, rc);
    }
    free_resolution(r);
    return 0;
}
