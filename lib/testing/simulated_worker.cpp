#include <algorithm>
#include <functional>
#include <type_traits>

#include <asio/execution.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <evercert/testing/simulated_time.hpp>
#include <evercert/testing/simulated_worker.hpp>

#include "testing/simulated_time_core.hpp"

namespace evercert::testing {

struct simulated_worker::queue {
    explicit queue(std::shared_ptr<simulated_time::core> in) : time{std::move(in)} {}

    /// One after another: who comes later waits for who came before.
    void give(std::function<void()> work) {
        idle_at = std::max(time->now, idle_at) + length;
        if (idle_at <= time->now)
            return asio::post(time->io, std::move(work));
        time->call_at(idle_at, [time = time, work = std::move(work)] { asio::post(time->io, work); });
    }

    const std::shared_ptr<simulated_time::core> time;
    duration length{};
    duration idle_at{};
};

/// As asio wants executors to be; never runs anything inside `execute()`.
class simulated_worker::executor {
public:
    explicit executor(std::shared_ptr<queue> of) noexcept : queue_{std::move(of)} {}

    asio::execution_context& query(asio::execution::context_t) const noexcept { return queue_->time->io; }
    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
        return asio::execution::blocking.never;
    }

    template <typename Work>
    void execute(Work&& work) const {
        // Handlers move only, std::function copies.
        const auto held = std::make_shared<std::decay_t<Work>>(std::forward<Work>(work));
        queue_->give([held] { std::move (*held)(); });
    }

    friend bool operator==(const executor&, const executor&) noexcept = default;

private:
    std::shared_ptr<queue> queue_;
};

simulated_worker::simulated_worker(simulated_time& time) : queue_{std::make_shared<queue>(time.core_)} {}

void simulated_worker::takes(duration length) { queue_->length = length; }

asio::any_io_executor simulated_worker::get_executor() const { return executor{queue_}; }

}  // namespace evercert::testing
