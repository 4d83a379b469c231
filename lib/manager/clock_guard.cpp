#include "manager/clock_guard.hpp"

#include <asio/experimental/awaitable_operators.hpp>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"

namespace evercert {

clock_guard::clock_guard(const manager_context& context, account_keeper& accounts)
    : context_{context}, accounts_{accounts}, last_look_{look()}, turned_{context.strand} {}

clock_look clock_guard::look() const { return {context_.options.clock->wall(), context_.options.clock->steady()}; }

void clock_guard::observe(const acme::client& client) {
    if (const auto said = client.date())
        answer_ = clock_evidence::answer{said->date, {said->wall, said->steady}};
}

clock_opinion clock_guard::judge() {
    const auto now = look();
    const duration tolerance = context_.options.clock_tolerance;
    if (stepped(last_look_, now, tolerance)) {
        settled_ = false;
        turned_.notify_all();
    }
    last_look_ = now;
    clock_evidence evidence;
    if (const auto written = context_.all.limits().written; written != wall_time{})
        evidence.last_write = written;
    if (const auto newest = context_.all.newest().first; newest != wall_time{})
        evidence.newest_not_before = newest;
    evidence.ca = answer_;
    auto opinion = judge_clock(evidence, now, tolerance);
    // Before it is believed a step ends no wait: it may be a blip. Nor is it believed for want of evidence that is still in the store.
    const bool believed = opinion.is == clock_opinion::verdict::trusted && (state_read_ || answer_);
    if (believed)
        context_.all.believe(now, !settled_);
    settled_ = believed;
    tell(opinion);
    return opinion;
}

void clock_guard::tell(const clock_opinion& opinion) {
    const bool trusted = opinion.is == clock_opinion::verdict::trusted;
    {
        const std::lock_guard lock{mutex_};
        if (doubt_.has_value() == !trusted)
            return;
        doubt_ = trusted ? std::nullopt : std::optional{opinion.because};
    }
    if (trusted) {
        context_.log(log_level::info, "the wall clock is right again");
        context_.tell(event_type::clock_trusted, {});
        turned_.notify_all();
        return;
    }
    asked_.reset();  // this doubt has not been asked about yet
    context_.log(
        log_level::error, "the wall clock is not believed, so nothing is ordered, renewed or removed: {}",
        opinion.because);
    context_.tell(event_type::clock_doubted, {}, [&](manager_event& event) {
        event.text = opinion.because;
        event.failure = failure_class::local;
    });
}

std::optional<std::string> clock_guard::doubt() const {
    const std::lock_guard lock{mutex_};
    return doubt_;
}

void clock_guard::require() {
    const auto opinion = judge();
    if (opinion.is != clock_opinion::verdict::trusted)
        throw error{errc::clock_doubted, "the wall clock is not believed: " + opinion.because};
}

asio::awaitable<void> clock_guard::wait_until_trusted() {
    using namespace asio::experimental::awaitable_operators;
    while (judge().is != clock_opinion::verdict::trusted) {
        co_await ask();
        if (judge().is == clock_opinion::verdict::trusted)
            co_return;
        co_await (as_outcome(turned_.wait()) || as_outcome(context_.options.clock->sleep_for(clock::slice)));
    }
}

asio::awaitable<bool> clock_guard::confirm() {
    if (!answer_)
        co_await ask();
    co_return answer_&& judge().is == clock_opinion::verdict::trusted;
}

asio::awaitable<void> clock_guard::watch() {
    for (;;) {
        co_await wait_until_trusted();
        co_await context_.options.clock->sleep_until_stepped(context_.options.clock_tolerance);
    }
}

asio::awaitable<void> clock_guard::ask() {
    const auto now = context_.options.clock->steady();
    if (asked_ && now - *asked_ < context_.options.clock_check_interval)
        co_return;
    asked_ = now;
    // By value: those who wait for the clock wait on, whatever this came to.
    const auto answered = co_await as_outcome(ask_ca());
    if (answered.thrown)
        context_.log(
            log_level::warning, "the CA could not be asked what time it is: {}", describe(answered.thrown).text);
}

asio::awaitable<void> clock_guard::ask_ca() {
    const auto client = accounts_.reader();
    co_await client->refresh_date();
    observe(*client);
}

}  // namespace evercert
