#include <cstdint>
#include <string>

#include <evercert/error.hpp>

#include "base/accepted_stream.hpp"
#include "base/memory_stream.hpp"
#include "base/stream_io.hpp"
#include "catch.hpp"
#include "run.hpp"

using namespace evercert;
using state = proxy_header::state;

namespace {

proxy_header parse(std::string_view text) {
    return parse_proxy_header({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

/// "192.0.2.1:5 > 192.0.2.2:443", "none", "incomplete" or "malformed".
std::string said(std::string_view text) {
    const auto header = parse(text);
    switch (header.parsed) {
    case state::incomplete: return "incomplete";
    case state::malformed: return "malformed";
    case state::complete: break;
    }
    return header.of ? to_string(header.of->source) + " > " + to_string(header.of->destination) : "none";
}

constexpr std::string_view signature{"\r\n\r\n\0\r\nQUIT\n", 12};

std::string v2(std::uint8_t command, std::uint8_t family, const std::string& block) {
    std::string text{signature};
    text += {static_cast<char>(command), static_cast<char>(family)};
    text += {static_cast<char>(block.size() >> 8), static_cast<char>(block.size() & 0xff)};
    return text + block;
}

const std::string v4_block{"\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x01\xbb", 12};
const std::string v6_block = std::string{"\x20\x01\x0d\xb8", 4} + std::string(11, '\0') + "\x01" +
    std::string{"\x20\x01\x0d\xb8", 4} + std::string(11, '\0') + "\x02" + std::string{"\x00\x05\x01\xbb", 4};
const std::string v4_said = "192.0.2.1:5 > 192.0.2.2:443";

struct example {
    const char* about;
    std::string text;
    std::string said;
};

const std::vector<example>& examples() {
    static const std::vector<example> all{
        {"v1, IPv4", "PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n", v4_said},
        {"v1, IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 5 443\r\n", "[2001:db8::1]:5 > [2001:db8::2]:443"},
        {"v1, the longest", "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "none"},
        {"v1, unknown", "PROXY UNKNOWN\r\n", "none"},
        {"v1, data behind it", "PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\nGET", v4_said},
        {"v1, nothing so far", "", "incomplete"},
        {"v1, cut in the word", "PRO", "incomplete"},
        {"v1, cut in the line", "PROXY TCP4 192.0.2.1", "incomplete"},
        {"v1, cut before its end", "PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r", "incomplete"},
        {"v1, too long", "PROXY UNKNOWN " + std::string(100, 'x'), "malformed"},
        {"v1, another family", "PROXY TCP5 192.0.2.1 192.0.2.2 5 443\r\n", "malformed"},
        {"v1, the other family's addresses", "PROXY TCP4 2001:db8::1 2001:db8::2 5 443\r\n", "malformed"},
        {"v1, IPv4 of a socket for both", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.9 5 443\r\n",
         "192.0.2.1:5 > 192.0.2.9:443"},
        {"v1, a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 5 443\r\n", "malformed"},
        {"v1, a name", "PROXY TCP4 a.test b.test 5 443\r\n", "malformed"},
        {"v1, a port that is none", "PROXY TCP4 192.0.2.1 192.0.2.2 5 65536\r\n", "malformed"},
        {"v1, a padded port", "PROXY TCP4 192.0.2.1 192.0.2.2 05 443\r\n", "malformed"},
        {"v1, a signed port", "PROXY TCP4 192.0.2.1 192.0.2.2 +5 443\r\n", "malformed"},
        {"v1, two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 5 443\r\n", "malformed"},
        {"v1, a field too many", "PROXY TCP4 192.0.2.1 192.0.2.2 5 443 1\r\n", "malformed"},
        {"v1, a field too few", "PROXY TCP4 192.0.2.1 192.0.2.2 5\r\n", "malformed"},
        {"v1, lower case", "proxy TCP4 192.0.2.1 192.0.2.2 5 443\r\n", "malformed"},
        {"TLS", "\x16\x03\x01", "malformed"},
        {"HTTP", "PUT / HTTP/1.1", "malformed"},
        {"v2, IPv4", v2(0x21, 0x11, v4_block), v4_said},
        {"v2, IPv6", v2(0x21, 0x21, v6_block), "[2001:db8::1]:5 > [2001:db8::2]:443"},
        {"v2, extensions", v2(0x21, 0x11, v4_block + std::string{"\x04\x00\x01\x00", 4}), v4_said},
        {"v2, data behind it", v2(0x21, 0x11, v4_block) + "\x16\x03\x01", v4_said},
        {"v2, local", v2(0x20, 0x00, ""), "none"},
        {"v2, local with addresses", v2(0x20, 0x11, v4_block), "none"},
        {"v2, unspecified", v2(0x21, 0x00, ""), "none"},
        {"v2, UDP", v2(0x21, 0x12, v4_block), "none"},
        {"v2, a Unix socket", v2(0x21, 0x31, std::string(216, '\0')), "none"},
        {"v2, cut in the signature", std::string{signature.substr(0, 5)}, "incomplete"},
        {"v2, cut in the head", v2(0x21, 0x11, v4_block).substr(0, 15), "incomplete"},
        {"v2, cut in the addresses", v2(0x21, 0x11, v4_block).substr(0, 27), "incomplete"},
        {"v2, no room for the addresses", v2(0x21, 0x11, v4_block.substr(1)), "malformed"},
        {"v2, IPv6 with no more than IPv4's", v2(0x21, 0x21, v4_block), "malformed"},
        {"v2, the largest", v2(0x21, 0x11, v4_block + std::string(proxy_v2_max - 28, '\0')), v4_said},
        {"v2, larger", v2(0x21, 0x11, v4_block + std::string(proxy_v2_max - 27, '\0')), "malformed"},
        {"v2, another version", v2(0x31, 0x11, v4_block), "malformed"},
        {"v2, another command", v2(0x22, 0x11, v4_block), "malformed"},
        {"v2, another family", v2(0x21, 0x41, v4_block), "malformed"},
        {"v2, another transport", v2(0x21, 0x13, v4_block), "malformed"},
    };
    return all;
}

}  // namespace

TEST_CASE("a PROXY header is read as the specification has it, and nothing else is one") {
    for (const auto& each : examples()) {
        INFO(each.about);
        CHECK(said(each.text) == each.said);
    }
}

TEST_CASE("a PROXY header that comes byte by byte is incomplete until its last byte, and the same then") {
    for (const auto& each : examples()) {
        const auto whole = parse(each.text);
        if (whole.parsed != state::complete)
            continue;
        INFO(each.about);
        for (std::size_t size = 0; size < whole.size; ++size)
            CHECK(parse(each.text.substr(0, size)).parsed == state::incomplete);
        CHECK(parse(each.text.substr(0, whole.size)).size == whole.size);
    }
}

TEST_CASE("what comes behind a PROXY header is the connection's") {
    const std::size_t segment = GENERATE(1, 1000);
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto ends = memory_stream_pair(io.get_executor(), 64 << 10, segment);
        co_await write_all(*ends.first, std::string_view{"PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\nhello"});
        accepted_stream accepted{std::move(ends.second)};
        auto header = co_await read_proxy_header(accepted);
        accepted.came_through(std::move(header));
        CHECK(to_string(accepted.remote_endpoint()) == "192.0.2.1:5");
        CHECK(to_string(accepted.local_endpoint()) == "192.0.2.2:443");
        std::string text;
        while (text.size() < 5) {
            co_await accepted.wait_readable();
            std::array<std::byte, 3> buffer;
            const auto count = co_await read_some(accepted, buffer);
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
        }
        CHECK(text == "hello");
    });
}

TEST_CASE("a trusted proxy that sends no PROXY header, or leaves in the middle, is told of") {
    const std::string sent = GENERATE("\x16\x03\x01", "PROXY TC");
    test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
        auto ends = memory_stream_pair(io.get_executor());
        co_await write_all(*ends.first, sent);
        ends.first->shutdown_write();
        const auto failed = co_await test::failure_of(read_proxy_header(*ends.second));
        CHECK(failed == (sent[0] == 'P' ? errc::connection_closed : errc::tls_failed));
    });
}
