// sandbox.hpp - every test leaves the process as it found it; the runner checks.
#pragma once

namespace support {

// Registers the check with GoogleTest: after each test the same fds are open, the same number of threads
// runs, the signals' dispositions, the mask and what is pending are as before, evl_sys is the real table, and
// no child is left.
void install_sandbox();

// Threads of this process.
int threads();

} // namespace support
