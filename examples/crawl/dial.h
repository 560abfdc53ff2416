/* dial.h - connects to a host by name, without ever blocking the loop. */
#ifndef CRAWL_DIAL_H
#define CRAWL_DIAL_H

#include <evloop.h>

typedef struct dial dial;

/* Called once, from the loop: with a connected, non-blocking fd that is now the callee's, or with -1 and what
 * the problem was. The dial is over then. */
typedef void dial_fn(void *arg, int fd, const char *problem);

/* NULL when there is no memory or no thread for it. */
dial *dial_start(evl_loop *loop, const char *host, const char *port, dial_fn *fn, void *arg);

/* Silently: fn is not called any more. */
void dial_cancel(dial *d);

#endif
