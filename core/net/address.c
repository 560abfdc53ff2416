/* address.c - addresses as text and as what the system takes. */
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <arpa/inet.h>

_Static_assert(sizeof(evl_address) <= EVL_ADDRESS_SIZE, "the public size has room for every address");

/* --- from text -------------------------------------------------------------------------------- */

/* An interface's number, or its name. */
static int read_scope(const char *text, uint32_t *scope) {
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0') {
        *scope = (uint32_t)number;
        return errno == 0 && number <= UINT32_MAX ? 0 : EVL_EINVAL;
    }
    int index = text[0] == '\0' ? -1 : evl_sys.if_index(text);
    if (index > 0)
        *scope = (uint32_t)index;
    return index > 0 ? 0 : text[0] == '\0' ? EVL_EINVAL : evl_err_from_errno(errno);
}

static int read_ipv6(const char *text, size_t length, uint16_t port, evl_address *out) {
    char copy[INET6_ADDRSTRLEN + 1 + 64];
    if (length >= sizeof copy)
        return EVL_EINVAL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *scope = strchr(copy, '%');
    if (scope)
        *scope++ = '\0';
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET6, copy, &address.sin6_addr) != 1)
        return EVL_EINVAL;
    uint32_t number = 0;
    int rc = scope ? read_scope(scope, &number) : 0;
    if (rc != 0)
        return rc;
    address.sin6_scope_id = number;
    out->length = sizeof address;
    out->u.v6 = address;
    return 0;
}

int evl_address_literal(const char *text, uint16_t port, evl_address *out) {
    size_t length = strlen(text);
    if (text[0] == '[' && text[length - 1] == ']')
        return read_ipv6(text + 1, length - 2, port, out);
    if (strchr(text, ':'))
        return read_ipv6(text, length, port, out);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
        return EVL_EINVAL;
    out->length = sizeof address;
    out->u.v4 = address;
    return 0;
}

/* A path has its final 0; an abstract name begins with a 0 and has none. */
int evl_address_path(const char *text, evl_address *out) {
    if (!text || text[0] == '\0')
        return EVL_EINVAL;
    size_t length = strlen(text);
    struct sockaddr_un *address = &out->u.path;
    if (length + 1 > sizeof address->sun_path)
        return EVL_ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, text, length);
    bool abstract = text[0] == '@';
    if (abstract)
        address->sun_path[0] = '\0';
    out->length = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
    return 0;
}

int evl_address_copy(const void *address, uint32_t length, evl_address *out) {
    if (!address || length < sizeof(sa_family_t) || length > sizeof out->u)
        return EVL_EINVAL;
    memset(out, 0, sizeof *out);
    memcpy(&out->u, address, length);
    out->length = length;
    int family = out->u.any.sa_family;
    return family == AF_INET || family == AF_INET6 || family == AF_UNIX ? 0 : EVL_EAFNOSUPPORT;
}

int32_t evl_address_parse(const char *text, uint32_t port, void *address, uint32_t cap, uint32_t *length) {
    if (!text || !address || !length || port > UINT16_MAX)
        return EVL_EINVAL;
    evl_address out;
    bool is_path = text[0] == '@' || strchr(text, '/');
    int rc = is_path ? evl_address_path(text, &out) : evl_address_literal(text, (uint16_t)port, &out);
    if (rc != 0)
        return rc;
    if (out.length > cap)
        return EVL_ENOBUFS;
    memcpy(address, &out.u, out.length);
    *length = out.length;
    return 0;
}

/* --- to text ---------------------------------------------------------------------------------- */

/* Copies the address, which may not be aligned, and returns its EVL_FAMILY_*. */
static int copy_checked(const void *address, uint32_t length, evl_address *out) {
    if (!address || length < offsetof(struct sockaddr, sa_data) || length > sizeof out->u)
        return EVL_EINVAL;
    memset(&out->u, 0, sizeof out->u);
    memcpy(&out->u, address, length);
    out->length = length;
    switch (out->u.any.sa_family) {
    case AF_INET:
        return length >= sizeof out->u.v4 ? EVL_FAMILY_IPV4 : EVL_EINVAL;
    case AF_INET6:
        return length >= sizeof out->u.v6 ? EVL_FAMILY_IPV6 : EVL_EINVAL;
    case AF_UNIX:
        return EVL_FAMILY_UNIX;
    default:
        return EVL_EAFNOSUPPORT;
    }
}

static int port_of(const evl_address *address, int family) {
    return family == EVL_FAMILY_IPV4   ? ntohs(address->u.v4.sin_port)
           : family == EVL_FAMILY_IPV6 ? ntohs(address->u.v6.sin6_port)
                                       : 0;
}

static void write_host(const evl_address *address, int family, char text[EVL_ADDRESS_TEXT]) {
    if (family == EVL_FAMILY_IPV4) {
        (void)inet_ntop(AF_INET, &address->u.v4.sin_addr, text, EVL_ADDRESS_TEXT);
        return;
    }
    if (family == EVL_FAMILY_IPV6) {
        (void)inet_ntop(AF_INET6, &address->u.v6.sin6_addr, text, EVL_ADDRESS_TEXT);
        size_t used = strlen(text);
        if (address->u.v6.sin6_scope_id != 0)
            (void)snprintf(text + used, EVL_ADDRESS_TEXT - used, "%%%u",
                           (unsigned)address->u.v6.sin6_scope_id);
        return;
    }
    size_t length = address->length - offsetof(struct sockaddr_un, sun_path);
    const char *path = address->u.path.sun_path;
    bool abstract = length > 1 && path[0] == '\0';
    for (size_t i = 0; i < length && (path[i] != '\0' || abstract); i++)
        *text++ = path[i] ? path[i] : '@';
    *text = '\0';
}

static int32_t put(const char *text, char *buf, size_t cap) {
    size_t length = strlen(text);
    if (cap > 0) {
        size_t part = length < cap ? length : cap - 1;
        memcpy(buf, text, part);
        buf[part] = '\0';
    }
    return (int32_t)length;
}

int32_t evl_address_host(const void *address, uint32_t length, char *buf, size_t cap) {
    evl_address copy;
    char text[EVL_ADDRESS_TEXT];
    int family = cap > 0 && !buf ? EVL_EINVAL : copy_checked(address, length, &copy);
    if (family < 0)
        return family;
    write_host(&copy, family, text);
    return put(text, buf, cap);
}

int32_t evl_address_text(const void *address, uint32_t length, char *buf, size_t cap) {
    evl_address copy;
    char host[EVL_ADDRESS_TEXT], text[EVL_ADDRESS_TEXT + 16];
    int family = cap > 0 && !buf ? EVL_EINVAL : copy_checked(address, length, &copy);
    if (family < 0)
        return family;
    write_host(&copy, family, host);
    if (family == EVL_FAMILY_UNIX)
        return put(host, buf, cap);
    const char *format = family == EVL_FAMILY_IPV6 ? "[%s]:%d" : "%s:%d";
    (void)snprintf(text, sizeof text, format, host, port_of(&copy, family));
    return put(text, buf, cap);
}

int32_t evl_address_family(const void *address, uint32_t length) {
    evl_address copy;
    return copy_checked(address, length, &copy);
}

int32_t evl_address_port(const void *address, uint32_t length) {
    evl_address copy;
    int family = copy_checked(address, length, &copy);
    return family < 0 ? family : port_of(&copy, family);
}
