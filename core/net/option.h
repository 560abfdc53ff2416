/* option.h - options of a socket, and what the system knows about it. Each call returns an evloop error code
 * when the system call fails. */
#ifndef EVL_CORE_OPTION_H
#define EVL_CORE_OPTION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

int evl_socket_set(int fd, int level, int name, int value);
int evl_socket_get(int fd, int level, int name, int *value);

/* AF_INET, AF_UNIX and so on. */
int evl_socket_family(int fd);

/* Copies at most `cap` bytes of the address that `call` (getsockname, getpeername) reports and returns its
 * full length. `out` may be NULL when `cap` is 0. */
int32_t evl_socket_address(int fd, int (*call)(int, struct sockaddr *, socklen_t *), void *out, size_t cap);

/* Clears O_NONBLOCK, which is shared by every process and fd that refers to the same open file. */
void evl_socket_restore_blocking(int fd);

#endif
