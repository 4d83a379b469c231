#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace evercert::acme {

/// The https URLs in these `Link` fields (RFC 8288, section 3) whose relation is `relation`, in their order and at most
/// `count_max`. What does not parse is skipped: links are offers.
std::vector<std::string> find_links(
    const std::vector<std::string_view>& fields, std::string_view relation, std::size_t count_max);

}  // namespace evercert::acme
