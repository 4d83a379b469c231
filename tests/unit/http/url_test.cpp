#include "catch.hpp"
#include "http/url.hpp"

using namespace evercert;

namespace {

std::string parts(std::string_view text) {
    const auto parsed = parse_url(text);
    if (!parsed)
        return "refused";
    return parsed->scheme + " " + parsed->host + " " + std::to_string(parsed->port) + " " + parsed->target + " " +
        parsed->host_field();
}

}  // namespace

TEST_CASE("a URL comes apart into scheme, host, port and target") {
    CHECK(parts("https://ca.test/directory") == "https ca.test 443 /directory ca.test");
    CHECK(parts("HTTPS://CA.Test") == "https ca.test 443 / ca.test");
    CHECK(parts("http://ca.test:8080?a=b") == "http ca.test 8080 /?a=b ca.test:8080");
    CHECK(parts("http://ca.test:80/") == "http ca.test 80 / ca.test");
    CHECK(parts("https://ca.test:80/") == "https ca.test 80 / ca.test:80");
    CHECK(parts("https://localhost:14000/dir") == "https localhost 14000 /dir localhost:14000");
    CHECK(parts("https://192.0.2.1/a//b/../c") == "https 192.0.2.1 443 /a//b/../c 192.0.2.1");
    CHECK(parts("https://[2001:DB8:0::1]:444/") == "https 2001:db8::1 444 / [2001:db8::1]:444");
    CHECK(parts("https://ca.test:/:") == "https ca.test 443 /: ca.test");
    CHECK(parts("https://[::1]/") == "https ::1 443 / [::1]");
}

TEST_CASE("what is not a plain absolute URL is refused") {
    for (const char* text : {
             "",
             "https",
             "https:",
             "https://",
             "https:///a",
             "https:/ca.test/",
             "//ca.test/",
             "/a",
             "ca.test",
             "ftp://ca.test/",
             "file:///etc/passwd",
             "javascript://ca.test/",
             " https://ca.test/",
             "https://ca.test/ ",
             "https://ca.test/a b",
             "https://ca.test/\r\nA: b",
             "https://ca.test/\n",
             "https://ca.test/\x7f",
             "https://user@ca.test/",
             "https://user:pass@ca.test/",
             "https://ca.test@evil.test/",
             "https://ca.test/#a",
             "https://ca.test:0/",
             "https://ca.test:65536/",
             "https://ca.test:-1/",
             "https://ca.test:1a/",
             "https://ca%2etest/",
             "https://c\xc3\xa4.test/",
             "https://ca.test\\a/",
             "https://ca..test/",
             "https://.test/",
             "https://[::1/",
             "https://[::1]a/",
             "https://[fe80::1%25eth0]/",
             "https://[192.0.2.1]/",
             "https://[]/",
             "https://::1/",
             "https://127.1/",
             "https://0x7f.0.0.1/",
             "https://1.2.3.4.5/",
             "https://017.0.0.1/",
             "https://2130706433/",
             "https://0x7f000001/",
             "https://1.2.3.256/",
         }) {
        INFO(text);
        CHECK(parts(text) == "refused");
    }
}

TEST_CASE("a host name longer than DNS allows is refused") {
    CHECK(parse_authority(std::string(253, 'a')));
    CHECK_FALSE(parse_authority(std::string(254, 'a')));
}
