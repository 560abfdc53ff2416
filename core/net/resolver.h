/* resolver.h - look-ups by a resolver of the program's, and the lists that come of them. */
#ifndef EVL_CORE_RESOLVER_H
#define EVL_CORE_RESOLVER_H

#include "../loop/loop.h"
#include "address.h"

/* A list of these addresses; NULL: out of memory. */
evl_addresses *evl_addresses_make(evl_loop *loop, const evl_sockaddr *found, int32_t count,
                                  const char *canonical);

/* Asks loop->resolve. The start was checked; returns as evl_getaddrinfo. */
int evl_resolver_start(evl_loop *loop, evl_op *op, const char *host, const char *service, uint32_t flags,
                       evl_addresses **out);

#endif
