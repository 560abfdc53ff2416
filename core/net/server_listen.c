/* server_listen.c - listening at an address, a path, a list of addresses, or a host and port. */
#include "../loop/loop.h"
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define PORT_TRIES 8

static void set_port(evl_sockaddr *address, uint16_t port) {
    if (address->u.any.sa_family == AF_INET)
        address->u.v4.sin_port = port;
    else if (address->u.any.sa_family == AF_INET6)
        address->u.v6.sin6_port = port;
}

/* In the network's byte order. */
static uint16_t port_of(const evl_sockaddr *address) {
    return address->u.any.sa_family == AF_INET    ? address->u.v4.sin_port
           : address->u.any.sa_family == AF_INET6 ? address->u.v6.sin6_port
                                                  : 0;
}

static uint16_t bound_port(const evl_server_state *sv) {
    evl_sockaddr address;
    socklen_t len = sizeof address.u;
    memset(&address, 0, sizeof address);
    if (evl_sys.getsockname(sv->first->io.fd, &address.u.any, &len) != 0)
        return 0;
    return port_of(&address);
}

static bool is_absent(int error) { return error == EVL_EADDRNOTAVAIL || error == EVL_EAFNOSUPPORT; }

/* Listens at all addresses or fails, except for those that the machine does not have. With port 0 all get the
 * port that the first one was given; *clash: it is in use at another address, and another port may do. */
static int listen_all(evl_server_state *sv, evl_sockaddr *addresses, int n, bool *clash) {
    int rc = EVL_EADDRNOTAVAIL;
    bool any = port_of(&addresses[0]) == 0;
    *clash = false;
    for (int i = 0; i < n; i++) {
        if (any && sv->first)
            set_port(&addresses[i], bound_port(sv));
        int error = evl_server_listen_at(sv, &addresses[i]);
        *clash = error == EVL_EADDRINUSE && any && sv->first;
        if (error == 0)
            rc = 0;
        else if (!is_absent(error))
            return error;
    }
    return sv->first ? 0 : rc;
}

static int listen_addresses(evl_loop *loop, evl_sockaddr *addresses, int n, const evl_server_options *options,
                            evl_server **out) {
    int rc = EVL_EINVAL;
    bool any = n > 0 && port_of(&addresses[0]) == 0, clash = n > 0;
    for (int tries = 0; tries < PORT_TRIES && clash; tries++) {
        evl_server_state *sv;
        rc = evl_server_new(loop, options, &sv);
        if (rc != 0)
            return rc;
        for (int i = 0; i < n && any; i++)
            set_port(&addresses[i], 0);
        rc = listen_all(sv, addresses, n, &clash);
        if (rc == 0) {
            *out = &sv->first->io.base;
            return 0;
        }
        (void)evl_server_abandon(sv, false, rc);
    }
    return rc;
}

int32_t evl_server_listen_on(evl_loop *loop, const void *address, uint32_t length,
                             const evl_server_options *options, evl_server **out) {
    if (out)
        *out = NULL;
    evl_sockaddr copy;
    int rc = evl_server_check_new(loop, out);
    if (rc == 0)
        rc = evl_sockaddr_copy(address, length, &copy);
    return rc != 0 ? rc : listen_addresses(loop, &copy, 1, options, out);
}

int32_t evl_server_listen_unix(evl_loop *loop, const char *path, const evl_server_options *options,
                               evl_server **out) {
    if (out)
        *out = NULL;
    evl_sockaddr address;
    int rc = evl_server_check_new(loop, out);
    if (rc == 0)
        rc = evl_sockaddr_path(path, &address);
    return rc != 0 ? rc : listen_addresses(loop, &address, 1, options, out);
}

/* Some resolvers return an address twice, and the second bind would fail with EADDRINUSE. */
static bool is_among(const evl_sockaddr *addresses, int n, const evl_sockaddr *address) {
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
    int rc = evl_server_check_new(loop, out);
    int n = evl_addresses_count(list);
    if (rc == 0 && n == 0)
        rc = EVL_EINVAL;
    if (rc != 0)
        return rc;
    size_t size = (size_t)n * sizeof(evl_sockaddr);
    evl_sockaddr *addresses = evl_mem_zalloc(&loop->mem, size);
    if (!addresses)
        return EVL_ENOMEM;
    int different = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        uint32_t length;
        const void *address = evl_addresses_at(list, i, &length);
        rc = evl_sockaddr_copy(address, length, &addresses[different]);
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
    evl_sockaddr addresses[2];
    uint16_t port = 0;
    int n = 2, rc = evl_server_check_new(loop, out);
    if (rc == 0)
        rc = read_port(service, &port);
    if (rc != 0)
        return rc;
    bool all = !host || host[0] == '\0';
    if (all || strcmp(host, "localhost") == 0) {
        (void)evl_sockaddr_literal(all ? "0.0.0.0" : "127.0.0.1", port, &addresses[0]);
        (void)evl_sockaddr_literal(all ? "::" : "::1", port, &addresses[1]);
    } else {
        n = 1;
        rc = evl_sockaddr_literal(host, port, &addresses[0]);
        if (rc != 0)
            return rc == EVL_EINVAL ? EVL_EAI_NONAME : rc;
    }
    return listen_addresses(loop, addresses, n, options, out);
}
