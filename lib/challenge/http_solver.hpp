#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "challenge/solver.hpp"

namespace evercert {

/// http-01 (RFC 8555, section 8.3): the key authorizations that port 80 answers with.
class http_solver final : public solver {
public:
    challenge_type type() const noexcept override { return challenge_type::http_01; }
    asio::awaitable<void> present(challenge_answer) override;
    asio::awaitable<void> clean_up(challenge_answer) override;

    /// What to answer a request for this path with; nothing if it is not for a validation in progress.
    std::optional<std::string> answer(std::string_view path) const;

    static constexpr std::string_view well_known = "/.well-known/acme-challenge/";

private:
    mutable std::mutex mutex_;
    /// A CA may give two orders the same challenge.
    std::multimap<std::string, std::string, std::less<>> by_token_;
};

}  // namespace evercert
