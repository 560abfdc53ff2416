/* option.c - what is asked of a socket, and set. */
#include "option.h"
#include "../base/sys.h"

#include <sys/socket.h>

int evl_socket_family(int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    return evl_sys.getsockname(fd, (struct sockaddr *)&address, &len) == 0 ? address.ss_family : AF_UNSPEC;
}
