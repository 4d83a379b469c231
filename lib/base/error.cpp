#include <asio/error.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/within.hpp"

namespace evercert {
namespace {

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::invalid_identifier: return "not a name that a certificate can be issued for";
    case errc::invalid_options: return "invalid options";
    case errc::invalid_key: return "invalid private key";
    case errc::invalid_certificate: return "invalid certificate";
    case errc::context_not_installed: return "the TLS context was not installed";
    case errc::stopped: return "the manager was stopped";
    case errc::name_not_allowed: return "the name is not admitted here";
    case errc::no_server_name: return "the client sent no server name";
    case errc::no_challenge: return "no validation of this name is in progress";
    case errc::rate_limited: return "rate limited";
    case errc::too_many_waiters: return "too many are waiting already";
    case errc::timed_out: return "timed out";
    case errc::acme_problem: return "the CA refused";
    case errc::acme_malformed: return "the CA's answer is not as RFC 8555 says";
    case errc::order_invalid: return "the order became invalid";
    case errc::authorization_invalid: return "the authorization became invalid";
    case errc::challenge_unsupported: return "no challenge that the CA offers is enabled";
    case errc::terms_not_agreed: return "did not agree to the terms";
    case errc::already_registered: return "already registered";
    case errc::account_does_not_exist: return "the CA does not know the account";
    case errc::acme_unsupported: return "the CA does not offer this";
    case errc::resolve_failed: return "the host name could not be resolved";
    case errc::connect_failed: return "could not connect";
    case errc::listen_failed: return "could not listen";
    case errc::connection_closed: return "the peer closed the connection";
    case errc::tls_failed: return "TLS failed";
    case errc::peer_untrusted: return "the peer's certificate is not trusted";
    case errc::http_malformed: return "malformed HTTP";
    case errc::http_status: return "unexpected HTTP status";
    case errc::body_too_large: return "the message is too large";
    case errc::key_mismatch: return "the certificate is for another key";
    case errc::name_mismatch: return "the certificate is for other names";
    case errc::certificate_expired: return "the certificate is outside its validity";
    case errc::chain_incomplete: return "the certificate chain is not complete";
    case errc::state_damaged: return "the stored state is damaged";
    case errc::state_version: return "the stored state is of another version";
    case errc::store_failed: return "the store failed";
    case errc::lock_lost: return "the lock was lost";
    case errc::clock_doubted: return "the wall clock is not believed";
    }
    return "unknown error";
}

class category_type final : public std::error_category {
public:
    const char* name() const noexcept override { return "evercert"; }
    std::string message(int value) const override { return text_of(static_cast<errc>(value)); }
};

}  // namespace

const std::error_category& category() noexcept {
    static const category_type instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), category()}; }

bool problem::is(std::string_view acme_error) const noexcept {
    constexpr std::string_view prefix = "urn:ietf:params:acme:error:";
    std::string_view rest = type;
    if (!rest.starts_with(prefix))
        return false;
    rest.remove_prefix(prefix.size());
    return rest == acme_error;
}

struct error::details {
    std::string text;
    std::optional<evercert::problem> from_ca;
    std::optional<std::chrono::seconds> retry_after;
};

error::error(std::error_code code, const std::string& text)
    : error{code, std::make_shared<const details>(details{text, {}, {}})} {}

error::error(errc code, const std::string& text) : error{make_error_code(code), text} {}

error::error(
    errc code, const std::string& text, evercert::problem from_ca, std::optional<std::chrono::seconds> retry_after)
    : error{make_error_code(code), std::make_shared<const details>(details{text, std::move(from_ca), retry_after})} {}

error::error(errc code, const std::string& text, std::chrono::seconds retry_after)
    : error{make_error_code(code), std::make_shared<const details>(details{text, {}, retry_after})} {}

error::error(std::error_code code, std::shared_ptr<const details> details)
    : std::system_error{code}, details_{std::move(details)} {}

const char* error::what() const noexcept { return details_->text.c_str(); }

const evercert::problem* error::problem() const noexcept { return details_->from_ca ? &*details_->from_ca : nullptr; }

std::optional<std::chrono::seconds> error::retry_after() const noexcept { return details_->retry_after; }

bool is_retryable(const std::error_code& code) noexcept {
    if (code.category() != category())
        return code != asio::error::operation_aborted;  // the system's: networks come back
    switch (static_cast<errc>(code.value())) {
    case errc::rate_limited:
    case errc::too_many_waiters:
    case errc::timed_out:
    case errc::acme_malformed:
    case errc::order_invalid:
    case errc::authorization_invalid:
    case errc::resolve_failed:
    case errc::connect_failed:
    case errc::connection_closed:
    case errc::tls_failed:
    case errc::peer_untrusted:
    case errc::http_malformed:
    case errc::http_status:
    case errc::body_too_large:
    case errc::store_failed:
    case errc::lock_lost:
    case errc::clock_doubted: return true;
    default: return false;
    }
}

bool is_retryable(const error& what) noexcept {
    if (const auto* from_ca = what.problem())
        return from_ca->status >= 500 || from_ca->is("rateLimited") || from_ca->is("serverInternal") ||
            from_ca->is("badNonce") || is_retryable(what.code());
    return is_retryable(what.code());
}

std::string quoted_function::operator()(std::string_view text, std::size_t length_max) const {
    std::string result = "\"";
    for (unsigned char c : text.substr(0, length_max)) {
        if (c == '"' || c == '\\')
            (result += '\\') += static_cast<char>(c);
        else if (c >= 0x20 && c < 0x7f)
            result += static_cast<char>(c);
        else
            result += fmt::format("\\x{:02x}", c);
    }
    result += text.size() > length_max ? "\"…" : "\"";
    return result;
}

void throw_timed_out(const std::string& what, duration limit) {
    const auto seconds = std::chrono::duration<double>{limit}.count();
    throw error{errc::timed_out, fmt::format("{} took longer than {:g} s", what, seconds)};
}

}  // namespace evercert
