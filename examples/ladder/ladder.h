/* ladder.h - what the styles, the servers and the report of the ladder share.
 *
 * The job: fetch some texts from slow servers, one connection each, and compare every byte with the source. A
 * style is one way to do that: one file with one function of type style_fn, and one line in styles.h. */
#ifndef LADDER_H
#define LADDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- sources (source.c): what is fetched, and how far that has come ----------------------------------------
 */

typedef struct source {
    const char *path;
    const char *data; /* what its server sends, and what the fetched bytes are compared with */
    size_t size;
    uint16_t port;       /* of its server, on the loopback interface */
    struct tally *tally; /* shared by all processes, so that one may fetch and another watch */
} source;

/* Starts a connection: an fd, non-blocking if asked to be, or a negative errno, which is noted. A
 * non-blocking one need not be connected yet: it will say so when it is readable. */
int source_open(source *s, int nonblocking);

/* One read: 1 if there may be more, at once or later; 0 if this was the end, the right one or not, and the fd
 * is to be closed. Counts the read, compares the bytes, notes what is wrong. */
int source_read(source *s, int fd);

/* The same of what somebody else has read: n bytes, 0 at the end, or a negative errno. */
int source_take(source *s, const void *data, int64_t n);

/* The whole of a source, blocking. */
void source_fetch(source *s);

/* --- styles ------------------------------------------------------------------------------------------------
 */

typedef struct job {
    source *sources;
    int count;
    const char *backend; /* for styles that run once per backend, else NULL */
    uint64_t waits;      /* to be counted by the style: select(), epoll_wait() and the like */
} job;

/* Fetches everything. 0, or a negative errno if the style itself cannot run; what goes wrong with a source is
 * noted there and stops no other source. */
typedef int style_fn(job *j);

typedef struct style {
    const char *name;
    style_fn *fn;
    const char *note;
    int per_backend; /* one row for each backend of evloop */
} style;

#define STYLE(function, name, per_backend, note) style_fn function;
#include "styles.h"
#undef STYLE

#ifdef __cplusplus
}
#endif
#endif
