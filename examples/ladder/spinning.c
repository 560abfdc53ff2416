/* spinning.c - non-blocking sockets, and nobody to say which of them is ready: ask them all, again and again.
 */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int style_spinning(job *j) {
    int *fds = calloc((size_t)j->count, sizeof *fds), left = 0;
    if (fds == NULL)
        return -ENOMEM;
    for (int i = 0; i < j->count; i++) {
        fds[i] = source_open(&j->sources[i], 1);
        left += fds[i] >= 0;
    }
    while (left > 0) {
        for (int i = 0; i < j->count; i++) {
            if (fds[i] >= 0 && !source_read(&j->sources[i], fds[i])) {
                close(fds[i]);
                fds[i] = -1;
                left--;
            }
        }
    }
    free(fds);
    return 0;
}
