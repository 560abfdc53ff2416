// evloop.hpp - evloop for C++20: coroutines and owners over the C library, headers only.
#pragma once

#include "evloop/error.hpp"
#include "evloop/frame.hpp"
#include "evloop/op.hpp"
#include "evloop/pump.hpp"
#include "evloop/run.hpp"
#include "evloop/scope.hpp"
#include "evloop/sleep.hpp"
#include "evloop/task.hpp"
#include "evloop/time.hpp"
