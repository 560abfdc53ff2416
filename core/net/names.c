/* names.c - names to addresses and back, by the system's resolver on threads of the loop.
 *
 * A look-up has an allocation of its own, which belongs to the job: a cancelled operation leaves it to the
 * thread. The resolver's result is converted for the caller on the loop's thread, right before the operation
 * completes. */
#include "../async/executor.h"
#include "../loop/loop.h"
#include "resolver.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS   4
#define HOST_SIZE 1025 /* NI_MAXHOST */
#define PORT_SIZE 64

#define KNOWN_FLAGS                                                                                          \
    (EVL_NAME_IPV4 | EVL_NAME_IPV6 | EVL_NAME_DATAGRAM | EVL_NAME_PASSIVE | EVL_NAME_NUMERIC_HOST |          \
     EVL_NAME_NUMERIC_SERVICE | EVL_NAME_CANONICAL | EVL_NAME_CONFIGURED)
#define KNOWN_NAME_FLAGS                                                                                     \
    (EVL_NAME_DATAGRAM | EVL_NAME_NUMERIC_HOST | EVL_NAME_NUMERIC_SERVICE | EVL_NAME_REQUIRED)

/* --- lists ------------------------------------------------------------------------------------ */

struct evl_addresses {
    evl_loop *loop; /* a reference, for its memory */
    int32_t count;
    uint32_t size; /* of this block */
    char *canonical;
    evl_sockaddr items[];
};

static evl_addresses *new_list(evl_loop *loop, int32_t count, const char *canonical) {
    size_t text = strlen(canonical) + 1;
    size_t size = sizeof(evl_addresses) + (size_t)count * sizeof(evl_sockaddr) + text;
    evl_addresses *list = evl_mem_zalloc(&loop->mem, size);
    if (!list)
        return NULL;
    list->loop = evl_loop_ref(loop);
    list->count = count;
    list->size = (uint32_t)size;
    list->canonical = (char *)&list->items[count];
    memcpy(list->canonical, canonical, text);
    return list;
}

evl_addresses *evl_addresses_make(evl_loop *loop, const evl_sockaddr *found, int32_t count,
                                  const char *canonical) {
    evl_addresses *list = new_list(loop, count, canonical);
    if (list)
        memcpy(list->items, found, (size_t)count * sizeof *found);
    return list;
}

int32_t evl_addresses_count(const evl_addresses *list) { return list ? list->count : 0; }

const void *evl_addresses_at(const evl_addresses *list, int32_t n, uint32_t *length) {
    if (!list || n < 0 || n >= list->count)
        return NULL;
    if (length)
        *length = list->items[n].length;
    return &list->items[n].u;
}

const char *evl_addresses_canonical(const evl_addresses *list) { return list ? list->canonical : ""; }

void evl_addresses_free(evl_addresses *list) {
    if (!list)
        return;
    evl_loop *loop = list->loop;
    evl_mem_free(&loop->mem, list, list->size);
    evl_loop_unref(loop);
}

/* --- the pool --------------------------------------------------------------------------------- */

static int pool_of(evl_loop *loop, evl_executor **out) {
    return evl_jobs_pool(loop, EVL_POOL_NAMES, THREADS, "evloop names", out);
}

/* The error that evl_sys.getaddrinfo left in errno: a negated EVL_EAI_* code, or an errno. */
static int resolver_error(void) {
    return errno >= -EVL_EAI_AGAIN && errno <= -EVL_EAI_UNKNOWN ? -errno : evl_err_from_errno(errno);
}

/* --- addresses of a name ---------------------------------------------------------------------- */

typedef struct resolution {
    evl_loop *loop; /* a reference, for its memory */
    evl_addresses **out;
    struct addrinfo hints;
    struct addrinfo *found;
    int error;
    char *service; /* NULL: none */
    char host[HOST_SIZE];
    char service_text[PORT_SIZE];
} resolution;

static void free_resolution(void *arg) {
    resolution *r = arg;
    evl_loop *loop = r->loop;
    if (r->found)
        (void)evl_sys.freeaddrinfo(r->found);
    evl_mem_free(&loop->mem, r, sizeof *r);
    evl_loop_unref(loop);
}

static void resolve(void *arg) {
    resolution *r = arg;
    if (evl_sys.getaddrinfo(r->host[0] ? r->host : NULL, r->service, &r->hints, &r->found) != 0) {
        r->error = resolver_error();
        r->found = NULL;
    }
}

static bool is_usable(const struct addrinfo *info) {
    return (info->ai_family == AF_INET || info->ai_family == AF_INET6) && info->ai_addr &&
           info->ai_addrlen <= sizeof(struct sockaddr_in6);
}

static int make_list(evl_loop *loop, const struct addrinfo *found, evl_addresses **out) {
    int32_t count = 0;
    const char *canonical = found && found->ai_canonname ? found->ai_canonname : "";
    for (const struct addrinfo *info = found; info; info = info->ai_next)
        count += is_usable(info);
    if (count == 0)
        return EVL_EAI_NODATA;
    evl_addresses *list = new_list(loop, count, canonical);
    if (!list)
        return EVL_ENOMEM;
    evl_sockaddr *item = list->items;
    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        if (!is_usable(info))
            continue;
        item->length = (uint32_t)info->ai_addrlen;
        memcpy(&item->u, info->ai_addr, info->ai_addrlen);
        item++;
    }
    *out = list;
    return count;
}

static void deliver_addresses(evl_operation *op) {
    resolution *r = op->value;
    op->node.u.result = r->error != 0 ? r->error : make_list(op->loop, r->found, r->out);
    free_resolution(r);
}

static void refuse_addresses(evl_operation *op) { free_resolution(op->value); }

static const evl_op_type resolving = {.name = "getaddrinfo",
                                      .leave = evl_job_leave,
                                      .deliver = deliver_addresses,
                                      .refuse = refuse_addresses,
                                      .threaded = true};

static struct addrinfo hints_of(uint32_t flags) {
    uint32_t families = flags & (EVL_NAME_IPV4 | EVL_NAME_IPV6);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (families == EVL_NAME_IPV4)
        hints.ai_family = AF_INET;
    else if (families == EVL_NAME_IPV6)
        hints.ai_family = AF_INET6;
    if (flags & EVL_NAME_DATAGRAM)
        hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags =
        (flags & EVL_NAME_PASSIVE ? AI_PASSIVE : 0) | (flags & EVL_NAME_NUMERIC_HOST ? AI_NUMERICHOST : 0) |
        (flags & EVL_NAME_NUMERIC_SERVICE ? AI_NUMERICSERV : 0) |
        (flags & EVL_NAME_CANONICAL ? AI_CANONNAME : 0) | (flags & EVL_NAME_CONFIGURED ? AI_ADDRCONFIG : 0);
    return hints;
}

static int start_resolution(evl_loop *loop, evl_op *op, const char *host, const char *service, uint32_t flags,
                            evl_addresses **out) {
    evl_executor *pool;
    int rc = pool_of(loop, &pool);
    if (rc != 0)
        return rc;
    resolution *r = evl_mem_zalloc(&loop->mem, sizeof *r);
    if (!r)
        return EVL_ENOMEM;
    r->loop = evl_loop_ref(loop);
    r->out = out;
    r->hints = hints_of(flags);
    (void)snprintf(r->host, sizeof r->host, "%s", host);
    if (service) {
        (void)snprintf(r->service_text, sizeof r->service_text, "%s", service);
        r->service = r->service_text;
    }
    rc = evl_job_start(pool, loop, op, &resolving, resolve, r, free_resolution);
    if (rc != 0)
        free_resolution(r);
    return rc;
}

/* --- literals, at once ------------------------------------------------------------------------ */

/* Services that programs commonly use, with the same port for streams and datagrams. */
static const struct {
    const char *name;
    uint16_t port;
} well_known[] = {{"domain", 53}, {"http", 80}, {"https", 443}, {"ssh", 22}};

/* Returns a port, -1 if the resolver is needed, or an error. */
static int port_at_once(const char *service, uint32_t flags) {
    if (!service)
        return 0;
    size_t digits = strspn(service, "0123456789");
    if (service[digits] == '\0') {
        unsigned long port = digits <= 5 ? strtoul(service, NULL, 10) : ULONG_MAX;
        return port <= UINT16_MAX ? (int)port : EVL_EAI_SERVICE;
    }
    if (flags & EVL_NAME_NUMERIC_SERVICE)
        return EVL_EAI_NONAME;
    for (size_t i = 0; i < sizeof well_known / sizeof well_known[0]; i++)
        if (strcmp(well_known[i].name, service) == 0)
            return well_known[i].port;
    return -1;
}

static bool wants_family(uint32_t flags, int family) {
    uint32_t families = flags & (EVL_NAME_IPV4 | EVL_NAME_IPV6);
    return families == 0 || (families & (family == AF_INET ? EVL_NAME_IPV4 : EVL_NAME_IPV6)) != 0;
}

/* Without a host: the wildcard addresses to bind to (passive), or the loopback addresses to connect to. */
static int no_host_addresses(uint32_t flags, uint16_t port, evl_sockaddr out[2]) {
    bool passive = (flags & EVL_NAME_PASSIVE) != 0;
    int count = 0;
    if (wants_family(flags, AF_INET6))
        (void)evl_sockaddr_literal(passive ? "::" : "::1", port, &out[count++]);
    if (wants_family(flags, AF_INET))
        (void)evl_sockaddr_literal(passive ? "0.0.0.0" : "127.0.0.1", port, &out[count++]);
    return count;
}

/* Returns the number of addresses that are known without the resolver, 0 if it is needed, or an error. */
static int find_at_once(const char *host, const char *service, uint32_t flags, evl_sockaddr out[2]) {
    int port = port_at_once(service, flags);
    if (port < -1)
        return port;
    bool none = host[0] == '\0';
    int rc = none ? 0 : evl_sockaddr_literal(host, (uint16_t)(port < 0 ? 0 : port), &out[0]);
    if (rc == EVL_EINVAL)
        return flags & EVL_NAME_NUMERIC_HOST ? EVL_EAI_NONAME : 0;
    if (rc != 0) /* of the scope: no such interface, or a failed system call */
        return rc == EVL_ENODEV || rc == EVL_ENXIO ? EVL_EAI_NONAME : rc;
    if (!none && !wants_family(flags, out[0].u.any.sa_family))
        return EVL_EAI_ADDRFAMILY;
    if (port < 0 || (flags & EVL_NAME_CONFIGURED))
        return 0;
    return none ? no_host_addresses(flags, (uint16_t)port, out) : 1;
}

static void deliver_literal(evl_operation *op) { *(evl_addresses **)op->owner = op->value; }

static void refuse_literal(evl_operation *op) { evl_addresses_free(op->value); }

static const evl_op_type literal = {
    .name = "getaddrinfo", .deliver = deliver_literal, .refuse = refuse_literal};

static int complete_at_once(evl_loop *loop, evl_op *op, const char *canonical, const evl_sockaddr *found,
                            int count, evl_addresses **out) {
    evl_addresses *list = evl_addresses_make(loop, found, count, canonical);
    if (!list)
        return EVL_ENOMEM;
    evl_operation_of(op)->value = list;
    int rc = evl_op_start_done(loop, op, &literal, out, count);
    if (rc == 1)
        *out = list;
    return rc;
}

int32_t evl_getaddrinfo(evl_loop *loop, evl_op *op, const char *host, const char *service, uint32_t flags,
                        evl_addresses **out) {
    if (out)
        *out = NULL;
    int rc = evl_op_check_start(loop, op);
    if (rc == 0 && (!out || (flags & ~(uint32_t)KNOWN_FLAGS) != 0))
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    if (!host)
        host = "";
    if (service && service[0] == '\0')
        service = NULL;
    if ((host[0] == '\0' && !service) || strlen(host) >= HOST_SIZE ||
        (service && strlen(service) >= PORT_SIZE))
        return EVL_EAI_NONAME;
    evl_sockaddr found[2];
    int count = find_at_once(host, service, flags, found);
    if (count < 0)
        return count;
    if (count == 0 && loop->resolve && host[0] != '\0')
        return evl_resolver_start(loop, op, host, service, flags, out);
    if (count == 0)
        return start_resolution(loop, op, host, service, flags, out);
    return complete_at_once(loop, op, flags & EVL_NAME_CANONICAL ? host : "", found, count, out);
}

/* --- names of an address ---------------------------------------------------------------------- */

typedef struct naming {
    evl_loop *loop; /* a reference, for its memory */
    evl_sockaddr address;
    int flags;
    int error;
    char *host, *service; /* the caller's, written at delivery; NULL: not wanted */
    size_t host_cap, service_cap;
    char host_text[HOST_SIZE];
    char service_text[PORT_SIZE];
} naming;

static void free_naming(void *arg) {
    naming *n = arg;
    evl_loop *loop = n->loop;
    evl_mem_free(&loop->mem, n, sizeof *n);
    evl_loop_unref(loop);
}

static void run_naming(void *arg) {
    naming *n = arg;
    int rc = evl_sys.getnameinfo(&n->address.u.any, n->address.length, n->host ? n->host_text : NULL,
                                 n->host ? sizeof n->host_text : 0, n->service ? n->service_text : NULL,
                                 n->service ? sizeof n->service_text : 0, n->flags);
    n->error = rc != 0 ? resolver_error() : 0;
}

static bool fits(const char *text, const char *buf, size_t cap) { return !buf || strlen(text) < cap; }

/* Copies both texts or none. */
static int copy_names(const naming *n) {
    if (n->error != 0)
        return n->error;
    if (!fits(n->host_text, n->host, n->host_cap) || !fits(n->service_text, n->service, n->service_cap))
        return EVL_EAI_OVERFLOW;
    if (n->host)
        memcpy(n->host, n->host_text, strlen(n->host_text) + 1);
    if (n->service)
        memcpy(n->service, n->service_text, strlen(n->service_text) + 1);
    return 0;
}

static void deliver_names(evl_operation *op) {
    op->node.u.result = copy_names(op->value);
    free_naming(op->value);
}

static void refuse_names(evl_operation *op) { free_naming(op->value); }

static const evl_op_type naming_it = {.name = "getnameinfo",
                                      .leave = evl_job_leave,
                                      .deliver = deliver_names,
                                      .refuse = refuse_names,
                                      .threaded = true};
static const evl_op_type named = {.name = "getnameinfo", .deliver = deliver_names, .refuse = refuse_names};

/* Only numbers are wanted: no thread is needed. */
static bool is_numeric(const naming *n) {
    return (!n->host || (n->flags & NI_NUMERICHOST)) && (!n->service || (n->flags & NI_NUMERICSERV));
}

static int write_at_once(evl_loop *loop, evl_op *op, naming *n) {
    if (n->host)
        (void)evl_address_host(&n->address.u, n->address.length, n->host_text, sizeof n->host_text);
    int port = evl_address_port(&n->address.u, n->address.length);
    (void)snprintf(n->service_text, sizeof n->service_text, "%d", port);
    evl_operation_of(op)->value = n;
    int rc = evl_op_start_done(loop, op, &named, NULL, 0);
    if (rc == 1) {
        evl_operation_of(op)->node.u.result = copy_names(n);
        free_naming(n);
    }
    return rc;
}

static int start_naming(evl_loop *loop, evl_op *op, naming *n) {
    evl_executor *pool;
    int rc = pool_of(loop, &pool);
    return rc != 0 ? rc : evl_job_start(pool, loop, op, &naming_it, run_naming, n, free_naming);
}

int32_t evl_getnameinfo(evl_loop *loop, evl_op *op, const void *address, uint32_t length, uint32_t flags,
                        char *host, size_t host_cap, char *service, size_t service_cap) {
    int rc = evl_op_check_start(loop, op);
    if (rc == 0 && ((flags & ~(uint32_t)KNOWN_NAME_FLAGS) != 0 || (!host && !service) ||
                    (!host && host_cap != 0) || (!service && service_cap != 0)))
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    int family = evl_address_family(address, length);
    if (family < 0 && family != EVL_EAFNOSUPPORT)
        return family;
    if (family != EVL_FAMILY_IPV4 && family != EVL_FAMILY_IPV6)
        return EVL_EAI_FAMILY;
    naming *n = evl_mem_zalloc(&loop->mem, sizeof *n);
    if (!n)
        return EVL_ENOMEM;
    n->loop = evl_loop_ref(loop);
    memcpy(&n->address.u, address, length);
    n->address.length = length;
    n->host = host;
    n->host_cap = host_cap;
    n->service = service;
    n->service_cap = service_cap;
    n->flags = (flags & EVL_NAME_NUMERIC_HOST ? NI_NUMERICHOST : 0) |
               (flags & EVL_NAME_NUMERIC_SERVICE ? NI_NUMERICSERV : 0) |
               (flags & EVL_NAME_REQUIRED ? NI_NAMEREQD : 0) | (flags & EVL_NAME_DATAGRAM ? NI_DGRAM : 0);
    if (is_numeric(n))
        return write_at_once(loop, op, n);
    rc = start_naming(loop, op, n);
    if (rc != 0)
        free_naming(n);
    return rc;
}
