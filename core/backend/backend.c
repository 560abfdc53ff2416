#include "backend.h"

#include <string.h>

#if EVL_HAVE_EPOLL
extern const evl_backend evl_backend_epoll;
#endif
#if EVL_HAVE_KQUEUE
extern const evl_backend evl_backend_kqueue;
#endif
extern const evl_backend evl_backend_select;

const evl_backend *const evl_backends[] = {
#if EVL_HAVE_EPOLL
    &evl_backend_epoll,
#endif
#if EVL_HAVE_KQUEUE
    &evl_backend_kqueue,
#endif
    &evl_backend_select,
    NULL,
};

const evl_backend *evl_backend_named(const char *name) {
    for (int i = 0; evl_backends[i]; i++)
        if (strcmp(evl_backends[i]->name, name) == 0)
            return evl_backends[i];
    return NULL;
}

const char *evl_backend_at(int32_t i) {
    for (int32_t k = 0; i >= 0 && evl_backends[k]; k++)
        if (k == i)
            return evl_backends[k]->name;
    return NULL;
}
