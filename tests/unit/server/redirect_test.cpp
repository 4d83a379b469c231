#include "catch.hpp"
#include "server/redirect.hpp"

using namespace evercert;

namespace {

std::string answer_of(std::string method, std::string host, std::string target) {
    request message{std::move(method), std::move(target)};
    message.host = std::move(host);
    const auto answer = redirect_to_https(message);
    return std::to_string(answer.status) + " " + std::string{answer.fields.get("Location")};
}

}  // namespace

TEST_CASE("a request on port 80 is sent to the same URL over HTTPS") {
    struct row {
        const char *method, *host, *target, *expected;
    };
    const row table[] = {
        {"GET", "a.test", "/", "302 https://a.test/"},
        {"GET", "a.test", "/b/c?d=e&f", "302 https://a.test/b/c?d=e&f"},
        {"HEAD", "a.test", "/", "302 https://a.test/"},
        {"OPTIONS", "a.test", "*", "302 https://a.test/"},
        {"POST", "a.test", "/form", "308 https://a.test/form"},
        {"DELETE", "a.test", "/1", "308 https://a.test/1"},
        {"PROPFIND", "a.test", "/", "308 https://a.test/"},
        {"GET", "A.Test", "/", "302 https://a.test/"},
        {"GET", "a.test.", "/", "302 https://a.test/"},
        {"GET", "192.0.2.1", "/", "302 https://192.0.2.1/"},
        {"GET", "2001:db8::1", "/a", "302 https://[2001:db8::1]/a"},
        {"GET", "a.test", "//evil.test/", "302 https://a.test//evil.test/"},
        {"GET", "a.test", "/\\evil.test", "302 https://a.test/\\evil.test"},
    };
    for (const auto& row : table)
        CHECK(answer_of(row.method, row.host, row.target) == row.expected);
}

TEST_CASE("a request without a host that can have a certificate is refused") {
    for (const char* host :
         {"", "localhost", "*.a.test", "a..test", "a.test/evil", "a.test@evil.test", "a.test\r\nA: b", "a_b.test",
          "a b.test", "-a.test", "[::1]"}) {
        INFO(host);
        CHECK(answer_of("GET", host, "/") == "400 ");
    }
}
