/* address.h - private header of addresses. */
#ifndef EVL_CORE_ADDRESS_H
#define EVL_CORE_ADDRESS_H

#include "../base/sys.h"
#include <evloop/errors.h>
#include <evloop/names.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct evl_sockaddr {
    uint32_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un path;
    } u;
} evl_sockaddr;

/* From a Unix path, or "@name" for an abstract one. Errors: EVL_EINVAL (empty), EVL_ENAMETOOLONG. */
int evl_sockaddr_path(const char *text, evl_sockaddr *out);

/* From an IP or Unix address of the caller, aligned or not. Errors: EVL_EINVAL, EVL_EAFNOSUPPORT. */
int evl_sockaddr_copy(const void *address, uint32_t length, evl_sockaddr *out);

/* From an IPv4 or IPv6 literal. Returns EVL_EINVAL for anything else, a host name for instance. */
int evl_sockaddr_literal(const char *text, uint16_t port, evl_sockaddr *out);

#endif
