#include <evercert/acme/types.hpp>
#include <evercert/certificate.hpp>

#include "crypto/certificate_id.hpp"

namespace evercert::acme {

std::string_view to_string(account_status status) noexcept {
    switch (status) {
    case account_status::valid: return "valid";
    case account_status::deactivated: return "deactivated";
    case account_status::revoked: return "revoked";
    }
    return "";
}

std::string_view to_string(order_status status) noexcept {
    switch (status) {
    case order_status::pending: return "pending";
    case order_status::ready: return "ready";
    case order_status::processing: return "processing";
    case order_status::valid: return "valid";
    case order_status::invalid: return "invalid";
    }
    return "";
}

std::string_view to_string(authorization_status status) noexcept {
    switch (status) {
    case authorization_status::pending: return "pending";
    case authorization_status::valid: return "valid";
    case authorization_status::invalid: return "invalid";
    case authorization_status::deactivated: return "deactivated";
    case authorization_status::expired: return "expired";
    case authorization_status::revoked: return "revoked";
    }
    return "";
}

std::string_view to_string(challenge_status status) noexcept {
    switch (status) {
    case challenge_status::pending: return "pending";
    case challenge_status::processing: return "processing";
    case challenge_status::valid: return "valid";
    case challenge_status::invalid: return "invalid";
    }
    return "";
}

std::string certificate_id(const certificate& cert) { return evercert::certificate_id(cert.native_handle()); }

const challenge* authorization::find(std::string_view type) const noexcept {
    for (auto& one : challenges)
        if (one.type == type)
            return &one;
    return nullptr;
}

}  // namespace evercert::acme
