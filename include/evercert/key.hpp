#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

typedef struct evp_pkey_st EVP_PKEY;

namespace evercert {

enum class key_type { ec_p256, ec_p384, rsa_2048, rsa_3072, rsa_4096, ed25519 };

std::string_view to_string(key_type) noexcept;

/// A private key. Copies share the same key; it never changes after construction, so it may be
/// used from any thread.
class private_key {
public:
    /// Takes 20-50 µs for elliptic curves and up to 2 s for RSA 4096: coroutines of evercert do that
    /// on the worker thread.
    static private_key generate(key_type = key_type::ec_p256);

    /// PKCS#8 "PRIVATE KEY", SEC1 "EC PRIVATE KEY" or PKCS#1 "RSA PRIVATE KEY"; not encrypted. Checks that
    /// the public half belongs to the private one. Throws `error` with `errc::invalid_key`.
    static private_key from_pem(std::string_view);
    static private_key from_der(std::span<const unsigned char> pkcs8);

    /// PKCS#8.
    std::string to_pem() const;
    std::vector<unsigned char> to_der() const;

    key_type type() const noexcept { return type_; }
    /// Valid as long as a copy of this key.
    EVP_PKEY* native_handle() const noexcept { return key_.get(); }
    /// True if both have the same public key.
    friend bool operator==(const private_key&, const private_key&) noexcept;

    /// Takes the reference over. Throws `errc::invalid_key` for a kind that is not in `key_type`.
    explicit private_key(EVP_PKEY* adopted);

private:
    std::shared_ptr<EVP_PKEY> key_;
    key_type type_;
};

}  // namespace evercert
