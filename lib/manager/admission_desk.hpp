#pragma once

#include <string>

#include <asio/awaitable.hpp>

#include <evercert/identifier.hpp>

#include "manager/context.hpp"

namespace evercert {

/// Step 4: whose certificates may be obtained. The host list, then what the application decided before, then the
/// application (`manager_options::admission`).
class admission_desk {
public:
    explicit admission_desk(const manager_context& context) : context_{context} {}

    enum class answer { yes, no, ask };
    /// As far as it is known. From any thread.
    answer known(const identifier&) const;
    /// The same, asking if it must. Throws `errc::name_not_allowed`, and what the application threw. On the strand.
    asio::awaitable<void> admit(identifier name);

    /// The refusal of `name`.
    static error refusal(const identifier& name);
    /// The key of the application's no among the failures.
    static std::string key_of(const identifier& name) { return "admission/" + name.value(); }

private:
    asio::awaitable<bool> ask(identifier name);

    const manager_context& context_;
};

}  // namespace evercert
