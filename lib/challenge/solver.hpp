#pragma once

#include <string>
#include <string_view>

#include <asio/awaitable.hpp>

#include <evercert/identifier.hpp>
#include <evercert/manager_options.hpp>

namespace evercert {

std::string_view to_string(challenge_type) noexcept;

/// What a solver makes visible to the CA.
class challenge_answer {
public:
    challenge_answer(identifier name, std::string token, std::string key_authorization)
        : name{std::move(name)}, token{std::move(token)}, key_authorization{std::move(key_authorization)} {}

    identifier name;
    std::string token;
    std::string key_authorization;
};

/// Proves control of a name in one way. `present` MUST return only when the CA can see the answer; `clean_up`
/// MUST be called after `present` began, whatever came of it, and MUST NOT throw. Answers of several names and
/// orders may be there at once. Thread-safe.
class solver {
public:
    virtual ~solver() = default;
    virtual challenge_type type() const noexcept = 0;
    virtual asio::awaitable<void> present(challenge_answer) = 0;
    virtual asio::awaitable<void> clean_up(challenge_answer) = 0;
};

}  // namespace evercert
