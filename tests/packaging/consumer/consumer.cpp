// consumer.cpp - what evloop::cpp promises: C++20, and the headers of both floors.
#include <evloop.h>
#if __has_include(<evloop.hpp>)
#    include <evloop.hpp>
#endif

static_assert(__cplusplus >= 202002L);

int main() { return evl_version() > 0 ? 0 : 1; }
