#include <string_view>

#include <openssl/ssl.h>

#include "catch.hpp"
#include "tls/client_hello.hpp"

using namespace evercert;

namespace {

int server_name(std::string_view extension, std::string& name) { return parse_server_name(as_bytes(extension), name); }

int alpn(std::string_view extension, std::vector<std::string>& protocols) {
    return parse_alpn(as_bytes(extension), protocols);
}

std::string host_name(std::string_view name) {
    const auto number = [](std::size_t value) {
        return std::string{static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
    };
    std::string extension = number(name.size() + 3);
    extension += '\0';
    extension += number(name.size());
    extension += name;
    return extension;
}

std::string offer(std::size_t count) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i)
        list += "\x01p";
    std::string extension{static_cast<char>(list.size() >> 8), static_cast<char>(list.size() & 0xff)};
    extension += list;
    return extension;
}

using namespace std::string_view_literals;
using namespace std::string_literals;

}  // namespace

TEST_CASE("a host name is taken from the server name extension as it came") {
    std::string name;
    CHECK(server_name(host_name("A.Test."), name) == 0);
    CHECK(name == "A.Test.");
    CHECK(server_name(host_name("a\0b\n\xff"sv), name) == 0);
    CHECK(name == "a\0b\n\xff"s);
}

TEST_CASE("a server name extension that is cut anywhere is a decode error") {
    const std::string whole = host_name("a.test");
    std::string name;
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO(length);
        CHECK(server_name(std::string_view{whole}.substr(0, length), name) == SSL_AD_DECODE_ERROR);
    }
    CHECK(server_name(whole + "x", name) == SSL_AD_DECODE_ERROR);
    CHECK(name.empty());
}

TEST_CASE("an empty list and an empty host name are decode errors") {
    std::string name;
    CHECK(server_name("\0\0"sv, name) == SSL_AD_DECODE_ERROR);
    CHECK(server_name(host_name(""), name) == SSL_AD_DECODE_ERROR);
}

TEST_CASE("a second name and a name of another type are illegal parameters") {
    std::string name;
    CHECK(
        server_name(
            "\0\x08\0\0\x01"
            "a\0\0\x01"
            "b"sv,
            name) == SSL_AD_ILLEGAL_PARAMETER);
    CHECK(
        server_name(
            "\0\x04\x01\0\x01"
            "a"sv,
            name) == SSL_AD_ILLEGAL_PARAMETER);
}

TEST_CASE("a server name longer than a DNS name is unrecognized") {
    std::string name;
    CHECK(server_name(host_name(std::string(server_name_max, 'a')), name) == 0);
    CHECK(name.size() == server_name_max);
    CHECK(server_name(host_name(std::string(server_name_max + 1, 'a')), name) == SSL_AD_UNRECOGNIZED_NAME);
    CHECK(server_name(host_name(std::string(60000, 'a')), name) == SSL_AD_UNRECOGNIZED_NAME);
}

TEST_CASE("the ALPN offer keeps the client's order") {
    std::vector<std::string> protocols;
    CHECK(alpn("\0\x0c\x02h2\x08http/1.1"sv, protocols) == 0);
    CHECK(protocols == std::vector<std::string>{"h2", "http/1.1"});
}

TEST_CASE("an ALPN extension that is cut anywhere is a decode error") {
    const std::string whole = "\0\x0c\x02h2\x08http/1.1"s;
    std::vector<std::string> protocols;
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO(length);
        CHECK(alpn(std::string_view{whole}.substr(0, length), protocols) == SSL_AD_DECODE_ERROR);
    }
    CHECK(alpn(whole + "x", protocols) == SSL_AD_DECODE_ERROR);
    CHECK(protocols.empty());
}

TEST_CASE("an empty ALPN list, an empty protocol and one beyond the list are decode errors") {
    std::vector<std::string> protocols;
    CHECK(alpn("\0\0"sv, protocols) == SSL_AD_DECODE_ERROR);
    CHECK(alpn("\0\x03\x01h\0"sv, protocols) == SSL_AD_DECODE_ERROR);
    CHECK(alpn("\0\x03\x03h2"sv, protocols) == SSL_AD_DECODE_ERROR);
}

TEST_CASE("an ALPN offer of more protocols than anyone speaks is refused") {
    std::vector<std::string> protocols;
    CHECK(alpn(offer(alpn_protocols_max), protocols) == 0);
    CHECK(protocols.size() == alpn_protocols_max);
    CHECK(alpn(offer(alpn_protocols_max + 1), protocols) == SSL_AD_ILLEGAL_PARAMETER);
    CHECK(alpn(offer(32767), protocols) == SSL_AD_ILLEGAL_PARAMETER);
}
