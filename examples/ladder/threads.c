/* threads.c - a thread for each source, each of them blocking. */
#include "ladder.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

static void *fetch(void *arg) {
    source_fetch(arg);
    return NULL;
}

int style_threads(job *j) {
    pthread_t *threads = calloc((size_t)j->count, sizeof *threads);
    int started = 0, rc = threads == NULL ? -ENOMEM : 0;
    while (rc == 0 && started < j->count) {
        rc = -pthread_create(&threads[started], NULL, fetch, &j->sources[started]);
        started += rc == 0;
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
    return rc;
}
