#pragma once

#include <string>
#include <utility>

#include <evercert/certificate_source.hpp>

namespace test {

// What clients say that can use one kind of certificate alone, in TLS 1.3.

inline evercert::client_support takes(evercert::signature_schemes signatures) {
    evercert::client_support client;
    client.signatures = signatures;
    return client;
}
inline evercert::client_support rsa_alone() {
    return takes(evercert::signature_schemes{}.add(evercert::signature_scheme::rsa_pss_rsae_sha256));
}
inline evercert::client_support p256_alone() {
    return takes(evercert::signature_schemes{}.add(evercert::signature_scheme::ecdsa_secp256r1_sha256));
}
inline evercert::client_support p256_or_rsa() {
    return takes(evercert::signature_schemes{}
                     .add(evercert::signature_scheme::ecdsa_secp256r1_sha256)
                     .add(evercert::signature_scheme::rsa_pss_rsae_sha256));
}
inline evercert::client_support ed25519_alone() {
    return takes(evercert::signature_schemes{}.add(evercert::signature_scheme::ed25519));
}

inline evercert::client_hello hello(std::string server_name, evercert::client_support support = {}) {
    evercert::client_hello said{std::move(server_name), {}};
    said.support = support;
    return said;
}

}  // namespace test
