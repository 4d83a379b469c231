#include "challenge/tls_alpn_solver.hpp"

#include <algorithm>

#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"
#include "crypto/challenge_certificate.hpp"

namespace evercert {
namespace {

auto has_token(const challenge_answer& answer) {
    return [&answer](const auto& one) { return one.token == answer.token; };
}

}  // namespace

bool tls_alpn_solver::is_taken(const challenge_answer& answer) const {
    const std::lock_guard lock{mutex_};
    const auto of_name = by_name_.find(answer.name.value());
    return of_name != by_name_.end() &&
        std::any_of(of_name->second.begin(), of_name->second.end(), [&](const validation& one) {
               return one.certificate && one.token != answer.token;
           });
}

asio::awaitable<void> tls_alpn_solver::wait_for_turn(challenge_answer answer) {
    while (is_taken(answer))
        co_await cleaned_up_.wait();
}

void tls_alpn_solver::begin(const challenge_answer& answer) {
    const std::lock_guard lock{mutex_};
    auto& all = by_name_[answer.name.value()];
    auto mine = std::find_if(all.begin(), all.end(), has_token(answer));
    if (mine == all.end())
        mine = all.insert(all.end(), {answer.token});
    ++mine->orders;
}

void tls_alpn_solver::answer_with(const challenge_answer& answer, certificate_ptr made) {
    const std::lock_guard lock{mutex_};
    auto& all = by_name_[answer.name.value()];
    const auto mine = std::find_if(all.begin(), all.end(), has_token(answer));
    mine->certificate = std::move(made);
    std::rotate(mine, std::next(mine), all.end());
}

// No coroutine: who is cancelled before its first step cleans up, too.
asio::awaitable<void> tls_alpn_solver::present(challenge_answer answer) {
    begin(answer);
    return answer_in_turn(std::move(answer));
}

asio::awaitable<void> tls_alpn_solver::answer_in_turn(challenge_answer answer) {
    // Those who waited together are woken together: one of them is first, and the others wait on.
    for (const auto until = clock_->steady() + turn_wait; is_taken(answer) && clock_->steady() < until;) {
        const auto left = until - clock_->steady();
        auto work = within(*clock_, left, "the other validations of " + answer.name.value(), wait_for_turn(answer));
        const auto waited = co_await as_outcome<void>(std::move(work));
        if (waited.thrown && describe(waited.thrown).code != errc::timed_out)
            std::rethrow_exception(waited.thrown);
    }
    answer_with(answer, make_challenge_certificate(answer.name, answer.key_authorization, clock_->wall()));
    co_return;
}

asio::awaitable<void> tls_alpn_solver::clean_up(challenge_answer answer) {
    const std::lock_guard lock{mutex_};
    const auto of_name = by_name_.find(answer.name.value());
    if (of_name == by_name_.end())
        co_return;
    auto& all = of_name->second;
    const auto mine = std::find_if(all.begin(), all.end(), has_token(answer));
    if (mine != all.end() && --mine->orders == 0)
        all.erase(mine);
    if (all.empty())
        by_name_.erase(of_name);
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
    const auto of_name = by_name_.find(name->value());
    if (of_name == by_name_.end())
        return nullptr;
    const auto& all = of_name->second;
    const auto last = std::find_if(all.rbegin(), all.rend(), [](const validation& one) { return one.certificate; });
    return last == all.rend() ? nullptr : last->certificate;
}

}  // namespace evercert
