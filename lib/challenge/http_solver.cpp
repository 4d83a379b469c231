#include "challenge/http_solver.hpp"

namespace evercert {

namespace {

asio::awaitable<void> done() { co_return; }

}  // namespace

std::string_view to_string(challenge_type type) noexcept {
    return type == challenge_type::http_01 ? "http-01" : "tls-alpn-01";
}

// No coroutine: who is cancelled before its first step cleans up, too, and must not take away the other order's answer.
asio::awaitable<void> http_solver::present(challenge_answer answer) {
    const std::lock_guard lock{mutex_};
    by_token_.emplace(std::move(answer.token), std::move(answer.key_authorization));
    return done();
}

asio::awaitable<void> http_solver::clean_up(challenge_answer answer) {
    const std::lock_guard lock{mutex_};
    if (const auto mine = by_token_.find(answer.token); mine != by_token_.end())
        by_token_.erase(mine);
    co_return;
}

std::optional<std::string> http_solver::answer(std::string_view path) const {
    if (!path.starts_with(well_known))
        return {};
    const std::lock_guard lock{mutex_};
    const auto at = by_token_.find(path.substr(well_known.size()));
    if (at == by_token_.end())
        return {};
    return at->second;
}

}  // namespace evercert
