#include "base/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "base/socket.hpp"

namespace evercert {
namespace {

using input_view = std::span<const unsigned char>;

constexpr std::string_view v1_signature = "PROXY ";
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v2_head_size = 16;

constexpr proxy_header malformed{proxy_header::state::malformed};

std::string_view text_of(input_view bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Up to the next space, which has to be there unless it is the last.
std::optional<std::string_view> take_word(std::string_view& line, bool last) {
    const auto space = line.find(' ');
    if ((space == line.npos) != last)
        return {};
    const auto word = line.substr(0, space);
    line.remove_prefix(last ? line.size() : space + 1);
    return word;
}

std::optional<asio::ip::address> read_address(std::string_view word, bool v6) {
    // No zone: "fe80::1%eth0" is an interface of the proxy's.
    if (word.find('%') != word.npos)
        return {};
    std::error_code wrong;
    const std::string text{word};
    if (v6) {
        const auto address = asio::ip::make_address_v6(text, wrong);
        return wrong ? std::nullopt : std::optional<asio::ip::address>{address};
    }
    const auto address = asio::ip::make_address_v4(text, wrong);
    return wrong ? std::nullopt : std::optional<asio::ip::address>{address};
}

std::optional<std::uint16_t> read_port(std::string_view word) {
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), port);
    const bool padded = word.size() > 1 && word.front() == '0';
    if (failed != std::errc{} || end != word.data() + word.size() || padded)
        return {};
    return port;
}

std::optional<proxy_header::addresses> read_v1_addresses(std::string_view line, bool v6) {
    const auto source = take_word(line, false);
    const auto destination = take_word(line, false);
    const auto source_port = take_word(line, false);
    const auto destination_port = take_word(line, true);
    if (!source || !destination || !source_port || !destination_port)
        return {};
    const auto from = read_address(*source, v6), to = read_address(*destination, v6);
    const auto from_port = read_port(*source_port), to_port = read_port(*destination_port);
    if (!from || !to || !from_port || !to_port)
        return {};
    return proxy_header::addresses{{plain_address(*from), *from_port}, {plain_address(*to), *to_port}};
}

proxy_header parse_v1(input_view input) {
    const auto text = text_of(input.first(std::min(input.size(), proxy_v1_max)));
    const auto end = text.find("\r\n");
    if (end == text.npos)
        return text.size() == proxy_v1_max ? malformed : proxy_header{};
    auto line = text.substr(v1_signature.size(), end - v1_signature.size());
    proxy_header header{proxy_header::state::complete, end + 2};
    // "any characters till the end of the line" follow it.
    if (line == "UNKNOWN" || line.starts_with("UNKNOWN "))
        return header;
    const auto family = take_word(line, false);
    if (!family || (*family != "TCP4" && *family != "TCP6"))
        return malformed;
    header.of = read_v1_addresses(line, *family == "TCP6");
    return header.of ? header : malformed;
}

std::uint16_t read_16(input_view at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

template <typename Address>
proxy_header::addresses read_v2_addresses(input_view block) {
    typename Address::bytes_type source, destination;
    constexpr auto size = std::tuple_size_v<typename Address::bytes_type>;
    std::copy_n(block.begin(), size, source.begin());
    std::copy_n(block.begin() + size, size, destination.begin());
    return {
        {plain_address(Address{source}), read_16(block.subspan(2 * size))},
        {plain_address(Address{destination}), read_16(block.subspan(2 * size + 2))}};
}

proxy_header parse_v2(input_view input) {
    enum : unsigned {
        version = 2,
        local = 0,
        proxy = 1,
        inet = 1,
        inet6 = 2,
        families = 3,
        stream = 1,
        transports = 2
    };
    if (input.size() < v2_head_size)
        return {};
    const std::size_t length = read_16(input.subspan(14));
    const unsigned command = input[12] & 0x0f, family = input[13] >> 4, transport = input[13] & 0x0f;
    if (input[12] >> 4 != version || command > proxy || family > families || transport > transports ||
        v2_head_size + length > proxy_v2_max)
        return malformed;
    if (input.size() < v2_head_size + length)
        return {};
    proxy_header header{proxy_header::state::complete, v2_head_size + length};
    if (command == local || transport != stream || (family != inet && family != inet6))
        return header;
    const auto block = input.subspan(v2_head_size, length);
    const std::size_t needed = family == inet ? 2 * 4 + 4 : 2 * 16 + 4;
    if (block.size() < needed)
        return malformed;
    header.of = family == inet ? read_v2_addresses<asio::ip::address_v4>(block)
                               : read_v2_addresses<asio::ip::address_v6>(block);
    return header;
}

bool begins_as(input_view input, std::string_view signature) {
    const auto size = std::min(input.size(), signature.size());
    return text_of(input.first(size)) == signature.substr(0, size);
}

}  // namespace

proxy_header parse_proxy_header(input_view input) {
    if (begins_as(input, v1_signature))
        return input.size() < v1_signature.size() ? proxy_header{} : parse_v1(input);
    if (begins_as(input, v2_signature))
        return input.size() < v2_signature.size() ? proxy_header{} : parse_v2(input);
    return malformed;
}

}  // namespace evercert
