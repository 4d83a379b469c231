#pragma once

#include <functional>
#include <map>
#include <optional>

#include <asio/strand.hpp>
#include <openssl/ssl.h>

#include <evercert/error.hpp>
#include <evercert/tls_stream.hpp>

#include "base/event.hpp"
#include "catch.hpp"
#include "certificates.hpp"
#include "crypto/challenge_certificate.hpp"
#include "descriptors.hpp"
#include "fake_clock.hpp"
#include "http/client.hpp"
#include "run.hpp"
#include "server/http_server.hpp"
#include "temp_folder.hpp"
#include "wire.hpp"

namespace http_server_test {

using namespace evercert;
using namespace std::chrono_literals;

inline endpoint loopback() {
    endpoint at;
    at.address = asio::ip::make_address("127.0.0.1");
    return at;
}

/// The system's network, but every name is this machine.
class loopback_network final : public network {
public:
    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string) override {
        std::vector<asio::ip::address> here;
        here.push_back(loopback().address);
        co_return here;
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return system_->connect(to); }
    std::unique_ptr<listener> listen(asio::any_io_executor on, endpoint at) override { return system_->listen(on, at); }

private:
    std::shared_ptr<network> system_ = system_network();
};

inline asio::awaitable<response> hello(request message) {
    co_return response{message.method + " " + message.host + message.target + " by " + message.server_name};
}

/// Hands out what it was given, by name; knows what it was asked.
class certificates final : public certificate_source {
public:
    std::map<std::string, certificate_ptr> by_name = {};
    certificate_ptr challenge = {};
    event* wait = nullptr;

    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        if (wait)
            co_await wait->wait();
        if (hello.is_challenge())
            co_return challenge;
        const auto found = by_name.find(hello.server_name);
        if (found == by_name.end())
            throw error{errc::name_not_allowed, "not " + evercert::quoted(hello.server_name)};
        co_return found->second;
    }
};

/// A server on this machine, and a client for it.
struct setting {
    explicit setting(asio::io_context& io, server_options options = {}, handler answer = hello)
        : io{io}, server{asio::make_strand(io), io.get_executor(), options, time, logger{}} {
        auto on = net->listen(io.get_executor(), loopback());
        plain = on->local_endpoint();
        server.add(std::move(on), answer);
        on = net->listen(io.get_executor(), loopback());
        secure = on->local_endpoint();
        server.add(std::move(on), answer, source);

        const auto valid_from = time->wall() - std::chrono::hours{1};
        validity valid{valid_from, valid_from + std::chrono::hours{48}};
        source.by_name["a.test"] = root.issue({"a.test"}, valid);
        test::write_all_to(folder.file("roots"), root.root_pem());
        running.emplace(io.get_executor(), server.run());
    }

    http_client client() {
        http_client_options options;
        options.ca_file = folder.file("roots");
        return {options, time, net, logger{}, url_schemes::http_and_https};
    }
    std::string url(std::string scheme, std::string host = "a.test", std::string path = "/") const {
        return scheme + "://" + host + ":" + std::to_string((scheme == "http" ? plain : secure).port) + path;
    }
    asio::awaitable<void> until(std::function<bool()> condition) {
        while (!condition())
            co_await time->sleep_for(1ms);
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) { return net->connect(to); }

    asio::io_context& io;
    std::shared_ptr<evercert::clock> time = system_clock();
    std::shared_ptr<network> net = std::make_shared<loopback_network>();
    test::temp_folder folder;
    test::authority root{time->wall()};
    certificates source;
    http_server server;
    endpoint plain;
    endpoint secure;
    std::optional<test::started<void>> running;
};

inline asio::awaitable<std::error_code> code_of(asio::awaitable<response> sent) {
    try {
        co_await std::move(sent);
    } catch (const std::system_error& e) {
        co_return e.code();
    }
    co_return std::error_code{};
}

}  // namespace http_server_test
