/* producer_consumer.c - the classic of asyncio's queue: producers, consumers, and a join that says when all
 * is done. producer_consumer [PRODUCERS [CONSUMERS [ITEMS]]]
 *
 * Each producer puts ITEMS items into a queue that holds few, and so waits for the consumers; each consumer
 * works a moment on every item. When all is put, join waits for the work, and the consumers are told to stop.
 */
#include <evloop.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROOM = 4 };

typedef struct producer {
    evl_op put, pause;
    int number, left;
    int *item; /* on its way into the queue */
} producer;

typedef struct consumer {
    evl_op get, work;
    void *item;
    int number, done;
} consumer;

static evl_loop *loop;
static evl_queue *queue;
static evl_op join;
static int producing, finished;
static long sum;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "producer_consumer: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

static void on_joined(void *arg, int64_t rc) {
    (void)arg;
    check((int32_t)rc, "join");
    printf("all items are worked off\n");
    check(evl_queue_shutdown(queue, 0),
          "evl_queue_shutdown"); /* no more: who waits for an item hears of it */
}

/* --- producers
 * -----------------------------------------------------------------------------------------------
 */

static void produce(producer *p) {
    if (p->left-- == 0) {
        if (--producing == 0)
            check(evl_queue_join(queue, &join), "evl_queue_join");
        return;
    }
    p->item = malloc(sizeof *p->item);
    check(p->item == NULL ? EVL_ENOMEM : 0, "an item");
    *p->item = p->number * 1000 + p->left;
    check(evl_queue_put(queue, &p->put, p->item, 0), "evl_queue_put");
}

/* Asked before there is room: now there is. */
static void on_put(void *arg, int64_t rc) {
    producer *p = arg;
    check((int32_t)rc, "put");
    check(evl_sleep(loop, &p->pause, 100000), "evl_sleep");
}

static void on_pause(void *arg, int64_t rc) {
    check((int32_t)rc, "pause");
    produce(arg);
}

/* --- consumers
 * -----------------------------------------------------------------------------------------------
 */

static void on_item(void *arg, int64_t rc) {
    consumer *c = arg;
    if (rc == EVL_ESHUTDOWN) {
        printf("consumer %d stops\n", c->number);
        finished += c->done;
        return;
    }
    check((int32_t)rc, "get");
    check(evl_sleep(loop, &c->work, 300000), "evl_sleep");
}

static void consume(consumer *c) {
    int32_t rc = evl_queue_get(queue, &c->get, &c->item);
    if (rc == EVL_ESHUTDOWN) /* already so when asked */
        on_item(c, rc);
    else
        check(rc, "evl_queue_get");
}

static void on_worked(void *arg, int64_t rc) {
    consumer *c = arg;
    check((int32_t)rc, "work");
    sum += *(int *)c->item;
    free(c->item);
    c->done++;
    check(evl_queue_task_done(queue), "evl_queue_task_done");
    consume(c);
}

int main(int argc, char **argv) {
    int counts[3] = {2, 3, 10}, total = 0;
    for (int i = 1; i < argc; i++)
        if (i > 3 || (counts[i - 1] = atoi(argv[i])) < 1 || counts[i - 1] > 1000)
            return fputs("usage: producer_consumer [PRODUCERS [CONSUMERS [ITEMS]]]\n", stderr), 2;
    producer *producers = calloc((size_t)counts[0], sizeof *producers);
    consumer *consumers = calloc((size_t)counts[1], sizeof *consumers);
    check(producers == NULL || consumers == NULL ? EVL_ENOMEM : 0, "memory");
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_queue_new(loop, ROOM, EVL_QUEUE_FIFO, free, &queue), "evl_queue_new");
    check(evl_op_init(&join, on_joined, NULL, 0), "evl_op_init");
    for (int i = 0; i < counts[1]; i++) {
        consumers[i].number = i + 1;
        evl_op_init(&consumers[i].get, on_item, &consumers[i], 0);
        evl_op_init(&consumers[i].work, on_worked, &consumers[i], 0);
        consume(&consumers[i]);
    }
    producing = counts[0];
    for (int i = 0; i < counts[0]; i++) {
        producers[i].number = i + 1;
        producers[i].left = counts[2];
        total += counts[2];
        evl_op_init(&producers[i].put, on_put, &producers[i], 0);
        evl_op_init(&producers[i].pause, on_pause, &producers[i], 0);
        produce(&producers[i]);
    }
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    printf("%d of %d items, their sum is %ld\n", finished, total, sum);
    evl_queue_free(queue);
    check(evl_loop_close(loop), "evl_loop_close");
    free(producers);
    free(consumers);
    return finished != total;
}
