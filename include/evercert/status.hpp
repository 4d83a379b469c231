#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

namespace evercert {

enum class certificate_state {
    not_asked_for,  ///< in the host list; it is obtained at first need
    obtaining,      ///< its first order is in progress
    failed,         ///< there is none, and the last attempt failed
    valid,
    renewing,  ///< valid, and an order is in progress
    expiring,  ///< valid, with less than a twentieth of its lifetime left
    expired,   ///< served all the same
};

std::string_view to_string(certificate_state) noexcept;

enum class certificate_origin {
    managed,  ///< obtained and renewed by the manager
    own,      ///< the application's, by `manager::add_certificate()`: neither ordered nor renewed
};

std::string_view to_string(certificate_origin) noexcept;

/// What a manager does next for a certificate. Polls are told by `certificate_status::poll_at`.
enum class next_act { none, poll_renewal_info, renew, obtain, forget };

std::string_view to_string(next_act) noexcept;

struct last_problem {
    failure_class kind = failure_class::server;
    std::string text;  ///< printable; quotes what came from outside
    wall_time at = {};
    int failures = 0;  ///< in a row
};

/// What there is to know about one certificate (a name has one for each of `manager_options::key_types`), about a listed name that has none, or about names or a set of them that failed.
struct certificate_status {
    std::vector<identifier> names;
    certificate_origin origin = certificate_origin::managed;
    std::optional<key_type> key;  ///< that it has, or is to have
    certificate_state state = certificate_state::not_asked_for;
    std::optional<wall_time> not_before;
    std::optional<wall_time> not_after;
    std::optional<last_problem> problem;
    next_act next = next_act::none;
    /// When. While our limits or the CA's hold the order up: when they are expected to let it through.
    std::optional<wall_time> next_at;
    /// Why then: "a third of its lifetime is left", "the CA suggests …", "the last attempt failed: …", "our own limits hold its
    /// order up".
    std::string reason;
    /// When the CA is asked whether it suggests another time (RFC 9773). Never `next`, since nothing depends on it.
    std::optional<wall_time> poll_at;
    bool saved = true;  ///< false if the store could not take it so far
};

struct limiter_status {
    std::string name;                ///< "orders", "new_hosts", "order_ceiling", "renewal_info_polls"
    std::chrono::seconds wait = {};  ///< a newcomer's
    std::size_t waiting = 0;
};

/// More renewals are due than the limits let through now, as after a mass revocation or an outage of the CA. They go one by
/// one: first what is in the last twentieth of its life, or expired and still asked for; then what the CA wanted replaced
/// before now; then the rest by its deadline, the end of the CA's window (RFC 9773) or its own. Among equals what clients asked
/// for most in the last day or two.
struct replacement_status {
    std::size_t certificates = 0;   ///< that wait
    std::vector<identifier> first;  ///< the names of the next certificates, one each, 10 at most
    /// What keeps the last of them longest: "orders" or "order_ceiling" of ours, as in `limiter_status`, or
    /// "ca_limits::orders" of the CA's.
    std::string limit;
    std::chrono::seconds interval = {};  ///< that lets one through so often
    wall_time done_at = {};              ///< when the last of them is ordered, if all goes well and nothing else is
    /// The earliest deadline that has not passed.
    std::optional<wall_time> deadline;
    /// So many are replaced after their deadline, or had passed it when they became due. If that is too many: raise
    /// `manager_options::orders`, or ask the CA for higher limits.
    std::size_t late = 0;
};

struct manager_status {
    wall_time at = {};
    std::string directory_url;
    std::string account_url;                 ///< empty without account
    std::optional<std::string> clock_doubt;  ///< why the wall clock is not believed
    std::vector<limiter_status> limiters;
    /// Present while two or more renewals are due that cannot all go now.
    std::optional<replacement_status> replacement;
    /// Since this manager was made.
    std::uint64_t ordered = 0;
    std::uint64_t issued = 0;
    std::uint64_t failed_validations = 0;
    std::vector<certificate_status> certificates;  ///< in the order of their first names
};

/// As JSON, times in RFC 3339 and waits in seconds. Optional members and texts that are empty are left out.
std::string to_json(const certificate_status&);
std::string to_json(const manager_status&);

}  // namespace evercert
