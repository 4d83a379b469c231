#pragma once

#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

#include "base/log.hpp"
#include "http/client.hpp"
#include "loopback_network.hpp"
#include "process.hpp"
#include "run.hpp"

namespace test {

/// A CA and a server with a manager in one io_context, and clients that trust the CA.
class local_site {
public:
    using change = std::function<void(evercert::manager_options&)>;
    using ca_change = std::function<void(evercert::testing::acme_server_options&)>;

    explicit local_site(change adjust = {}, ca_change adjust_ca = {}) {
        evercert::testing::acme_server_options ca_options;
        if (adjust_ca)
            adjust_ca(ca_options);
        ca.emplace(io.get_executor(), std::move(ca_options));
        write_file(folder / "root.pem", ca->issuing_root_pem());

        options.directory_url = ca->directory_url();
        options.http.ca_file = ca->api_root_file();
        options.server.addresses = {asio::ip::address_v4::loopback()};
        options.server.http_port = 0;
        options.server.https_port = 0;
        options.orders = {std::chrono::seconds{0}, 1};
        options.new_hosts = {std::chrono::seconds{0}, 1};
        options.order_ceiling = {};
        options.log.level = evercert::log_level::debug;
        options.log.sink = [this](evercert::log_level, std::string_view text) {
            if (std::getenv("EVERCERT_TEST_LOG"))
                std::cerr << text << std::endl;
            if (on_line)
                on_line(text);
        };
        if (adjust)
            adjust(options);
        manager.emplace(io, options);
        manager->handle("/", [](evercert::request asked) { return hello(std::move(asked)); });
    }
    ~local_site() {
        // What it refers to was declared after the site, and is gone.
        on_line = nullptr;
        stop();
    }

    /// Listen, and tell the CA where.
    void start() {
        serving.emplace(io.get_executor(), manager->serve());
        run(manager->listening());
        ca->validation_ports(manager->http_endpoints().at(0).port, https_port());
    }
    /// serve() has returned, the CA is gone and nothing is left to do.
    void stop() {
        if (!ca)
            return;
        manager->stop();
        if (serving)
            run(serving->join());
        ca.reset();
        io.restart();
        io.run_for(std::chrono::seconds{10});
    }

    std::uint16_t https_port() const { return manager->https_endpoints().at(0).port; }

    asio::awaitable<std::string> get(std::string host) {
        return get(std::move(host), https_port(), folder / "root.pem");
    }
    static asio::awaitable<std::string> get(std::string host, std::uint16_t port, std::string ca_file) {
        evercert::http_client_options options;
        options.ca_file = std::move(ca_file);
        evercert::http_client client{
            options, evercert::system_clock(), std::make_shared<loopback_network>(), evercert::logger{}};
        evercert::request asked{"GET", "https://" + host + ":" + std::to_string(port) + "/"};
        const auto answer = co_await client.send(std::move(asked));
        co_return answer.body;
    }

    template <typename T>
    T run(asio::awaitable<T> work) {
        return run_io(io, std::move(work));
    }

    temporary_folder folder;
    evercert::manager_options options;  ///< what the manager was made with
    std::function<void(std::string_view)> on_line;
    asio::io_context io;
    std::optional<evercert::testing::acme_server> ca;
    std::optional<evercert::manager> manager;
    std::optional<started<void>> serving;

private:
    static asio::awaitable<evercert::response> hello(evercert::request asked) {
        co_return evercert::response{"hello from " + asked.server_name};
    }
};

}  // namespace test
