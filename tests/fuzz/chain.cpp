// A certificate chain as a CA sends it, from the PEM to what is served.

#include <evercert/acme/types.hpp>
#include <evercert/certificate.hpp>

#include "acme/wire.hpp"
#include "crypto/pem.hpp"
#include "fuzz.hpp"

using namespace evercert;

namespace {

/// Of the certificates in the corpus that get past the comparison of keys.
private_key known_key() {
    static const auto key = private_key::from_pem(R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglAc3SJe8XaTw8VtG
ik5nQYWhNpAn4YlD0WmNKATfA3yhRANCAAT2vY0RHYXUVsi420Hu/1NjApJ0/3+Q
yTElGsF5zRHEUy4YNc/KkeNoztybh2p03++bpSv8IV/s8HKL2sOD76k+
-----END PRIVATE KEY-----
)");
    return key;
}

void check(const certificate& cert) {
    fuzz::must(cert.serial().size() >= 2, "a certificate has a serial number");
    cert.issuer();
    for (const auto& name : cert.names())
        fuzz::must(cert.covers(name), "a certificate covers its names");
    fuzz::accepts([&] { verify_servable(cert, cert.names(), cert.not_after()); });
    if (const auto id = fuzz::read([&] { return acme::certificate_id(cert); }))
        fuzz::must(acme::is_certificate_id(*id), "the id of a certificate is one");
    const auto pem = cert.chain_pem();
    fuzz::must(fuzz::accepts([&] { acme::check_chain(pem, "https://ca.test/c"); }), "a chain that was written is one");
    const auto again = fuzz::read([&] { return certificate{pem, cert.key()}; });
    fuzz::must(again && again->chain_pem() == pem, "a chain is the same after it was written and read");
    fuzz::must(again->names() == cert.names(), "a certificate has the same names after it was written");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto pem = fuzz::text_of(data, size);
    fuzz::accepts([&] { acme::check_chain(pem, "https://ca.test/certificate/1"); });
    if (const auto blocks = fuzz::read([&] { return read_pem(pem, errc::invalid_certificate); }))
        for (const auto& block : *blocks) {
            const auto again = read_pem(write_pem("CERTIFICATE", block.der), errc::invalid_certificate);
            fuzz::must(again.size() == 1 && again[0].der == block.der, "a block is the same after it was written");
        }
    if (const auto cert = fuzz::read([&] { return certificate{pem, known_key()}; }))
        check(*cert);
    return 0;
}
