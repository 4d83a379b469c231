#include "base/error_name.hpp"

#include <charconv>

#include <asio/error.hpp>

namespace evercert {
namespace {

std::string_view name_of(errc code) noexcept {
    switch (code) {
    case errc::invalid_identifier: return "invalid_identifier";
    case errc::invalid_options: return "invalid_options";
    case errc::invalid_key: return "invalid_key";
    case errc::invalid_certificate: return "invalid_certificate";
    case errc::context_not_installed: return "context_not_installed";
    case errc::stopped: return "stopped";
    case errc::name_not_allowed: return "name_not_allowed";
    case errc::no_server_name: return "no_server_name";
    case errc::no_challenge: return "no_challenge";
    case errc::rate_limited: return "rate_limited";
    case errc::too_many_waiters: return "too_many_waiters";
    case errc::timed_out: return "timed_out";
    case errc::acme_problem: return "acme_problem";
    case errc::acme_malformed: return "acme_malformed";
    case errc::order_invalid: return "order_invalid";
    case errc::authorization_invalid: return "authorization_invalid";
    case errc::challenge_unsupported: return "challenge_unsupported";
    case errc::terms_not_agreed: return "terms_not_agreed";
    case errc::already_registered: return "already_registered";
    case errc::account_does_not_exist: return "account_does_not_exist";
    case errc::acme_unsupported: return "acme_unsupported";
    case errc::resolve_failed: return "resolve_failed";
    case errc::connect_failed: return "connect_failed";
    case errc::listen_failed: return "listen_failed";
    case errc::connection_closed: return "connection_closed";
    case errc::tls_failed: return "tls_failed";
    case errc::peer_untrusted: return "peer_untrusted";
    case errc::http_malformed: return "http_malformed";
    case errc::http_status: return "http_status";
    case errc::body_too_large: return "body_too_large";
    case errc::key_mismatch: return "key_mismatch";
    case errc::name_mismatch: return "name_mismatch";
    case errc::certificate_expired: return "certificate_expired";
    case errc::chain_incomplete: return "chain_incomplete";
    case errc::state_damaged: return "state_damaged";
    case errc::state_version: return "state_version";
    case errc::store_failed: return "store_failed";
    case errc::lock_lost: return "lock_lost";
    case errc::clock_doubted: return "clock_doubted";
    }
    return {};
}

/// Categories whose numbers mean the same in another run on this system.
const std::error_category* find_category(std::string_view name) noexcept {
    for (const auto* known :
         {&category(), &std::system_category(), &std::generic_category(), &asio::error::get_system_category(),
          &asio::error::get_netdb_category(), &asio::error::get_addrinfo_category(), &asio::error::get_misc_category()})
        if (known->name() == name)
            return known;
    return nullptr;
}

}  // namespace

std::string to_name(const std::error_code& code) {
    if (!code)
        return {};
    std::string name{code.category().name()};
    name += ':';
    if (code.category() == category())
        return name + std::string{name_of(static_cast<errc>(code.value()))};
    return name + std::to_string(code.value());
}

std::optional<std::error_code> parse_error_name(std::string_view text) noexcept {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos)
        return {};
    const auto* of = find_category(text.substr(0, colon));
    const auto rest = text.substr(colon + 1);
    if (!of || rest.empty())
        return {};
    if (of == &category()) {
        for (int value = 1; !name_of(static_cast<errc>(value)).empty(); ++value)
            if (name_of(static_cast<errc>(value)) == rest)
                return make_error_code(static_cast<errc>(value));
        return {};
    }
    int value = 0;
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (read.ec != std::errc{} || read.ptr != rest.data() + rest.size() || value == 0)
        return {};
    return std::error_code{value, *of};
}

}  // namespace evercert
