#include <map>
#include <unordered_set>

#include <evercert/error.hpp>
#include <evercert/identifier.hpp>

#include "catch.hpp"

using evercert::identifier;

namespace {

std::string canonical(std::string_view text) {
    const auto parsed = identifier::parse(text);
    return parsed ? parsed->value() : "(refused)";
}

/// The reason that the exception gives.
std::string refusal(std::string_view text) {
    try {
        const identifier name{text};
        return "(accepted as " + name.value() + ")";
    } catch (const evercert::error& e) {
        CHECK(e.code() == evercert::errc::invalid_identifier);
        CHECK_FALSE(identifier::parse(text));
        return e.what();
    }
}

bool mentions(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

#define CHECK_REFUSED(text, reason)                                                                                    \
    do {                                                                                                               \
        const std::string why = refusal(text);                                                                         \
        INFO(why);                                                                                                     \
        CHECK(mentions(why, reason));                                                                                  \
    } while (false)

TEST_CASE("a DNS name is lower case and has no trailing dot") {
    CHECK(canonical("example.com") == "example.com");
    CHECK(canonical("WWW.Example.COM") == "www.example.com");
    CHECK(canonical("example.com.") == "example.com");
    CHECK(canonical("a-b.1.x2.example") == "a-b.1.x2.example");
    CHECK(identifier{"example.com"}.type() == identifier::kind::dns);
    CHECK(identifier{"EXAMPLE.com."} == identifier{"example.com"});
}

TEST_CASE("a list of two names in braces is two identifiers") {
    const std::vector<identifier> names{"a.example", "b.example"};
    CHECK(names.size() == 2);
    CHECK(to_string(names) == "a.example, b.example");
    CHECK(std::unordered_set<identifier>{"a.example", "A.example"}.size() == 1);
}

TEST_CASE("the empty name is refused, dots alone too") {
    CHECK_REFUSED("", "empty");
    CHECK_REFUSED(".", "not an IPv4 address");
    CHECK_REFUSED("a..example", "empty label");
    CHECK_REFUSED(".a.example", "empty label");
    CHECK_REFUSED("a.example..", "empty label");
    CHECK_REFUSED("*.", "two labels");
}

TEST_CASE("a name has at most 253 characters and 63 a label") {
    const std::string label63(63, 'a');
    const std::string label61(61, 'a');
    const std::string name253 = label63 + '.' + label63 + '.' + label63 + '.' + label61;
    REQUIRE(name253.size() == 253);
    CHECK(canonical(name253) == name253);
    CHECK(canonical(name253 + '.') == name253);
    CHECK_REFUSED(name253 + 'a', "253");
    CHECK_REFUSED(label63 + "a.example", "63");
    CHECK_REFUSED(std::string{"*."} + name253, "253");

    const std::string three_hundred =
        label63 + '.' + label63 + '.' + label63 + '.' + label63 + "." + std::string(44, 'b');
    REQUIRE(three_hundred.size() == 300);
    CHECK_REFUSED(three_hundred, "253");
    CHECK_REFUSED(std::string(100'000, 'a') + ".example", "253");
}

TEST_CASE("a name that would have to be quoted is refused with its reason") {
    CHECK_REFUSED(std::string_view("good.example\0.evil.example", 26), "control character");
    CHECK_REFUSED("a\nb.example", "control character");
    CHECK_REFUSED("a\x7f.example", "control character");
    CHECK_REFUSED("a b.example", "space");
    CHECK_REFUSED("a.example/path", "path separator");
    CHECK_REFUSED("..\\a.example", "path separator");
    CHECK_REFUSED("../etc/passwd", "path separator");
    CHECK_REFUSED("https://a.example", "URL");
    CHECK_REFUSED("a.example:443", "port");
    CHECK_REFUSED("_acme-challenge.a.example", "\"_\"");
    CHECK_REFUSED("a%41.example", "\"%\"");
}

TEST_CASE("the text of a refusal is printable whatever was refused") {
    for (const char c : refusal("a\x01\xff\"b.example\r\n"))
        CHECK((c >= 0x20 && c < 0x7f));
}

TEST_CASE("hyphens stand inside of labels") {
    CHECK_REFUSED("-a.example", "hyphen");
    CHECK_REFUSED("a-.example", "hyphen");
    CHECK(canonical("a--b.example") == "a--b.example");
    CHECK_REFUSED("ab--c.example", "reserved");
}

TEST_CASE("a name has at least two labels and does not end in a number") {
    CHECK_REFUSED("localhost", "single label");
    CHECK_REFUSED("com.", "single label");
    CHECK_REFUSED("example.123", "number");
    CHECK_REFUSED("a.example.0", "number");
    CHECK(canonical("example.1a") == "example.1a");
}

TEST_CASE("a wildcard is the first label alone and never of a top-level domain") {
    const identifier wildcard{"*.Example.com."};
    CHECK(wildcard.value() == "*.example.com");
    CHECK(wildcard.is_wildcard());
    CHECK_FALSE(identifier{"example.com"}.is_wildcard());
    CHECK_REFUSED("*.com", "two labels");
    CHECK_REFUSED("*", "'*'");
    CHECK_REFUSED("*.*.example.com", "'*'");
    CHECK_REFUSED("a.*.example.com", "'*'");
    CHECK_REFUSED("a*.example.com", "'*'");
    CHECK_REFUSED("*.192.0.2.1", "number");
}

TEST_CASE("the wildcard of a name covers one label") {
    CHECK(identifier{"www.example.com"}.wildcard() == identifier{"*.example.com"});
    CHECK(identifier{"a.b.example.com"}.wildcard() == identifier{"*.b.example.com"});
    CHECK_FALSE(identifier{"example.com"}.wildcard());
    CHECK_FALSE(identifier{"*.example.com"}.wildcard());
    CHECK_FALSE(identifier{"192.0.2.1"}.wildcard());
    CHECK_FALSE(identifier{"2001:db8::1"}.wildcard());
}

TEST_CASE("UTF-8 becomes A-labels") {
    CHECK(canonical("bücher.example") == "xn--bcher-kva.example");
    CHECK(canonical("BÜCHER.Example") == "xn--bcher-kva.example");
    CHECK(canonical("faß.example") == "xn--fa-hia.example");
    CHECK(canonical("*.bücher.example.") == "*.xn--bcher-kva.example");
    // Decomposed u and diaeresis (NFC), and an ideographic full stop.
    CHECK(
        canonical("bu\xcc\x88"
                  "cher.example") == "xn--bcher-kva.example");
    CHECK(canonical("a。example") == "a.example");
    CHECK(canonical("ישראל.example") == "xn--4dbrk0ce.example");
}

TEST_CASE("what IDNA does not allow is refused") {
    CHECK_REFUSED("i❤.example", "IDNA");
    CHECK_REFUSED("😀.example", "IDNA");
    CHECK_REFUSED("אa.example", "IDNA");  // RFC 5893: mixed directions
    CHECK_REFUSED("0א.example", "IDNA");
    CHECK_REFUSED("\u202eabc.example", "IDNA");  // right-to-left override
    CHECK_REFUSED("a\u200db.example", "IDNA");   // zero-width joiner
    CHECK_REFUSED("\u0301a.example", "IDNA");    // a combining character first
    CHECK_REFUSED("\xff.example", "IDNA");
    CHECK_REFUSED("\xc3.example", "IDNA");
    CHECK_REFUSED("\xed\xa0\x80.example", "IDNA");  // a surrogate
}

TEST_CASE("what IDNA maps to ASCII is held to the rules of ASCII") {
    CHECK_REFUSED("℀.example", "\"/\"");  // mapped to a/c
    CHECK_REFUSED("１２７.0.0.1", "number");
    CHECK_REFUSED("＊.example.com", "'*'");
    CHECK_REFUSED("ａ＿ｂ.example", "\"_\"");
    CHECK(canonical("ｅｘａｍｐｌｅ.com") == "example.com");
}

TEST_CASE("an A-label must decode to what encodes to it") {
    CHECK(canonical("xn--bcher-kva.example") == "xn--bcher-kva.example");
    CHECK(canonical("XN--BCHER-KVA.example") == "xn--bcher-kva.example");
    CHECK(canonical("*.xn--bcher-kva.example") == "*.xn--bcher-kva.example");
    CHECK_REFUSED("xn--.example", "IDNA");
    CHECK_REFUSED("xn--a.example", "IDNA");
    CHECK_REFUSED("xn--abc-.example", "IDNA");
    CHECK_REFUSED("xn--bcher-3ya.example", "IDNA");  // Punycode of a capital letter
    CHECK_REFUSED("a.xn--999999999.example", "IDNA");
}

TEST_CASE("a UTF-8 name is bounded after its conversion") {
    std::string label;
    for (int i = 0; i < 70; ++i)
        label += "ü";
    CHECK_REFUSED(label + ".example", "IDNA");
}

TEST_CASE("IP addresses are in their canonical form") {
    CHECK(canonical("192.0.2.1") == "192.0.2.1");
    CHECK(canonical("2001:DB8:0:0:0:0:0:1") == "2001:db8::1");
    CHECK(canonical("2001:db8::0:1") == "2001:db8::1");
    // RFC 5952, sections 4.2.2 and 4.2.3.
    CHECK(canonical("2001:db8:0:1:1:1:1:1") == "2001:db8:0:1:1:1:1:1");
    CHECK(canonical("2001:0:0:1:0:0:0:1") == "2001:0:0:1::1");
    CHECK(canonical("::") == "::");
    CHECK(identifier{"192.0.2.1"}.type() == identifier::kind::ip);
    CHECK(identifier{"::1"}.type() == identifier::kind::ip);
    CHECK_FALSE(identifier{"::1"}.is_wildcard());
}

TEST_CASE("what only looks like an IP address is refused") {
    CHECK_REFUSED("192.0.2", "IPv4");
    CHECK_REFUSED("192.0.2.1.", "IPv4");
    CHECK_REFUSED("192.0.2.256", "IPv4");
    CHECK_REFUSED("192.0.02.1", "leading zeros");
    CHECK_REFUSED("3232235777", "IPv4");
    CHECK_REFUSED("fe80::1%eth0", "zone id");
    CHECK_REFUSED("[2001:db8::1]", "brackets");
    CHECK_REFUSED("[2001:db8::1]:443", "brackets");
    CHECK_REFUSED("2001:db8::1::2", "IPv6");
    CHECK_REFUSED("::ffff:192.0.2.1", "give 192.0.2.1");
    CHECK_REFUSED("::ffff:c000:201", "give 192.0.2.1");
    CHECK_REFUSED("12345::", "IPv6");
}

TEST_CASE("an address and its reverse-arpa name are two forms of one") {
    const std::map<std::string, std::string> forms{
        {"192.0.2.1", "1.2.0.192.in-addr.arpa"},
        {"10.20.30.40", "40.30.20.10.in-addr.arpa"},
        {"2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
        {"4321:0:1:2:3:4:567:89ab",  // RFC 3596, section 2.5
         "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"},
    };
    for (const auto& [address, name] : forms) {
        CHECK(to_reverse_arpa(identifier{address}) == name);
        CHECK(evercert::from_reverse_arpa(name) == identifier{address});
    }
    CHECK(to_reverse_arpa(identifier{"example.com"}).empty());
    CHECK(evercert::from_reverse_arpa("1.2.0.192.IN-ADDR.ARPA") == identifier{"192.0.2.1"});
}

TEST_CASE("what is not the reverse-arpa name of a whole address is none") {
    const std::string nibbles = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
    REQUIRE(evercert::from_reverse_arpa(nibbles + ".ip6.arpa"));
    for (const std::string& name :
         {std::string{}, std::string{"example.com"}, std::string{"in-addr.arpa"}, std::string{".in-addr.arpa"},
          std::string{"2.0.192.in-addr.arpa"}, std::string{"1.1.2.0.192.in-addr.arpa"},
          std::string{"01.2.0.192.in-addr.arpa"}, std::string{"256.2.0.192.in-addr.arpa"},
          std::string{"1.2.0.192.in-addr.arpa."}, std::string{"1.2.0.192.in-addr.arpa.example"},
          std::string{"x.2.0.192.in-addr.arpa"}, std::string("1\0x.2.0.192.in-addr.arpa", 24),
          nibbles.substr(2) + ".ip6.arpa", std::string{"0."} + nibbles + ".ip6.arpa",
          "g" + nibbles.substr(1) + ".ip6.arpa", nibbles.substr(0, 61) + "..2.ip6.arpa",
          std::string{":"} + nibbles.substr(1) + ".ip6.arpa", std::string(1000, '1') + ".in-addr.arpa"}) {
        INFO(name);
        CHECK_FALSE(evercert::from_reverse_arpa(name));
    }
}
