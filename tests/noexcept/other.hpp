// other.hpp - a unit of the other kind, which has exceptions; only C passes between the two.
#pragma once

#include <evloop.h>

// Starts tasks that throw and catch; the future gets 42. It is good until end_other.
evl_future *start_other(evl_loop *loop);
void end_other();
