#include "testing/authority.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "testing/nonces.hpp"

namespace evercert::testing {

namespace {

validity of_issuers(wall_time now) { return {now - std::chrono::days{1}, now + authority::lifetime}; }

/// Positive and with a first byte that is not zero, so that its bytes are also how it is written.
bytes make_serial() {
    const auto random = random_bytes();
    bytes serial{random.begin(), random.end()};
    serial[0] = (serial[0] & 0x3f) | 0x40;
    return serial;
}

/// The part of RFC 9773's identifiers that is the issuer's (section 4.1).
std::string encode_key_id(const certificate& issuer) {
    const auto* id = X509_get0_subject_key_id(issuer.native_handle());
    return base64url_encode({ASN1_STRING_get0_data(id), static_cast<std::size_t>(ASN1_STRING_length(id))});
}

}  // namespace

authority::authority(const std::string& name, wall_time now, bool has_alternate)
    : name_{name},
      intermediate_{add_issuer(name + " root", private_key::generate(), now)},
      key_id_{encode_key_id(intermediate_)} {
    if (has_alternate)
        alternate_ = add_issuer(name + " alternate root", intermediate_.key(), now);
}

certificate authority::add_issuer(const std::string& root_name, const private_key& signing_key, wall_time now) {
    const auto root = make_root(root_name, private_key::generate(), of_issuers(now));
    roots_pem_ += root.chain_pem();
    return make_intermediate(name_ + " intermediate", signing_key, of_issuers(now), root);
}

authority::issued authority::issue(
    const std::vector<identifier>& names, const public_key& key, const validity& valid) const {
    auto serial = make_serial();
    issued result;
    result.serial = fmt::format("{:02x}", fmt::join(serial, ""));
    // Decoding the certificate for it would cost a sixth of making it.
    result.renewal_id = key_id_ + "." + base64url_encode(serial);
    result.chain_pem = evercert::issue({names, key, valid, std::move(serial)}, intermediate_);
    result.der = read_pem(result.chain_pem, errc::invalid_certificate).front().der;
    if (alternate_)
        result.alternate_pem = write_pem("CERTIFICATE", result.der) + alternate_->chain_pem();
    return result;
}

}  // namespace evercert::testing
