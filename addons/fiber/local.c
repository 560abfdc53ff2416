/* local.c - values that belong to a fiber, by key. */
#include "internal.h"

#include <stdlib.h>

static fiber_local **find(evl_fiber *fiber, const void *key) {
    fiber_local **at = &fiber->locals;
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static void end(fiber_local *local) {
    if (local->drop)
        local->drop(local->value);
    free(local);
}

int32_t evl_fiber_set_local(const void *key, void *value, evl_fn *drop) {
    evl_fiber *self = fiber_current();
    if (!self)
        return EVL_EPERM;
    fiber_local *made = NULL;
    if (value) {
        made = malloc(sizeof *made);
        if (!made)
            return EVL_ENOMEM;
    }
    fiber_local **at = find(self, key), *old = *at;
    if (old)
        *at = old->next;
    if (made) {
        *made = (fiber_local){self->locals, key, value, drop};
        self->locals = made;
    }
    if (old)
        end(old);
    return 0;
}

void *evl_fiber_local(const void *key) {
    evl_fiber *self = fiber_current();
    const fiber_local *local = self ? *find(self, key) : NULL;
    return local ? local->value : NULL;
}

/* A drop may store another. */
void fiber_drop_locals(evl_fiber *fiber) {
    while (fiber->locals) {
        fiber_local *local = fiber->locals;
        fiber->locals = local->next;
        end(local);
    }
}
