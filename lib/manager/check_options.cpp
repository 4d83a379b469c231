#include "manager/check_options.hpp"

#include <set>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/failure_class.hpp>

#include "base/check_time.hpp"
#include "ledger/check_limits.hpp"
#include "manager/records.hpp"

namespace evercert {
namespace {

void check_key_types(const std::vector<key_type>& types) {
    std::set<key_kind> kinds;
    for (const auto type : types) {
        if (type == key_type::ed25519)
            throw error{errc::invalid_options, "manager_options::key_types: public CAs do not sign Ed25519 keys"};
        if (!kinds.insert(kind_of(type)).second)
            throw error{
                errc::invalid_options,
                "manager_options::key_types has a kind of key twice, which no client could choose between"};
    }
    if (kinds.empty())
        throw error{errc::invalid_options, "manager_options::key_types is empty: name at least one"};
}

void check_rate(const rate& limit, const char* name) {
    check_time_or_zero(limit.interval, fmt::format("{}.interval", name));
    if (limit.burst < 1)
        throw error{errc::invalid_options, fmt::format("{} needs a burst of 1 or more", name)};
    // What an empty bucket owes is counted in nanoseconds.
    if (limit.interval.count() > 0 && limit.burst > 10 * std::chrono::milliseconds{option_time_max} / limit.interval)
        throw error{
            errc::invalid_options,
            fmt::format("{}: an empty bucket of {} takes more than a century to fill", name, limit.burst)};
}

void check_times(const manager_options& options) {
    check_time(options.admission_timeout, "manager_options::admission_timeout");
    check_time_or_zero(options.refusal_memory, "manager_options::refusal_memory");
    check_rate(options.orders, "manager_options::orders");
    check_rate(options.new_hosts, "manager_options::new_hosts");
    check_rate(options.renewal_info_polls, "manager_options::renewal_info_polls");
    check_time_or_zero(options.order_ceiling.window, "manager_options::order_ceiling.window");
    check_time(options.certificate_files_interval, "manager_options::certificate_files_interval");
    check_time_or_zero(options.handshake_wait, "manager_options::handshake_wait");
    check_time(options.order_timeout, "manager_options::order_timeout");
    check_time_or_zero(options.expired_kept, "manager_options::expired_kept");
    check_time(options.clock_tolerance, "manager_options::clock_tolerance");
    check_time(options.clock_check_interval, "manager_options::clock_check_interval");
    check_time(options.store_timeout, "manager_options::store_timeout");
    check_time(options.lock_wait, "manager_options::lock_wait");
    check_time_or_zero(options.last_save_timeout, "manager_options::last_save_timeout");
    for (std::size_t each = 0; each < failure_class_count; ++each) {
        const auto what = static_cast<failure_class>(each);
        const auto delay = options.retry.of(what);
        check_time_or_zero(delay.first, fmt::format("retry_options::{}.first", to_string(what)));
        check_time_or_zero(delay.most, fmt::format("retry_options::{}.most", to_string(what)));
    }
}

}  // namespace

void check_options(const manager_options& options) {
    const auto require = [](bool fulfilled, const char* text) {
        if (!fulfilled)
            throw error{errc::invalid_options, text};
    };
    require(!options.challenges.empty(), "manager_options::challenges is empty: name at least one");
    require(
        options.clock && options.network && options.disk, "manager_options::clock, network and disk must not be null");
    check_key_types(options.key_types);
    require(
        options.certificate_files_interval >= std::chrono::seconds{1},
        "manager_options::certificate_files_interval is 1 s or longer");
    check_times(options);
    require(
        options.account_key != key_type::ed25519, "manager_options::account_key: most CAs do not take Ed25519 keys");
    require(
        options.waiters_max > 0 && options.waiters_per_name_max > 0, "manager_options::waiters_max must be 1 or more");
    require(options.orders_in_progress_max > 0, "manager_options::orders_in_progress_max must be 1 or more");
    require(options.order_ceiling.count >= 0, "manager_options::order_ceiling must not be negative: 0 is no limit");
    require(options.events_waiting_max > 0, "manager_options::events_waiting_max must be 1 or more");
    require(options.parsed_certificates_max > 0, "manager_options::parsed_certificates_max must be 1 or more");
    if (options.limits)
        check_limits(*options.limits);
    account_key(options.directory_url);
}

}  // namespace evercert
