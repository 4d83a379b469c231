#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/client_support.hpp>

#include "crypto/certificate_id.hpp"
#include "crypto/issuer_chain.hpp"
#include "crypto/packed_key.hpp"

namespace evercert {

/// A certificate kept as DER, which takes a seventh of the memory, and parsed at first use. Thread-safe; shared.
class held_certificate {
public:
    /// What a store has. Both texts are decoded and not parsed: what is not PEM throws `error` with
    /// `errc::invalid_certificate` or `errc::invalid_key`. `names` and the dates are what the record says about the
    /// certificate; `get` looks whether it is so.
    held_certificate(
        std::string_view chain_pem, std::string_view key_pem, std::vector<identifier> names, wall_time not_before,
        wall_time not_after);
    /// One that was just obtained; it is parsed already.
    explicit held_certificate(certificate_ptr);
    ~held_certificate();
    held_certificate(const held_certificate&) = delete;
    held_certificate& operator=(const held_certificate&) = delete;

    /// The certificate's names and dates.
    const std::vector<identifier>& names() const noexcept { return names_; }
    wall_time not_before() const noexcept { return not_before_; }
    wall_time not_after() const noexcept { return not_after_; }
    /// Of the key: of one that is damaged anything, until `get` finds that out.
    key_type type() const noexcept { return static_cast<key_type>(type_); }
    /// Whether it is signed with one of these; true if nobody knows.
    bool is_signed_with_any(signature_schemes schemes) const noexcept {
        return schemes.has_all() || signed_with_ == unknown_scheme ||
            schemes.has(static_cast<signature_scheme>(signed_with_));
    }

    /// The same object for all that ask, until `drop_parsed`. Takes 0.3 ms if it must be parsed (RSA: 1 ms). Throws
    /// `error`: `invalid_certificate`, `invalid_key`, `key_mismatch`, or `name_mismatch` if the record had other names.
    certificate_ptr get() const;
    /// Null if it is not parsed.
    certificate_ptr if_parsed() const;
    /// Back to DER. Those who have the pointer keep it.
    void drop_parsed() const;

    /// By which its CA knows it: see `find_certificate_id`. Nothing is parsed.
    std::optional<std::string> renewal_id() const { return find_certificate_id(leaf()); }

    /// For saving; nothing is parsed.
    std::string chain_pem() const;
    std::string key_pem() const;

private:
    void keep(bytes_view leaf, bytes_view pkcs8);
    bytes_view leaf() const { return {data_.get(), leaf_size_}; }
    packed_key key() const { return {{data_.get() + leaf_size_, key_size_}, public_at_}; }
    certificate_ptr parse() const;

    std::vector<identifier> names_;
    wall_time not_before_;
    wall_time not_after_;
    std::unique_ptr<unsigned char[]> data_;  ///< the end-entity certificate, then the key: one allocation
    // In eight bytes: four more would be eight, for alignment.
    static constexpr std::uint32_t leaf_size_max = (1U << 24U) - 1;  ///< PEM is read up to 256 KiB
    static constexpr std::uint32_t unknown_scheme = 31;
    std::uint32_t leaf_size_ : 24 = 0;
    std::uint32_t type_ : 3 = 0;                      ///< a `key_type`
    std::uint32_t signed_with_ : 5 = unknown_scheme;  ///< a `signature_scheme`
    std::uint16_t key_size_ = 0;
    std::uint16_t public_at_ = 0;
    std::shared_ptr<const issuer_chain> issuers_;
    mutable certificate_ptr parsed_;
};

using held_ptr = std::shared_ptr<const held_certificate>;

}  // namespace evercert
