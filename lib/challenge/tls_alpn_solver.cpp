#include "challenge/tls_alpn_solver.hpp"

#include <algorithm>

#include "crypto/challenge_certificate.hpp"

namespace evercert {

asio::awaitable<void> tls_alpn_solver::present(challenge_answer answer) {
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
