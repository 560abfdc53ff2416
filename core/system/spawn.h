/* spawn.h - a program in a new process, started in two steps: the child stands still until the parent has
 * made everything that can fail, so that a call that fails has started nothing. */
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
    int32_t *fds; /* the parent's numbers of what becomes the child's 0, 1, ...; -1: nothing */
    int32_t count;
    const char *search; /* the directories to look in, or NULL: `file` is a path */
    char *path;         /* room for any of them, '/' and `file` */
    int channel;        /* the parent's end while the child stands still */
    int pid;
} evl_spawn;

/* spawn_stdio.c: what the options want as the child's numbers up to `count`. sources: the parent's numbers of
 * it, -1: nothing. own: of these, what is to be closed when the child has them, also after an error. ours:
 * the parent's ends of pipes and sockets. The arrays have `count` places, those of ours -1 before. */
int evl_stdio_open(const evl_process_options *options, int32_t count, int32_t *sources, int32_t *own,
                   int32_t *ours);

/* Bytes that `path` needs; sets `search`. */
size_t evl_spawn_look(evl_spawn *s);

/* Makes the child, which stands still. */
int evl_spawn_begin(evl_spawn *s);

/* Lets it go; 0 when it runs the program. With an error it is gone. */
int evl_spawn_go(evl_spawn *s);

/* Ends it where it stands. */
void evl_spawn_give_up(evl_spawn *s);

#endif
