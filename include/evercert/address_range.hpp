#pragma once

#include <string_view>

#include <asio/ip/address.hpp>

namespace evercert {

/// Addresses that begin with the same bits: "192.0.2.0/24", "2001:db8::/32", or one address, "192.0.2.1".
class address_range {
public:
    /// Throws `error` with `errc::invalid_options` for anything else.
    address_range(std::string_view text);                                       // NOLINT: {"10.0.0.0/8"} in options
    address_range(const char* text) : address_range{std::string_view{text}} {}  // NOLINT
    /// An IPv4 address that is mapped into IPv6 is the IPv4 address that it is.
    bool contains(const asio::ip::address&) const noexcept;

private:
    asio::ip::address first_;
    unsigned bits_ = 0;
};

}  // namespace evercert
