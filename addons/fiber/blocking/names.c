/* names.c - getaddrinfo, on a thread of the loop's pool. */
#include "blocking.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

typedef int getaddrinfo_fn(const char *node, const char *service, const struct addrinfo *hints,
                           struct addrinfo **out);
NEXT(getaddrinfo_fn *, getaddrinfo)

typedef struct lookup {
    char *node, *service;
    struct addrinfo hints, *found;
    bool hinted;
    int rc, error;
} lookup;

static void look_up(void *arg) {
    lookup *l = arg;
    l->rc = next_getaddrinfo()(l->node, l->service, l->hinted ? &l->hints : NULL, &l->found);
    l->error = errno;
}

static void release(void *arg) {
    lookup *l = arg;
    if (l->found)
        freeaddrinfo(l->found);
    free(l->node);
    free(l->service);
    free(l);
}

static lookup *make(const char *node, const char *service, const struct addrinfo *hints) {
    lookup *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->node = strdup(node);
    l->service = service ? strdup(service) : NULL;
    l->hinted = hints != NULL;
    if (hints)
        l->hints = (struct addrinfo){.ai_flags = hints->ai_flags,
                                     .ai_family = hints->ai_family,
                                     .ai_socktype = hints->ai_socktype,
                                     .ai_protocol = hints->ai_protocol};
    if (l->node && (l->service || !service))
        return l;
    release(l);
    return NULL;
}

/* Nothing of it is asked of a server. */
static bool is_literal(const char *node, const struct addrinfo *hints) {
    char address[sizeof(struct in6_addr)];
    return !node || (hints && (hints->ai_flags & AI_NUMERICHOST)) || inet_pton(AF_INET, node, address) == 1 ||
           inet_pton(AF_INET6, node, address) == 1;
}

static int64_t run(lookup *l) {
    evl_op op;
    (void)evl_fiber_op_init(&op);
    int32_t rc = evl_executor_submit(NULL, evl_fiber_loop(NULL), &op, look_up, l, release, EVL_SUBMIT_WAIT);
    if (rc < 0) {
        release(l);
        return rc;
    }
    return evl_await(&op);
}

BLOCKING_API int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                             struct addrinfo **out) {
    if (is_literal(node, hints) || !IN_FIBER())
        return next_getaddrinfo()(node, service, hints, out);
    lookup *l = make(node, service, hints);
    if (!l)
        return EAI_MEMORY;
    int64_t result = run(l);
    if (result < 0) { /* it is the pool's now */
        (void)blocking_fail(result);
        return EAI_SYSTEM;
    }
    int rc = l->rc;
    *out = l->found;
    errno = l->error;
    l->found = NULL;
    release(l);
    return rc;
}
