#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>

#include "base/event.hpp"

namespace evercert {

/// At most so many at once; the others wait. Thread-bound to its executor; must outlive those who wait and every
/// permit.
class semaphore {
public:
    semaphore(asio::any_io_executor executor, std::size_t permits) : free_{permits}, freed_{std::move(executor)} {}

    class permit {
    public:
        explicit permit(semaphore& of) : of_{&of} { --of.free_; }
        permit(permit&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
        ~permit() { release(); }
        /// Before its end.
        void release() {
            if (const auto of = std::exchange(of_, nullptr)) {
                ++of->free_;
                of->freed_.notify_one();
            }
        }

    private:
        semaphore* of_;
    };

    /// Only if there is one now.
    std::optional<permit> try_acquire() {
        std::optional<permit> got;
        if (free_ > 0)
            got.emplace(*this);
        return got;
    }
    std::size_t free() const noexcept { return free_; }

    asio::awaitable<permit> acquire() {
        while (free_ == 0)
            co_await freed_.wait();
        co_return permit{*this};
    }

private:
    std::size_t free_;
    event freed_;
};

}  // namespace evercert
