#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace evercert::testing {

enum class resource {
    directory,
    new_nonce,
    new_account,
    new_order,
    revoke_cert,
    key_change,
    account,
    orders,
    order,
    finalize,
    authorization,
    challenge,
    certificate,
    alternate,
    renewal_info,
};

inline constexpr std::size_t resource_count = static_cast<std::size_t>(resource::renewal_info) + 1;

/// As RFC 8555 and RFC 9773 write them, "newOrder"; "alternate" is another chain of a certificate (section 7.4.2).
std::string_view to_string(resource) noexcept;
/// Throws `error` with `errc::invalid_options`: a test that counts what does not exist is wrong.
resource parse_resource(std::string_view name);

/// A resource and, where there are many of its kind, which one.
struct route {
    resource what;
    std::size_t id = 0;
    std::string name = {};  ///< where they are not numbered: the `certificate_id` of renewal information
    friend bool operator==(const route&, const route&) = default;
};

/// "/order/17/finalize". Nothing for any other path.
std::optional<route> parse_route(std::string_view path);
std::string to_path(const route&);

}  // namespace evercert::testing
