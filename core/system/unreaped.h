/* unreaped.h - children whose handle and loop are freed. There is one table in the process; any thread may
 * call these. */
#ifndef EVL_CORE_UNREAPED_H
#define EVL_CORE_UNREAPED_H

void evl_unreaped_add(int pid);

/* Takes the status of those that have ended. `reused`: the id of a child that was just forked, or 0. */
void evl_unreaped_reap(int reused);

#endif
