#include <evercert/network.hpp>

#include "base/resolver.hpp"
#include "base/tcp_listener.hpp"
#include "base/tcp_stream.hpp"

namespace evercert {
namespace {

constexpr std::uint16_t dns_port = 53;

class system_network_type final : public network {
public:
    explicit system_network_type(network_options options)
        : name_servers_{std::move(options.name_servers)}, reuse_port_{options.reuse_port} {
        for (auto& server : name_servers_)
            if (server.port == 0)
                server.port = dns_port;
    }

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        return resolve_host(std::move(host), name_servers_);
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return tcp_connect(std::move(to)); }
    std::unique_ptr<listener> listen(asio::any_io_executor executor, endpoint at) override {
        return tcp_listen(executor, at, reuse_port_);
    }

private:
    std::vector<endpoint> name_servers_;
    bool reuse_port_;
};

}  // namespace

std::shared_ptr<network> system_network() noexcept {
    network_options as_configured;
    return system_network(std::move(as_configured));
}

std::shared_ptr<network> system_network(network_options options) {
    return std::make_shared<system_network_type>(std::move(options));
}

}  // namespace evercert
