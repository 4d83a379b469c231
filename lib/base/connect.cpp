#include "base/connect.hpp"

#include <asio/error.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/within.hpp"

namespace evercert {

asio::awaitable<std::unique_ptr<stream>> connect_any(
    network& net, clock& time, std::string host, std::uint16_t port, duration resolve_timeout,
    duration connect_timeout) {
    auto resolving = fmt::format("resolving {}", quoted(host));
    auto addresses = co_await within(time, resolve_timeout, std::move(resolving), net.resolve(host));
    if (addresses.empty())
        throw error{errc::resolve_failed, fmt::format("{} has no address", quoted(host))};
    std::string tried;
    for (const auto& address : addresses) {
        endpoint to;
        to.address = address;
        to.port = port;
        auto connecting = fmt::format("connecting to {}", to_string(to));
        try {
            auto connected = co_await within(time, connect_timeout, std::move(connecting), net.connect(to));
            co_return connected;
        } catch (const std::system_error& failure) {
            if (failure.code() == asio::error::operation_aborted)
                throw;
            tried += tried.empty() ? "" : "; ";
            tried += failure.what();
        }
    }
    throw error{errc::connect_failed, fmt::format("no address of {} answers: {}", quoted(host), tried)};
}

}  // namespace evercert
