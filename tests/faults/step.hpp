// step.hpp - operations of a scenario, one after another, and the streams that they are made with. Who meets
// an error tells it and goes on with what is left.
#pragma once

#include "stage.hpp"

#include <string>

namespace faults {

// Starts an operation, and waits for what it completes with.
class Step {
  public:
    explicit Step(Stage &stage);
    Step(const Step &) = delete;
    ~Step();
    bool start(const std::function<int32_t(evl_op *op)> &call);
    bool wait(); // whether it was completed
    bool run(const std::function<int32_t(evl_op *op)> &call) { return start(call) && wait(); }

    evl_op op;
    int times = 0;
    int64_t result = 0;

  private:
    static void heard(void *arg, int64_t result);

    Stage &stage_;
};

struct Ends {
    evl_stream *near = nullptr, *far = nullptr;
    bool both() const { return near && far; }
};

void end(evl_stream *stream); // at once; NULL: nothing
void end(Ends &ends);

struct Address {
    alignas(8) unsigned char bytes[EVL_ADDRESS_SIZE] = {};
    uint32_t length = 0;
};

// Of a server's n-th socket; of length 0 when the kernel would not say, twice.
Address local_of(Stage &stage, const evl_server *server, int32_t n = 0);

// Two streams that evloop connects and accepts.
Ends meet(Stage &stage, evl_server *server,
          const std::function<int32_t(evl_op *op, evl_stream **out)> &connect);

// Whether what is written on one side is read on the other.
bool talk(Stage &stage, evl_stream *from, evl_stream *to, const std::string &text);

} // namespace faults
