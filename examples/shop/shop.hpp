#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/ip/address.hpp>

#include <evercert/evercert.hpp>

namespace shop {

struct settings {
    evercert::manager_options certificates;  ///< its clock and network are the shop's, too
    std::string name;                        ///< of the shop
    std::string warehouse;                   ///< the host that has the prices
    std::string state_file = "/var/lib/shop.state";
};

/// Sells tea at the prices of its warehouse, which it asks for every hour.
class application {
public:
    application(asio::any_io_executor, settings);

    /// Until `stop()`.
    asio::awaitable<void> serve();
    void stop() { manager_.stop(); }

private:
    asio::awaitable<evercert::response> answer(evercert::request);
    asio::awaitable<void> keep_prices();
    asio::awaitable<std::optional<std::string>> fetch_prices();

    settings settings_;
    evercert::manager manager_;
    std::string prices_;
    evercert::steady_time fetched_;
};

/// As the program does it: an application from its beginning to its end.
asio::awaitable<void> run(settings);

/// Where the warehouse says its prices to everybody who connects.
constexpr std::uint16_t warehouse_port = 7000;
asio::awaitable<void> run_warehouse(std::shared_ptr<evercert::network>, asio::ip::address at, std::string prices);

}  // namespace shop
