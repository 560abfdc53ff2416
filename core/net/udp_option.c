/* udp_option.c - addresses and options of a datagram socket, and multicast groups. */
#include "../loop/access.h"
#include "udp.h"

#include "address.h"
#include "option.h"
#include <errno.h>
#include <string.h>

/* --- addresses -------------------------------------------------------------------------------- */

evl_fd evl_udp_fd(const evl_udp *udp) {
    int rc = evl_enter_to_read(udp, EVL_KIND_UDP);
    return rc != 0 ? rc : evl_u_of(udp)->io.fd;
}

static int32_t udp_address(const evl_udp *udp, int (*call)(int, struct sockaddr *, socklen_t *),
                           void *address, uint32_t cap) {
    int rc = evl_enter_to_read(udp, EVL_KIND_UDP);
    if (rc == 0)
        rc = evl_u_of(udp)->lost;
    if (rc == 0 && !address && cap > 0)
        rc = EVL_EINVAL;
    return rc != 0 ? rc : evl_socket_address(evl_u_of(udp)->io.fd, call, address, cap);
}

int32_t evl_udp_local(const evl_udp *udp, void *address, uint32_t cap) {
    return udp_address(udp, evl_sys.getsockname, address, cap);
}

int32_t evl_udp_peer(const evl_udp *udp, void *address, uint32_t cap) {
    return udp_address(udp, evl_sys.getpeername, address, cap);
}

/* --- options ---------------------------------------------------------------------------------- */

/* Some systems require one byte for these, and those that use an int accept the byte too. */
static int set_byte(int fd, int name, int value) {
    unsigned char byte = (unsigned char)value;
    return evl_sys.setsockopt(fd, IPPROTO_IP, name, &byte, sizeof byte) == 0 ? 0 : evl_err_from_errno(errno);
}

static int set_interface_ipv4(int fd, int32_t index) {
#if defined(__linux__) || defined(__FreeBSD__) || defined(__APPLE__)
    struct ip_mreqn request = {.imr_ifindex = index};
    return evl_sys.setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) == 0
               ? 0
               : evl_err_from_errno(errno);
#else
    (void)fd, (void)index;
    return EVL_ENOTSUP;
#endif
}

typedef struct range {
    int32_t low, high;
} range;

static const range ranges[] = {[EVL_UDP_OPT_BROADCAST] = {0, 1},
                               [EVL_UDP_OPT_TTL] = {1, 255},
                               [EVL_UDP_OPT_MULTICAST_TTL] = {0, 255},
                               [EVL_UDP_OPT_MULTICAST_LOOP] = {0, 1},
                               [EVL_UDP_OPT_MULTICAST_INTERFACE] = {0, INT32_MAX},
                               [EVL_UDP_OPT_SEND_BUFFER] = {1, INT32_MAX},
                               [EVL_UDP_OPT_RECEIVE_BUFFER] = {1, INT32_MAX}};

static int set_ipv4(int fd, int32_t option, int32_t value) {
    switch (option) {
    case EVL_UDP_OPT_TTL:
        return evl_socket_set(fd, IPPROTO_IP, IP_TTL, value);
    case EVL_UDP_OPT_MULTICAST_TTL:
        return set_byte(fd, IP_MULTICAST_TTL, value);
    case EVL_UDP_OPT_MULTICAST_LOOP:
        return set_byte(fd, IP_MULTICAST_LOOP, value);
    default:
        return set_interface_ipv4(fd, value);
    }
}

static int set_ipv6(int fd, int32_t option, int32_t value) {
    static const int names[] = {[EVL_UDP_OPT_TTL] = IPV6_UNICAST_HOPS,
                                [EVL_UDP_OPT_MULTICAST_TTL] = IPV6_MULTICAST_HOPS,
                                [EVL_UDP_OPT_MULTICAST_LOOP] = IPV6_MULTICAST_LOOP,
                                [EVL_UDP_OPT_MULTICAST_INTERFACE] = IPV6_MULTICAST_IF};
    return evl_socket_set(fd, IPPROTO_IPV6, names[option], value);
}

int32_t evl_udp_set_option(evl_udp *udp, int32_t option, int32_t value) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    if (option < EVL_UDP_OPT_BROADCAST || option > EVL_UDP_OPT_RECEIVE_BUFFER || value < ranges[option].low ||
        value > ranges[option].high)
        return EVL_EINVAL;
    int fd = evl_u_of(udp)->io.fd;
    if (option == EVL_UDP_OPT_BROADCAST)
        return evl_socket_set(fd, SOL_SOCKET, SO_BROADCAST, value);
    if (option == EVL_UDP_OPT_SEND_BUFFER)
        return evl_socket_set(fd, SOL_SOCKET, SO_SNDBUF, value);
    if (option == EVL_UDP_OPT_RECEIVE_BUFFER)
        return evl_socket_set(fd, SOL_SOCKET, SO_RCVBUF, value);
    int family = evl_socket_family(fd);
    return family == AF_INET    ? set_ipv4(fd, option, value)
           : family == AF_INET6 ? set_ipv6(fd, option, value)
           : family < 0         ? family
                                : EVL_ENOTSUP;
}

/* --- groups ----------------------------------------------------------------------------------- */

#if defined(MCAST_JOIN_GROUP)
static int copy_group_address(struct sockaddr_storage *to, const void *address, uint32_t length, int family) {
    evl_sockaddr given;
    if (!address || length < offsetof(struct sockaddr, sa_data) || length > sizeof given.u)
        return EVL_EINVAL;
    memcpy(&given.u, address, length);
    size_t least = family == AF_INET ? sizeof given.u.v4 : sizeof given.u.v6;
    if (given.u.any.sa_family != family || length < least)
        return EVL_EINVAL;
    memset(to, 0, sizeof *to);
    memcpy(to, &given.u, least);
    return 0;
}

static int32_t change_membership(evl_udp *udp, bool join, const void *group, uint32_t group_length,
                                 uint32_t interface, const void *source, uint32_t source_length) {
    int rc = evl_udp_enter(udp);
    if (rc != 0)
        return rc;
    int fd = evl_u_of(udp)->io.fd, family = evl_socket_family(fd);
    if (family != AF_INET && family != AF_INET6)
        return family < 0 ? family : EVL_ENOTSUP;
    struct group_req any = {.gr_interface = interface};
    struct group_source_req one = {.gsr_interface = interface};
    rc = copy_group_address(&any.gr_group, group, group_length, family);
    if (rc == 0 && source)
        rc = copy_group_address(&one.gsr_source, source, source_length, family);
    if (rc != 0)
        return rc;
    one.gsr_group = any.gr_group;
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    int from_any = join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    int from_one = join ? MCAST_JOIN_SOURCE_GROUP : MCAST_LEAVE_SOURCE_GROUP;
    rc = source ? evl_sys.setsockopt(fd, level, from_one, &one, sizeof one)
                : evl_sys.setsockopt(fd, level, from_any, &any, sizeof any);
    return rc == 0 ? 0 : evl_err_from_errno(errno);
}
#else
static int32_t change_membership(evl_udp *udp, bool join, const void *group, uint32_t group_length,
                                 uint32_t interface, const void *source, uint32_t source_length) {
    (void)join, (void)group, (void)group_length, (void)interface, (void)source, (void)source_length;
    int rc = evl_udp_enter(udp);
    return rc != 0 ? rc : EVL_ENOTSUP;
}
#endif

int32_t evl_udp_join(evl_udp *udp, const void *group, uint32_t group_length, uint32_t interface_index,
                     const void *source, uint32_t source_length) {
    return change_membership(udp, true, group, group_length, interface_index, source, source_length);
}

int32_t evl_udp_leave(evl_udp *udp, const void *group, uint32_t group_length, uint32_t interface_index,
                      const void *source, uint32_t source_length) {
    return change_membership(udp, false, group, group_length, interface_index, source, source_length);
}
