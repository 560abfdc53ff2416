/* address.c - addresses as text and as what the system takes. */
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <arpa/inet.h>

_Static_assert(sizeof(evl_sockaddr) <= EVL_ADDRESS_SIZE, "the public size has room for every address");

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

static int read_ipv6(const char *text, size_t length, uint16_t port, evl_sockaddr *out) {
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

int evl_sockaddr_literal(const char *text, uint16_t port, evl_sockaddr *out) {
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
int evl_sockaddr_path(const char *text, evl_sockaddr *out) {
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

int evl_sockaddr_copy(const void *address, uint32_t length, evl_sockaddr *out) {
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
    evl_sockaddr out;
    bool is_path = text[0] == '@' || strchr(text, '/');
    int rc = is_path ? evl_sockaddr_path(text, &out) : evl_sockaddr_literal(text, (uint16_t)port, &out);
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
static int copy_checked(const void *address, uint32_t length, evl_sockaddr *out) {
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

static int port_of(const evl_sockaddr *address, int family) {
    return family == EVL_FAMILY_IPV4   ? ntohs(address->u.v4.sin_port)
           : family == EVL_FAMILY_IPV6 ? ntohs(address->u.v6.sin6_port)
                                       : 0;
}

static void write_host(const evl_sockaddr *address, int family, char text[EVL_ADDRESS_TEXT]) {
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
    evl_sockaddr copy;
    char text[EVL_ADDRESS_TEXT];
    int family = cap > 0 && !buf ? EVL_EINVAL : copy_checked(address, length, &copy);
    if (family < 0)
        return family;
    write_host(&copy, family, text);
    return put(text, buf, cap);
}

int32_t evl_address_text(const void *address, uint32_t length, char *buf, size_t cap) {
    evl_sockaddr copy;
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
    evl_sockaddr copy;
    return copy_checked(address, length, &copy);
}

int32_t evl_address_port(const void *address, uint32_t length) {
    evl_sockaddr copy;
    int family = copy_checked(address, length, &copy);
    return family < 0 ? family : port_of(&copy, family);
}

/* --- values ----------------------------------------------------------------------------------- */

static int give(const evl_sockaddr *from, evl_address *out) {
    memcpy(out->data, &from->u, from->length);
    out->length = from->length;
    return 0;
}

/* "80" behind the colon. */
static int read_port(const char *text, uint16_t *port) {
    unsigned long number = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return EVL_EINVAL;
    number = strtoul(text, NULL, 10);
    *port = (uint16_t)number;
    return number <= UINT16_MAX ? 0 : EVL_EINVAL;
}

/* Where the port's colon is, or the end: an IPv6 address without brackets has no port. */
static const char *end_of_host(const char *text) {
    const char *end = text + strlen(text);
    const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = strchr(text, ':');
    if (bracket)
        return bracket + 1;
    return colon && !strchr(colon + 1, ':') ? colon : end;
}

static int read_host_and_port(const char *text, evl_sockaddr *out) {
    char host[EVL_ADDRESS_TEXT];
    const char *end = end_of_host(text);
    size_t length = (size_t)(end - text);
    uint16_t port = 0;
    if (length == 0 || length >= sizeof host || (*end != '\0' && *end != ':'))
        return EVL_EINVAL;
    int rc = *end == ':' ? read_port(end + 1, &port) : 0;
    if (rc != 0)
        return rc;
    memcpy(host, text, length);
    host[length] = '\0';
    return evl_sockaddr_literal(host, port, out);
}

int32_t evl_address_from_text(const char *text, evl_address *out) {
    evl_sockaddr made;
    if (!out)
        return EVL_EINVAL;
    memset(out, 0, sizeof *out);
    if (!text)
        return EVL_EINVAL;
    bool is_path = text[0] == '@' || strchr(text, '/');
    int rc = is_path ? evl_sockaddr_path(text, &made) : read_host_and_port(text, &made);
    return rc != 0 ? rc : give(&made, out);
}

int32_t evl_address_set(evl_address *out, const void *address, uint32_t length) {
    evl_sockaddr copy;
    if (!out)
        return EVL_EINVAL;
    int family = copy_checked(address, length, &copy); /* first: it may lie in *out */
    memset(out, 0, sizeof *out);
    return family < 0 ? family : give(&copy, out);
}

static int order(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int order_bytes(const void *a, size_t a_length, const void *b, size_t b_length) {
    int rc = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return rc != 0 ? (rc < 0 ? -1 : 1) : order(a_length, b_length);
}

/* A path ends with its 0 or its length, an abstract name with its length alone. */
static size_t path_length(const evl_sockaddr *address) {
    size_t length = address->length - offsetof(struct sockaddr_un, sun_path);
    const char *path = address->u.path.sun_path;
    return length > 0 && path[0] != '\0' ? strnlen(path, length) : length;
}

static int order_paths(const evl_sockaddr *a, const evl_sockaddr *b) {
    return order_bytes(a->u.path.sun_path, path_length(a), b->u.path.sun_path, path_length(b));
}

static int order_ipv4(const evl_sockaddr *a, const evl_sockaddr *b) {
    return order(ntohl(a->u.v4.sin_addr.s_addr), ntohl(b->u.v4.sin_addr.s_addr));
}

static int order_ipv6(const evl_sockaddr *a, const evl_sockaddr *b) {
    const size_t size = sizeof a->u.v6.sin6_addr;
    return order_bytes(&a->u.v6.sin6_addr, size, &b->u.v6.sin6_addr, size);
}

int32_t evl_address_compare(const evl_address *a, const evl_address *b) {
    evl_sockaddr x, y;
    int family = a ? copy_checked(a->data, a->length, &x) : 0;
    int other = b ? copy_checked(b->data, b->length, &y) : 0;
    family = family < 0 ? 0 : family;
    other = other < 0 ? 0 : other;
    if (family != other || family == 0)
        return family < other ? -1 : family > other;
    int rc = family == EVL_FAMILY_UNIX   ? order_paths(&x, &y)
             : family == EVL_FAMILY_IPV4 ? order_ipv4(&x, &y)
                                         : order_ipv6(&x, &y);
    if (rc == 0)
        rc = order((uint64_t)port_of(&x, family), (uint64_t)port_of(&y, family));
    return rc != 0 || family != EVL_FAMILY_IPV6 ? rc : order(x.u.v6.sin6_scope_id, y.u.v6.sin6_scope_id);
}
