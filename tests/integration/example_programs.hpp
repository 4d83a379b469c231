#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "pebble.hpp"
#include "process.hpp"

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

/// The command line of an example that has its certificates from `ca`.
inline std::vector<std::string> example_command(
    const std::string& name, const pebble& ca, const std::vector<std::string>& more) {
    std::vector<std::string> command{example(name), "--directory", ca.directory_url(), "--ca-file",
                                     ca.ca_file(),  "--bind",      "127.0.0.1"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
}

/// Such an example, once it listens on all of `ports`. Throws with its log if it ends before.
inline process start_example(
    const std::string& name, const pebble& ca, std::string log, const std::vector<std::uint16_t>& ports,
    const std::vector<std::string>& more) {
    process started{example_command(name, ca, more), {}, std::move(log)};
    wait_until((name + " listens").c_str(), [&] {
        if (!started.is_running())
            throw std::runtime_error{name + " ended: " + started.log()};
        return std::all_of(
            ports.begin(), ports.end(), [&](std::uint16_t port) { return started.listens_on_tcp(port); });
    });
    return started;
}

}  // namespace test
