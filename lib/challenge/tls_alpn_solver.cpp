#include "challenge/tls_alpn_solver.hpp"

#include <algorithm>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"
#include "crypto/challenge_certificate.hpp"

namespace evercert {

bool tls_alpn_solver::is_taken(const challenge_answer& answer) const {
    const std::lock_guard lock{mutex_};
    const auto [first, last] = by_name_.equal_range(answer.name.value());
    // A CA may give two orders the same challenge.
    return std::any_of(first, last, [&](const auto& entry) { return entry.second.first != answer.token; });
}

asio::awaitable<void> tls_alpn_solver::wait_for_turn(challenge_answer answer) {
    while (is_taken(answer))
        co_await cleaned_up_.wait();
}

asio::awaitable<void> tls_alpn_solver::present(challenge_answer answer) {
    // Those who waited together are woken together: one of them is first, and the others wait on.
    for (const auto until = clock_->steady() + turn_wait; is_taken(answer) && clock_->steady() < until;) {
        const auto left = until - clock_->steady();
        auto work = within(*clock_, left, "the other validations of " + answer.name.value(), wait_for_turn(answer));
        const auto waited = co_await as_outcome<void>(std::move(work));
        if (waited.thrown && describe(waited.thrown).code != errc::timed_out)
            std::rethrow_exception(waited.thrown);
    }
    auto made = make_challenge_certificate(answer.name, answer.key_authorization, clock_->wall());
    const std::lock_guard lock{mutex_};
    by_name_.emplace(answer.name.value(), std::pair{std::move(answer.token), std::move(made)});
    co_return;
}

asio::awaitable<void> tls_alpn_solver::clean_up(challenge_answer answer) {
    const std::lock_guard lock{mutex_};
    const auto [first, last] = by_name_.equal_range(answer.name.value());
    const auto mine = std::find_if(first, last, [&](const auto& entry) { return entry.second.first == answer.token; });
    if (mine != last)
        by_name_.erase(mine);
    cleaned_up_.notify_all();
    co_return;
}

certificate_ptr tls_alpn_solver::find(std::string_view server_name) const {
    auto name = from_reverse_arpa(server_name);
    if (!name)
        name = identifier::parse(server_name);
    if (!name)
        return nullptr;
    const std::lock_guard lock{mutex_};
    const auto [first, last] = by_name_.equal_range(name->value());
    return first == last ? nullptr : std::prev(last)->second.second;
}

}  // namespace evercert
