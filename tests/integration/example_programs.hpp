#pragma once

#include <chrono>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>

/// The built examples, as programs to run.
namespace test {

inline std::string example(const std::string& name) {
    const char* folder = std::getenv("EVERCERT_EXAMPLES");
    if (!folder)
        throw std::runtime_error{"EVERCERT_EXAMPLES must name the folder of the built examples"};
    return std::string{folder} + "/" + name;
}

/// Until it holds, or the test has no more patience.
inline void wait_until(const char* what, const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error{std::string{"waited in vain until "} + what};
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

}  // namespace test
