#include "issuing.hpp"

#include <fmt/format.h>

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"

namespace bench {

using namespace evercert;

std::string name_of(std::size_t number) { return fmt::format("host{}.example.com", number); }

issuing::issuing(const validity& valid)
    : valid_{valid},
      root_{make_root("Root", private_key::generate(), valid)},
      issuer_{make_intermediate("Issuer", private_key::generate(), valid, root_)} {}

issued issuing::certificate_for(std::string name, const private_key& key) const {
    const std::vector<identifier> names{identifier{name}};
    x509_builder builder;
    builder.serial({}).validity(valid_.not_before, valid_.not_after).key(key.native_handle());
    builder.extension(NID_key_usage, "critical,digitalSignature").extension(NID_ext_key_usage, "serverAuth");
    builder.extension(NID_basic_constraints, "critical,CA:FALSE").extension(NID_subject_key_identifier, "hash");
    builder.issued_by(issuer_.native_handle()).names(names, true);
    builder.extension(NID_info_access, "caIssuers;URI:http://e8.i.example.com/");
    // Two signed certificate timestamps (RFC 6962, section 3.3), and what policies and CRLs take.
    builder.extension("1.3.6.1.4.1.11129.2.4.2", bytes(245, 0x04), false);
    builder.extension("1.3.6.1.4.1.11129.2.4.9", bytes(60, 0x04), false);
    const x509_ptr cert = builder.sign(issuer_.key());
    const auto pem = write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get())));
    return {pem + issuer_.chain_pem(), key.to_pem(), names, valid_};
}

}  // namespace bench
