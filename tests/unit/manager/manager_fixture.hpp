#pragma once

#include <memory>
#include <optional>
#include <string>

#include <evercert/error.hpp>
#include <evercert/manager.hpp>

#include "certificates.hpp"
#include "manager/state.hpp"
#include "run.hpp"

namespace test {

/// A network that nobody gets through, and that counts who tried.
class closed_network final : public evercert::network {
public:
    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override {
        ++asked;
        throw evercert::error{evercert::errc::resolve_failed, "closed"};
        co_return std::vector<asio::ip::address>{};
    }
    asio::awaitable<std::unique_ptr<evercert::stream>> connect(evercert::endpoint) override {
        ++asked;
        throw evercert::error{evercert::errc::connect_failed, "closed"};
        co_return nullptr;
    }
    std::unique_ptr<evercert::listener> listen(asio::any_io_executor, evercert::endpoint) override {
        throw evercert::error{evercert::errc::listen_failed, "closed"};
    }
    int asked = 0;
};

/// A manager whose CA cannot be reached.
struct closed_manager {
    closed_manager() {
        evercert::manager_options options;
        options.network = closed;
        manager.emplace(io, std::move(options));
    }

    /// What a client that asks for this name is told.
    std::error_code ask(std::string server_name) { return ask(evercert::client_hello{std::move(server_name), {}}); }
    std::error_code ask(evercert::client_hello hello) {
        try {
            run_io(io, manager->get_certificate(std::move(hello)));
        } catch (const std::system_error& e) {
            return e.code();
        }
        return {};
    }

    std::shared_ptr<closed_network> closed = std::make_shared<closed_network>();
    asio::io_context io;
    std::optional<evercert::manager> manager;
};

/// A state with a certificate for these names, as a cache file holds it.
inline std::string state_with(std::vector<evercert::identifier> names) {
    const auto now = evercert::system_clock()->wall();
    authority ca{now - std::chrono::hours{1}};
    evercert::state all{std::string{evercert::acme::lets_encrypt}};
    all.set_certificate(
        evercert::certificate_key(names),
        {names, std::make_shared<const evercert::held_certificate>(ca.issue(names)), 0.5});
    return evercert::write_document(all.items());
}

}  // namespace test
