/* backoff.c - waits for what the system will have more of later. There are seldom any, and hardly ever two.
 */
#include "backoff.h"
#include "embed.h"
#include "loop.h"

void evl_backoff_begin(evl_loop *loop, evl_backoff *backoff, int64_t ns) {
    backoff->until = evl_saturated_add(evl_monotonic(), ns);
    evl_list_unlink(&backoff->link);
    evl_list_append(&loop->backoffs, &backoff->link);
    evl_touch(loop);
}

int64_t evl_backoffs_until(const evl_loop *loop) {
    int64_t until = EVL_NEVER;
    for (const evl_link *link = loop->backoffs.next; link != &loop->backoffs; link = link->next) {
        const evl_backoff *backoff = EVL_OWNER(link, evl_backoff, link);
        until = backoff->until < until ? backoff->until : until;
    }
    return until;
}

int64_t evl_backoffs_wait(const evl_loop *loop, int64_t limit) {
    int64_t until = evl_backoffs_until(loop);
    if (until == EVL_NEVER || limit == 0)
        return limit;
    int64_t now = evl_monotonic(), left = until > now ? until - now : 0;
    return limit < 0 || left < limit ? left : limit;
}

/* A function may begin its backoff again, which is due later. */
void evl_backoffs_due(evl_loop *loop) {
    int64_t now = evl_monotonic();
    for (evl_link *link = loop->backoffs.next, *next; link != &loop->backoffs; link = next) {
        evl_backoff *backoff = EVL_OWNER(link, evl_backoff, link);
        next = link->next;
        if (backoff->until > now)
            continue;
        evl_list_unlink(link);
        backoff->fn(backoff->arg);
    }
}
