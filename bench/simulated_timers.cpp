// What a timer costs in simulated time: coroutines that sleep, one after the other and many at once.

#include <chrono>
#include <iostream>
#include <memory>

#include <asio/io_context.hpp>
#include <fmt/format.h>

#include <evercert/testing/simulated_time.hpp>

#include "base/task_group.hpp"

namespace {

using namespace std::chrono_literals;
using evercert::testing::simulated_clock;

asio::awaitable<void> sleep_often(std::shared_ptr<simulated_clock> clock, evercert::duration length, int times) {
    while (times-- > 0)
        co_await clock->sleep_for(length);
}

/// Nanoseconds for each of so many timers of `sleepers` coroutines.
double nanoseconds(int sleepers, int timers) {
    asio::io_context io;
    evercert::testing::simulated_time time{io};
    evercert::task_group tasks{io.get_executor()};
    const auto clock = time.make_clock();
    const auto each = timers / sleepers;
    // Each at moments of its own, as in life.
    for (int i = 0; i < sleepers; ++i)
        tasks.spawn(sleep_often(clock, 1s + i * 1us, each));
    const auto began = std::chrono::steady_clock::now();
    time.pass((2s + sleepers * 1us) * each);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - began;
    return took.count() / (each * sleepers);
}

}  // namespace

int main() {
    constexpr int timers = 200'000;
    for (const int sleepers : {1, 1'000, 100'000})
        std::cout << fmt::format(R"({{"sleepers":{},"nanoseconds":{:.0f}}})", sleepers, nanoseconds(sleepers, timers))
                  << '\n';
}
