#pragma once

#include <memory>

#include <asio/any_io_executor.hpp>

#include <evercert/clock.hpp>

#include "base/event.hpp"

namespace test {

/// Time that moves when the test says so. Thread-bound to its executor.
class fake_clock final : public evercert::clock {
public:
    explicit fake_clock(asio::any_io_executor executor) : moved_{std::move(executor)} {}

    evercert::wall_time wall() const override { return wall_; }
    evercert::steady_time steady() const override { return steady_; }

    asio::awaitable<void> sleep_for(evercert::duration length) override {
        const auto until = steady_ + length;
        while (steady_ < until)
            co_await moved_.wait();
    }

    void advance(evercert::duration by) {
        steady_ += by;
        wall_ += by;
        moved_.notify_all();
    }
    /// Step the wall clock alone.
    void step(evercert::duration by) { wall_ += by; }

private:
    evercert::wall_time wall_ = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
    evercert::steady_time steady_ = evercert::steady_time{std::chrono::hours{1000}};
    evercert::event moved_;
};

}  // namespace test
