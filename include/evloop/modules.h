/* evloop/modules.h - what all modules of a process share: for language layers.
 *
 * A program and its plugins may each be compiled with a copy of a language layer, and hide its symbols from
 * one another. What must be one for all of them, the task that runs on this thread for one, such a layer
 * keeps here, in the library that they share. Other programs need none of this. */
#ifndef EVLOOP_MODULES_H
#define EVLOOP_MODULES_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Slots 0 to 7 belong to the C++ layer, the others to any other one layer of the process. */
enum { EVL_MODULES_SLOTS = 16 };

/* Returns the address of a pointer of the calling thread that all modules share. It is NULL at first and
 * lives as long as the thread; the library never looks at it. Returns NULL if slot is not below
 * EVL_MODULES_SLOTS.
 * @thread any. @since 0.1 */
EVL_API void **evl_modules_thread(uint32_t slot);

/* Returns the object that all modules use in the place of their own: the `mine` of the first call with this
 * slot since the slot was empty, so that every call returns the same. It must stay until
 * evl_modules_withdraw. Returns NULL if slot is not below EVL_MODULES_SLOTS.
 * @thread any. @since 0.1 */
EVL_API const void *evl_modules_share(uint32_t slot, const void *mine);

/* Empties the slot if `mine` is what is shared: for a module that is unloaded. @thread any. @since 0.1 */
EVL_API void evl_modules_withdraw(uint32_t slot, const void *mine);

#ifdef __cplusplus
}
#endif
#endif
