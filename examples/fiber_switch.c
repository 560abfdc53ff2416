/* fiber_switch.c - greenlet's example: two fibers that switch to each other. Prints 12, 56, 34, 78. */
#include <evloop/fiber.h>
#include <stdio.h>

static evl_fiber *gr1, *gr2;

static int64_t test1(void *arg) {
    (void)arg;
    puts("12");
    evl_fiber_switch(gr2, NULL, NULL);
    puts("34");
    evl_fiber_switch(gr2, NULL, NULL);
    return 0;
}

static int64_t test2(void *arg) {
    (void)arg;
    puts("56");
    evl_fiber_switch(gr1, NULL, NULL);
    puts("78");
    return 0; /* to its parent, which is main */
}

int main(void) {
    evl_loop *loop;
    int32_t rc = evl_loop_new(&loop, NULL);
    if (rc == 0)
        rc = evl_fiber_new(loop, test1, NULL, &gr1);
    if (rc == 0)
        rc = evl_fiber_new(loop, test2, NULL, &gr2);
    if (rc == 0)
        rc = evl_fiber_switch(gr1, NULL, NULL);
    if (rc < 0)
        fprintf(stderr, "fiber_switch: %s\n", evl_strerror(rc));
    evl_loop_destroy(loop); /* gr1 still waits in its second switch: it ends with the loop */
    evl_fiber_unref(gr1);
    evl_fiber_unref(gr2);
    return rc < 0;
}
