#include <charconv>

#include <fmt/format.h>

#include <evercert/address_range.hpp>
#include <evercert/error.hpp>

#include "base/socket.hpp"

namespace evercert {
namespace {

constexpr unsigned v4_bits = 32;
constexpr unsigned v6_bits = 128;

template <typename Bytes>
bool same_bits(const Bytes& a, const Bytes& b, unsigned bits) noexcept {
    for (std::size_t i = 0; bits > 0; ++i) {
        const unsigned here = bits < 8 ? bits : 8;
        if (((a[i] ^ b[i]) >> (8 - here)) != 0)
            return false;
        bits -= here;
    }
    return true;
}

}  // namespace

address_range::address_range(std::string_view text) {
    const auto slash = text.find('/');
    std::error_code wrong;
    first_ = plain_address(asio::ip::make_address(std::string{text.substr(0, slash)}, wrong));
    const unsigned bits_max = first_.is_v4() ? v4_bits : v6_bits;
    bits_ = bits_max;
    if (slash != text.npos && !wrong) {
        const auto length = text.substr(slash + 1);
        const auto [end, failed] = std::from_chars(length.data(), length.data() + length.size(), bits_);
        if (failed != std::errc{} || end != length.data() + length.size() || bits_ > bits_max)
            wrong = std::make_error_code(std::errc::invalid_argument);
    }
    if (wrong)
        throw error{
            errc::invalid_options,
            fmt::format(R"({} is no range of addresses such as "192.0.2.0/24" or "2001:db8::1")", quoted(text))};
}

bool address_range::contains(const asio::ip::address& asked) const noexcept {
    const auto address = plain_address(asked);
    if (address.is_v4() != first_.is_v4())
        return false;
    return first_.is_v4() ? same_bits(first_.to_v4().to_bytes(), address.to_v4().to_bytes(), bits_)
                          : same_bits(first_.to_v6().to_bytes(), address.to_v6().to_bytes(), bits_);
}

}  // namespace evercert
