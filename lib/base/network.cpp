#include <fmt/format.h>

#include <evercert/network.hpp>

namespace evercert {

std::string to_string(const endpoint& at) {
    auto address = at.address.to_string();
    return at.address.is_v6() ? fmt::format("[{}]:{}", address, at.port) : fmt::format("{}:{}", address, at.port);
}

}  // namespace evercert
