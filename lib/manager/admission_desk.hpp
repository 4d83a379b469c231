#pragma once

#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <asio/awaitable.hpp>

#include <evercert/error.hpp>
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

    /// The application may decide anew.
    void forget(const identifier& name);

    /// The refusal of `name`.
    error refusal(const identifier& name) const;
    /// The key of the application's no among the failures.
    static std::string key_of(const identifier& name) { return "admission/" + name.value(); }

private:
    asio::awaitable<bool> ask(identifier name);
    bool remembers(const identifier& name) const;
    void remember(const identifier& name);

    const manager_context& context_;
    mutable std::mutex mutex_;
    /// Names that were admitted, until when: of some nothing else tells, since our limits hold up their orders.
    std::unordered_map<std::string, steady_time> admitted_;
    std::deque<std::pair<std::string, steady_time>> oldest_;  ///< as they were admitted
};

}  // namespace evercert
