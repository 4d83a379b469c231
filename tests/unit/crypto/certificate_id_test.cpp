#include <evercert/acme/types.hpp>

#include "catch.hpp"
#include "crypto/certificate_id.hpp"
#include "crypto/issue.hpp"
#include "crypto/pem.hpp"
#include "support.hpp"
#include "vectors.hpp"

using namespace evercert;

namespace {

x509_ptr parse(std::string_view pem) {
    return decode_der<x509_ptr>(d2i_X509, read_pem(pem, errc::invalid_certificate).at(0).der);
}

}  // namespace

TEST_CASE("the id of a certificate is the one that RFC 9773 makes of its example") {
    CHECK(certificate_id(parse(vectors::rfc9773_a_certificate).get()) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
}

TEST_CASE("a serial number in a certificate's id is zero-filled only where its sign needs that") {
    const auto now = system_clock()->wall();
    const validity valid{now, now + std::chrono::hours{1}};
    const auto root = make_root("CA", private_key::generate(), valid);
    const auto key = private_key::generate();
    const auto serial_part = [&](bytes serial) {
        const certificate cert{issue({{"a.test"}, public_key{key}, valid, std::move(serial)}, root), key};
        const auto id = acme::certificate_id(cert);
        return id.substr(id.find('.') + 1);
    };
    CHECK(serial_part({0x7f}) == base64url_encode(bytes{0x7f}));
    CHECK(serial_part({0x80}) == base64url_encode(bytes{0x00, 0x80}));
    CHECK(serial_part({0x01, 0x00}) == base64url_encode(bytes{0x01, 0x00}));
    CHECK(serial_part(bytes(20, 0x7e)) == base64url_encode(bytes(20, 0x7e)));
}

TEST_CASE("a certificate that does not name its issuer's key has no id") {
    const auto now = system_clock()->wall();
    const auto root = make_root("CA", private_key::generate(), {now, now + std::chrono::hours{1}});
    try {
        acme::certificate_id(root);
        FAIL("it has an id");
    } catch (const error& thrown) {
        CHECK(thrown.code() == errc::invalid_certificate);
        CHECK(std::string{thrown.what()}.find("authority key identifier") != std::string::npos);
    }
}

TEST_CASE("an id is read from DER of any kind: what is cut off has none, and damage does no harm") {
    const auto der = read_pem(vectors::rfc9773_a_certificate, errc::invalid_certificate).at(0).der;
    CHECK(find_certificate_id(der) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
    CHECK_FALSE(find_certificate_id({}));
    for (std::size_t size = 0; size < der.size(); ++size)
        CHECK_FALSE(find_certificate_id(bytes_view{der}.first(size)));
    for (std::size_t at = 0; at < der.size(); ++at)
        for (const unsigned char value : {0x00, 0x30, 0x80, 0x84, 0xff}) {
            auto damaged = der;
            damaged[at] = value;
            find_certificate_id(damaged);
        }
}
