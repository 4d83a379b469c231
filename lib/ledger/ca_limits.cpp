#include <fmt/format.h>

#include <evercert/ca_limits.hpp>
#include <evercert/error.hpp>

#include "base/check_time.hpp"
#include "ledger/check_limits.hpp"

namespace evercert {

ca_limits known_limits(std::string_view directory_url) {
    constexpr std::string_view scheme = "https://";
    ca_limits limits;
    if (!directory_url.starts_with(scheme))
        return limits;
    directory_url.remove_prefix(scheme.size());
    const auto host = directory_url.substr(0, directory_url.find_first_of(":/?#"));
    // The staging directory allows more; who tries something out there sees what will happen.
    if (host == "acme-v02.api.letsencrypt.org" || host == "acme-staging-v02.api.letsencrypt.org")
        limits = lets_encrypt_limits();
    return limits;
}

void check_limits(const ca_limits& limits) {
    const auto check_limit = [](const ca_limit& limit, const char* name) {
        check_time_or_zero(limit.window, fmt::format("ca_limits::{}.window", name));
        if (limit.count < 0 || (limit.count > 0 && limit.window.count() == 0))
            throw error{
                errc::invalid_options, fmt::format("ca_limits::{} needs a count and a window, or a count of 0", name)};
    };
    check_limit(limits.orders, "orders");
    check_limit(limits.certificates_per_domain, "certificates_per_domain");
    check_limit(limits.certificates_per_name_set, "certificates_per_name_set");
    check_limit(limits.failed_authorizations, "failed_authorizations");
    check_limit(limits.accounts, "accounts");
    check_time_or_zero(limits.renewal_window, "ca_limits::renewal_window");
    if (limits.renewal_reserve_percent < 0 || limits.renewal_reserve_percent > 90)
        throw error{errc::invalid_options, "ca_limits::renewal_reserve_percent is a share from 0 to 90"};
}

}  // namespace evercert
