#include <utility>

#include "catch.hpp"
#include "crypto/encoding.hpp"
#include "vectors.hpp"

namespace {

std::string text(const evercert::bytes& data) { return {data.begin(), data.end()}; }

}  // namespace

TEST_CASE("base64url gives the text of RFC 7515, appendix C") {
    const evercert::bytes data{3, 236, 255, 224, 193};
    CHECK(evercert::base64url_encode(data) == "A-z_4ME");
    CHECK(evercert::base64url_decode("A-z_4ME") == data);
}

TEST_CASE("base64url gives the payload of RFC 7515, appendix A.1") {
    using namespace evercert::vectors;
    CHECK(evercert::base64url_encode(evercert::as_bytes(rfc7515_payload)) == rfc7515_payload_base64url);
    CHECK(text(*evercert::base64url_decode(rfc7515_payload_base64url)) == rfc7515_payload);
}

TEST_CASE("base64url has the vectors of RFC 4648, section 10, without padding") {
    const std::pair<const char*, const char*> vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [plain, encoded] : vectors) {
        CHECK(evercert::base64url_encode(evercert::as_bytes(plain)) == encoded);
        CHECK(text(*evercert::base64url_decode(encoded)) == plain);
    }
}

TEST_CASE("every byte survives base64url at every position") {
    evercert::bytes data;
    for (int i = 0; i < 256; ++i) {
        data.push_back(static_cast<unsigned char>(i));
        CHECK(evercert::base64url_decode(evercert::base64url_encode(data)) == data);
    }
}

TEST_CASE("base64url refuses all but the one text of some bytes") {
    for (const char* wrong :
         {"Zg==", "Zm8=", "Zm9v=", "=", "Z", "Zm9vY", "Zm+v", "Zm/v", "Zm9v\n", " Zm9v", "Zm9\xc3",
          // Bits after the last byte that are not zero.
          "Zh", "Zm9", "Zm9vYh"}) {
        INFO(wrong);
        CHECK_FALSE(evercert::base64url_decode(wrong));
    }
    CHECK_FALSE(evercert::base64url_decode(std::string_view("Zm\0v", 4)));
}

TEST_CASE("sha256 gives the digests of FIPS 180-4's examples") {
    const auto hex = [](std::string_view message) {
        std::string result;
        for (const unsigned char byte : evercert::sha256(evercert::as_bytes(message))) {
            constexpr const char* digits = "0123456789abcdef";
            result += {digits[byte >> 4], digits[byte & 15]};
        }
        return result;
    };
    CHECK(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
