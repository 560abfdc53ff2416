/* evloop.h - one event loop over epoll, kqueue and select: watchers, timers, deferred calls, posts, signals. */
#ifndef EVLOOP_H
#define EVLOOP_H

#include "evloop/backend.h"
#include "evloop/base.h"
#include "evloop/call.h"
#include "evloop/errors.h"
#include "evloop/handle.h"
#include "evloop/hook.h"
#include "evloop/io.h"
#include "evloop/loop.h"
#include "evloop/metrics.h"
#include "evloop/op.h"
#include "evloop/record.h"
#include "evloop/signal.h"
#include "evloop/timer.h"

#endif
