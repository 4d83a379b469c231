#include "base/rate_limiter.hpp"

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {

/// A place in the queue, held for as long as its coroutine waits.
template <typename Pace>
class basic_rate_limiter<Pace>::turn {
public:
    turn(basic_rate_limiter& of, urgency urgent) : of_{of}, urgent_{urgent} {
        auto before = of_.queue_.end();
        if (urgent_ == urgency::first)
            before = std::next(of_.queue_.begin(), static_cast<long>(of_.urgent_++));
        at_ = of_.queue_.insert(before, this);
        of_.changed();
    }
    ~turn() {
        of_.queue_.erase(at_);
        if (urgent_ == urgency::first)
            --of_.urgent_;
        of_.moved_.notify_all();
        of_.changed();
    }
    turn(const turn&) = delete;
    bool is_next() const { return of_.queue_.front() == this; }

private:
    basic_rate_limiter& of_;
    urgency urgent_;
    typename std::list<turn*>::iterator at_;
};

template <typename Pace>
basic_rate_limiter<Pace>::basic_rate_limiter(
    asio::any_io_executor executor, std::shared_ptr<clock> time, Pace pace, std::string name, std::size_t waiting_max)
    : clock_{std::move(time)},
      pace_{std::move(pace)},
      name_{std::move(name)},
      waiting_max_{waiting_max},
      moved_{std::move(executor)} {}

template <typename Pace>
duration basic_rate_limiter<Pace>::expected_wait(urgency urgent) const {
    return pace_.delay(clock_->steady(), urgent == urgency::first ? urgent_ : queue_.size());
}

template <typename Pace>
void basic_rate_limiter<Pace>::check(duration longest, urgency urgent) const {
    const auto wait = expected_wait(urgent);
    const auto waiting = urgent == urgency::first ? urgent_ : queue_.size() - urgent_;
    if (wait > longest || waiting >= waiting_max_) {
        const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
        throw error{
            errc::rate_limited,
            fmt::format("our own limit of {} is used up; the next is free in {} s", name_, seconds.count()), seconds};
    }
}

template <typename Pace>
asio::awaitable<void> basic_rate_limiter<Pace>::acquire(duration longest, urgency urgent) {
    check(longest, urgent);
    turn mine{*this, urgent};
    for (;;) {
        const auto delay = pace_.delay(clock_->steady());
        if (!mine.is_next())
            co_await moved_.wait();
        else if (delay > duration{})
            co_await clock_->sleep_for(delay);  // somebody urgent may come meanwhile
        else
            break;
    }
    pace_.take(clock_->steady());
}

template class basic_rate_limiter<token_bucket>;
template class basic_rate_limiter<sliding_window>;

}  // namespace evercert
