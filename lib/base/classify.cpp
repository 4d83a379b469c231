#include <algorithm>
#include <array>

#include <asio/error.hpp>

#include "base/failure.hpp"

namespace evercert {
namespace {

struct typed {
    std::string_view type;
    failure_class kind;
};

/// RFC 8555, section 6.7; RFC 9773, section 7.5; and what Let's Encrypt has besides. "unauthorized" depends on where it was said.
constexpr std::array types{
    typed{"rejectedIdentifier", failure_class::name_refused},
    typed{"unsupportedIdentifier", failure_class::name_refused},
    typed{"caa", failure_class::caa},
    typed{"dns", failure_class::dns},
    typed{"dnssec", failure_class::dns},
    typed{"connection", failure_class::connection},
    typed{"tls", failure_class::connection},
    typed{"incorrectResponse", failure_class::connection},
    typed{"rateLimited", failure_class::rate_limited},
    typed{"serverInternal", failure_class::server},
    typed{"badNonce", failure_class::server},
    typed{"orderNotReady", failure_class::server},
    typed{"alreadyReplaced", failure_class::server},  // the next order does without
    typed{"accountDoesNotExist", failure_class::our_mistake},
    typed{"alreadyRevoked", failure_class::our_mistake},
    typed{"badCSR", failure_class::our_mistake},
    typed{"badPublicKey", failure_class::our_mistake},
    typed{"badRevocationReason", failure_class::our_mistake},
    typed{"badSignatureAlgorithm", failure_class::our_mistake},
    typed{"externalAccountRequired", failure_class::our_mistake},
    typed{"invalidContact", failure_class::our_mistake},
    typed{"invalidProfile", failure_class::our_mistake},
    typed{"malformed", failure_class::our_mistake},
    typed{"unsupportedContact", failure_class::our_mistake},
    typed{"userActionRequired", failure_class::our_mistake},
};

constexpr std::string_view prefix = "urn:ietf:params:acme:error:";

/// The error is a challenge's: an order becomes invalid by those of its authorizations.
bool is_about_challenge(const std::error_code& code) noexcept {
    return code == errc::authorization_invalid || code == errc::order_invalid;
}

std::optional<failure_class> class_of_type(std::string_view type, bool about_challenge) noexcept {
    if (!type.starts_with(prefix))
        return {};
    type.remove_prefix(prefix.size());
    if (type == "unauthorized")
        return about_challenge ? failure_class::connection : failure_class::our_mistake;
    const auto* found = std::find_if(types.begin(), types.end(), [&](const typed& one) { return one.type == type; });
    if (found == types.end())
        return {};
    return found->kind;
}

failure_class class_of_errc(errc code) noexcept {
    switch (code) {
    case errc::invalid_identifier:
    case errc::name_not_allowed: return failure_class::name_refused;
    case errc::authorization_invalid: return failure_class::connection;
    case errc::rate_limited: return failure_class::rate_limited;
    case errc::invalid_certificate:
    case errc::timed_out:
    case errc::acme_malformed:
    case errc::order_invalid:
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::connection_closed:
    case errc::tls_failed:
    case errc::peer_untrusted:
    case errc::http_malformed:
    case errc::http_status:
    case errc::body_too_large:
    case errc::key_mismatch:
    case errc::name_mismatch:
    case errc::certificate_expired:
    case errc::chain_incomplete: return failure_class::server;
    case errc::invalid_options:
    case errc::invalid_key:
    case errc::context_not_installed:
    case errc::no_server_name:
    case errc::no_challenge:
    case errc::acme_problem:
    case errc::challenge_unsupported:
    case errc::terms_not_agreed:
    case errc::already_registered:
    case errc::account_does_not_exist:
    case errc::acme_unsupported: return failure_class::our_mistake;
    case errc::too_many_waiters:
    case errc::listen_failed:
    case errc::state_damaged:
    case errc::state_version:
    case errc::store_failed:
    case errc::lock_lost:
    case errc::clock_doubted: return failure_class::local;
    case errc::stopped: return failure_class::cancelled;
    }
    return failure_class::local;
}

bool is_cancellation(const std::error_code& code) noexcept {
    return code == asio::error::operation_aborted || code == std::errc::operation_canceled;
}

/// Everybody else's: the network is between us and the CA, the rest is this machine and the application.
failure_class class_of_other(const std::error_code& code) noexcept {
    if (is_cancellation(code))
        return failure_class::cancelled;
    const std::string_view of = code.category().name();
    if (of.starts_with("asio.") && code.category() != asio::error::get_system_category())
        return failure_class::server;  // names that do not resolve, ends of streams, TLS
    if (code.category() != asio::error::get_system_category() && code.category() != std::system_category() &&
        code.category() != std::generic_category())
        return failure_class::local;
    constexpr std::array network{
        std::errc::connection_refused, std::errc::connection_reset,    std::errc::connection_aborted,
        std::errc::host_unreachable,   std::errc::network_unreachable, std::errc::network_down,
        std::errc::network_reset,      std::errc::timed_out,           std::errc::broken_pipe,
        std::errc::not_connected,      std::errc::protocol_error,
    };
    // asio's own system category does not say which conditions its codes are; on POSIX all three carry errno.
    const auto is = [&](std::errc one) { return code.value() == static_cast<int>(one); };
    return std::any_of(network.begin(), network.end(), is) ? failure_class::server : failure_class::local;
}

failure_class class_of_code(const std::error_code& code) noexcept {
    return code.category() == category() ? class_of_errc(static_cast<errc>(code.value())) : class_of_other(code);
}

}  // namespace

std::string_view deciding_type(const problem& said) noexcept {
    // What the CA says of the request as a whole, it says with a Retry-After.
    if (said.is("rateLimited"))
        return said.type;
    // The classes stand in the order of how much has to change before another attempt can succeed.
    std::string_view worst = said.type;
    auto worst_class = failure_class::cancelled;
    for (const auto& one : said.subproblems) {
        const auto kind = class_of_type(one.type, true);
        if (kind && *kind < worst_class) {
            worst = one.type;
            worst_class = *kind;
        }
    }
    return worst;
}

failure_class class_of(const std::error_code& code, const problem* said) noexcept {
    if (!said || is_cancellation(code) || code == errc::stopped)
        return class_of_code(code);
    if (code == errc::rate_limited || said->status == 429)
        return failure_class::rate_limited;
    const auto type = deciding_type(*said);
    const bool is_subproblem = type.data() != said->type.data();
    const auto kind = class_of_type(type, is_about_challenge(code));
    if (kind && (is_subproblem || said->status < 500 || *kind == failure_class::rate_limited))
        return *kind;
    return said->status >= 500 ? failure_class::server : class_of_code(code);
}

failure_class classify(std::exception_ptr thrown) noexcept {
    if (!thrown)
        return failure_class::cancelled;
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return class_of(e.code(), e.problem());
    } catch (const std::system_error& e) {
        return class_of(e.code(), nullptr);
    } catch (...) {
        return failure_class::local;
    }
}

retry_delay retry_options::of(failure_class kind) const noexcept {
    switch (kind) {
    case failure_class::name_refused: return name_refused;
    case failure_class::caa: return caa;
    case failure_class::dns: return dns;
    case failure_class::connection: return connection;
    case failure_class::rate_limited: return rate_limited;
    case failure_class::server: return server;
    case failure_class::our_mistake: return our_mistake;
    case failure_class::local: return local;
    case failure_class::cancelled: break;
    }
    return {};
}

}  // namespace evercert
