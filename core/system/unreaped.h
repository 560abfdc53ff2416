/* unreaped.h - children that no loop looks after. The table is the process's; any thread may call these. */
#ifndef EVL_CORE_UNREAPED_H
#define EVL_CORE_UNREAPED_H

void evl_unreaped_add(int pid);

/* Takes the status of those that have ended. `reused`: a new child has this number, or 0. */
void evl_unreaped_reap(int reused);

#endif
