#pragma once

#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// What `network::resolve()` promises, asking `name_servers`, or those of resolv.conf if there are none.
asio::awaitable<std::vector<asio::ip::address>> resolve_host(std::string host, std::vector<endpoint> name_servers);

}  // namespace evercert
