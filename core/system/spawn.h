/* spawn.h - running a program in a new process, in two steps: the child waits until the parent has done
 * everything that can fail, so that a call that fails has started nothing. */
#ifndef EVL_CORE_SPAWN_H
#define EVL_CORE_SPAWN_H

#include "../base/sys.h"
#include <evloop/process.h>
#include <stdint.h>

typedef struct evl_spawn {
    const char *file;
    const char *const *args;
    const char *const *env;
    const char *cwd; /* NULL: here */
    uint32_t flags;  /* EVL_PROCESS_* */
    int32_t group;
    uint32_t uid, gid;
    int32_t *fds; /* fds of the parent that become 0, 1, ... in the child; -1: closed */
    int32_t count;
    const char *search; /* the directories to search; NULL: `file` is a path */
    char *path;         /* room for the longest of them, '/' and `file` */
    int channel;        /* the parent's end of a socket pair, until the program runs */
    int pid;
} evl_spawn;

/* spawn_stdio.c: opens what the options give the child as fds 0 to `count` - 1. The arrays have `count`
 * elements.
 *
 *   sources  fds of the parent that the child gets; -1: closed
 *   own      those of `sources` that the caller closes when the child has them, also after an error
 *   ours     the parent's ends of pipes and sockets; -1 before the call */
int evl_stdio_open(const evl_process_options *options, int32_t count, int32_t *sources, int32_t *own,
                   int32_t *ours);

/* Sets `env` and `search`, and returns how many bytes `path` needs. */
size_t evl_spawn_prepare_search(evl_spawn *s);

/* Forks. The child waits. */
int evl_spawn_begin(evl_spawn *s);

/* Releases the child. Returns 0 when it runs the program; after an error it has exited. */
int evl_spawn_go(evl_spawn *s);

/* Makes the waiting child exit. */
void evl_spawn_abandon(evl_spawn *s);

#endif
