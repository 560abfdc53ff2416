#include <evloop/modules.h>

#include <stdatomic.h>
#include <stddef.h>

static _Thread_local void *of_thread[EVL_MODULES_SLOTS];
static _Atomic(const void *) shared[EVL_MODULES_SLOTS];

void **evl_modules_thread(uint32_t slot) { return slot < EVL_MODULES_SLOTS ? &of_thread[slot] : NULL; }

const void *evl_modules_share(uint32_t slot, const void *mine) {
    if (slot >= EVL_MODULES_SLOTS)
        return NULL;
    const void *first = NULL;
    return atomic_compare_exchange_strong(&shared[slot], &first, mine) ? mine : first;
}

void evl_modules_withdraw(uint32_t slot, const void *mine) {
    if (slot < EVL_MODULES_SLOTS)
        (void)atomic_compare_exchange_strong(&shared[slot], &mine, NULL);
}
