#pragma once

#include <chrono>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <evercert/certificate.hpp>
#include <evercert/error.hpp>

#include "crypto/issue.hpp"

namespace evercert::crypto_test {

/// What the call throws; nothing if it returns.
std::optional<error> thrown_by(const std::invocable auto& call) {
    try {
        call();
        return {};
    } catch (const error& e) {
        return e;
    }
}

/// The code of what the call throws; no error if it returns.
std::error_code code_of(const std::invocable auto& call) {
    const auto thrown = thrown_by(call);
    return thrown ? thrown->code() : std::error_code{};
}

inline bool mentions(const std::optional<error>& thrown, std::string_view part) {
    return thrown && std::string_view{thrown->what()}.find(part) != std::string_view::npos;
}

inline constexpr key_type all_types[] = {key_type::ec_p256,  key_type::ec_p384,  key_type::rsa_2048,
                                         key_type::rsa_3072, key_type::rsa_4096, key_type::ed25519};

/// One key of each type for all tests: RSA's take seconds to generate.
inline const private_key& key_of(key_type type) {
    static std::map<key_type, private_key> keys;
    const auto found = keys.find(type);
    return found != keys.end() ? found->second : keys.emplace(type, private_key::generate(type)).first->second;
}

/// 2026-06-01 00:00 UTC.
inline constexpr wall_time now = std::chrono::sys_days{std::chrono::June / 1 / 2026};
inline constexpr validity ten_years{now - std::chrono::days{1}, now + std::chrono::days{3650}};
inline constexpr validity ninety_days{now - std::chrono::hours{1}, now + std::chrono::days{90}};

/// A root, an intermediate under it and a server key, made once for all tests: keys take time.
struct authority {
    certificate root = make_root("Test Root", private_key::generate(), ten_years);
    certificate intermediate = make_intermediate("Test Intermediate", private_key::generate(), ten_years, root);
    private_key server_key = private_key::generate();

    std::string issue_pem(const std::vector<identifier>& names, const validity& valid = ninety_days) const {
        return issue({names, public_key{server_key}, valid}, intermediate);
    }
    certificate issue_certificate(const std::vector<identifier>& names, const validity& valid = ninety_days) const {
        return {issue_pem(names, valid), server_key};
    }
};

inline const authority& test_authority() {
    static const authority one;
    return one;
}

}  // namespace evercert::crypto_test
