/* option.h - what is asked of a socket, and set. */
#ifndef EVL_CORE_OPTION_H
#define EVL_CORE_OPTION_H

int evl_socket_family(int fd); /* AF_UNSPEC: it is no socket */

#endif
