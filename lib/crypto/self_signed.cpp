#include "crypto/self_signed.hpp"

#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_builder.hpp"

namespace evercert {

namespace {

constexpr auto clock_skew = std::chrono::days{1};
constexpr auto lifetime = std::chrono::days{7};

}  // namespace

certificate_ptr make_self_signed(const identifier& name, const private_key& key, wall_time now) {
    x509_builder builder;
    builder.serial({}).validity(now - clock_skew, now + lifetime);
    builder.key(key.native_handle()).common_name("self-signed until the CA's certificate comes").self_issued();
    builder.names({name}, false).extension(NID_ext_key_usage, "serverAuth");
    const x509_ptr cert = builder.sign(key);
    return std::make_shared<certificate>(
        write_pem("CERTIFICATE", encode_der(i2d_X509, static_cast<const X509*>(cert.get()))), key);
}

}  // namespace evercert
