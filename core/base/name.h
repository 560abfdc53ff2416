/* name.h - the names that programs give to what they make. */
#ifndef EVL_CORE_NAME_H
#define EVL_CORE_NAME_H

#include <stddef.h>
#include <string.h>

#define EVL_NAME_SIZE 32 /* a name with its final 0 */

/* NULL: empty. What does not fit is cut off. */
static inline void evl_copy_name(char to[EVL_NAME_SIZE], const char *from) {
    size_t len = 0;
    for (; from && from[len] != '\0' && len < EVL_NAME_SIZE - 1; len++)
        to[len] = from[len];
    memset(to + len, 0, EVL_NAME_SIZE - len);
}

#endif
