#include "base/rate_limiter.hpp"

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {

/// A place in the queue, held for as long as its coroutine waits.
class rate_limiter::turn {
public:
    explicit turn(rate_limiter& of) : of_{of}, at_{of.queue_.insert(of.queue_.end(), this)} {}
    ~turn() {
        of_.queue_.erase(at_);
        of_.moved_.notify_all();
    }
    turn(const turn&) = delete;
    bool first() const { return of_.queue_.front() == this; }

private:
    rate_limiter& of_;
    std::list<turn*>::iterator at_;
};

rate_limiter::rate_limiter(
    asio::any_io_executor executor, std::shared_ptr<clock> time, token_bucket bucket, std::string name,
    std::size_t waiting_max)
    : clock_{std::move(time)},
      bucket_{bucket},
      name_{std::move(name)},
      waiting_max_{waiting_max},
      moved_{std::move(executor)} {}

duration rate_limiter::expected_wait() const {
    return bucket_.delay(clock_->steady()) + static_cast<long>(queue_.size()) * bucket_.interval();
}

asio::awaitable<void> rate_limiter::acquire(duration longest) {
    const auto wait = expected_wait();
    if (wait > longest || queue_.size() >= waiting_max_) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
        throw error{
            errc::rate_limited,
            fmt::format("our own limit of {} is used up; the next is free in {} s", name_, seconds.count()), seconds};
    }
    turn mine{*this};
    while (!mine.first())
        co_await moved_.wait();
    for (auto delay = bucket_.delay(clock_->steady()); delay > duration{}; delay = bucket_.delay(clock_->steady()))
        co_await clock_->sleep_for(delay);
    bucket_.take(clock_->steady());
}

}  // namespace evercert
