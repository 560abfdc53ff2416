#include "leaf.h"

#if defined(EVLOOP_CHECKS)

#    include <stdio.h>
#    include <stdlib.h>

_Thread_local const evl_mem *evl_leaf;

void evl_leaf_broken(void) {
    (void)fputs("evloop: a function of a transport, or an allocator, has called its loop\n", stderr);
    abort();
}

#else
typedef int evl_no_leaf; /* a translation unit may not be empty */
#endif
