/* processes.c - a process for each source, each of them blocking. */
#define _POSIX_C_SOURCE 200809L
#include "ladder.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int style_processes(job *j) {
    pid_t *pids = calloc((size_t)j->count, sizeof *pids);
    int started = 0, rc = pids == NULL ? -ENOMEM : 0;
    while (rc == 0 && started < j->count) {
        pid_t pid = fork();
        if (pid == 0) {
            source_fetch(&j->sources[started]); /* what it got is in the source's tally, in shared memory */
            free(pids);
            _exit(0);
        }
        if (pid > 0)
            pids[started++] = pid;
        else
            rc = -errno;
    }
    for (int i = 0; i < started; i++)
        while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
    free(pids);
    return rc;
}
