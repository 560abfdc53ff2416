/* queue_fault.h - what must hold in a timer queue between two operations. */
#ifndef EVLOOP_TESTS_QUEUE_FAULT_H
#define EVLOOP_TESTS_QUEUE_FAULT_H

#include "base/timer_queue.h"

const char *queue_fault(const evl_timer_queue *q); /* NULL: none */

#endif
