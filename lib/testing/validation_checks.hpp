#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <evercert/error.hpp>
#include <evercert/http.hpp>
#include <evercert/identifier.hpp>

typedef struct x509_st X509;

namespace evercert::testing {

// Whether what a client's server answered proves control of a name. No problem means that it does.

/// RFC 8555, section 8.3.
std::optional<problem> check_http_01(const response&, std::string_view key_authorization);

/// RFC 8737, section 3 and RFC 8738, section 6. `presented`: the certificate of a handshake that agreed on
/// `alpn_protocol`, null if there was none.
std::optional<problem> check_tls_alpn_01(
    X509* presented, std::string_view alpn_protocol, const identifier& name, std::string_view key_authorization);

/// What a validation that failed with this error is for the client.
problem to_validation_problem(const std::error_code& code, const std::string& text);

}  // namespace evercert::testing
