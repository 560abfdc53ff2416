// precompiled.hpp - what most tests include, parsed once (tests/CMakeLists.txt). A test includes what it
// needs all the same: the preset clang compiles each as it stands.
#pragma once

#include "world.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <netinet/in.h>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>
