#pragma once

#include <evercert/error.hpp>

#include "catch.hpp"
#include "fake_clock.hpp"
#include "fake_network.hpp"
#include "http/client.hpp"
#include "run.hpp"
#include "wire.hpp"

namespace client_test {

using namespace evercert;
using namespace std::chrono_literals;

inline const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// A client, its network and its clock; the test is the server.
struct setting {
    explicit setting(asio::io_context& io, http_client_options options = {})
        : time{std::make_shared<test::fake_clock>(io.get_executor())},
          net{std::make_shared<test::fake_network>(io.get_executor())},
          client{std::move(options), time, net, logger{}, url_schemes::http_and_https},
          io{io} {}

    std::shared_ptr<test::fake_clock> time;
    std::shared_ptr<test::fake_network> net;
    http_client client;
    asio::io_context& io;

    test::started<response> send(std::string method, std::string url, std::string body = {}) {
        request message{std::move(method), std::move(url)};
        message.body = std::move(body);
        return {io.get_executor(), client.send(std::move(message))};
    }
    test::started<response> get(std::string url = "http://ca.test/") { return send("GET", std::move(url)); }
};

/// The code and the text that a request ended with.
inline std::error_code failure_of(test::started<response>& sent, std::string* text = nullptr) {
    REQUIRE(sent.ended());
    try {
        sent.take();
    } catch (const std::system_error& e) {
        if (text)
            *text = e.what();
        return e.code();
    }
    return {};
}

inline asio::awaitable<void> until_ended(test::started<response>& sent) {
    for (int i = 0; i < 1000 && !sent.ended(); ++i)
        co_await test::yield();
}

}  // namespace client_test
