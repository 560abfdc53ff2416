/* A kernel or an emulator that takes every advice about memory and follows none (qemu-user does): a forked
 * child is noticed all the same. Its madvise is defined here, in the program's own name. */
#define _GNU_SOURCE
#include <evloop.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int madvise(void *address, size_t length, int advice) {
    (void)address;
    (void)length;
    (void)advice;
    return 0;
}

int main(void) {
    evl_loop *loop;
    int status;
    if (evl_loop_new(&loop, NULL) != 0)
        return 1;
    pid_t child = fork();
    if (child == 0) {
        int rc = evl_loop_run(loop, EVL_RUN_NOWAIT);
        _exit(rc == EVL_EFORK && evl_loop_destroy(loop) == 0 ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    if (status != 0)
        (void)fprintf(stderr, "the child was not told that it is one\n");
    return status != 0 || evl_loop_close(loop) != 0;
}
