#include <asio/ip/tcp.hpp>
#include <asio/ssl.hpp>
#include <openssl/ssl.h>

#include <evercert/asio_ssl.hpp>

#include "catch.hpp"
#include "manager_fixture.hpp"

using namespace evercert;
using fixture = test::closed_manager;
using asio::ip::tcp;
using test::state_with;
using tls_socket = asio::ssl::stream<tcp::socket>;

namespace {

/// A client that asks for `name` and looks at no certificate.
asio::awaitable<std::error_code> connect(tcp::endpoint to, std::string name, std::string alpn = {}) {
    asio::ssl::context context{asio::ssl::context::tls_client};
    context.set_verify_mode(asio::ssl::verify_none);
    tls_socket client{co_await asio::this_coro::executor, context};
    SSL_set_tlsext_host_name(client.native_handle(), name.c_str());
    if (!alpn.empty()) {
        alpn.insert(alpn.begin(), static_cast<char>(alpn.size()));
        SSL_set_alpn_protos(
            client.native_handle(), reinterpret_cast<const unsigned char*>(alpn.data()),
            static_cast<unsigned>(alpn.size()));
    }
    co_await client.lowest_layer().async_connect(to, asio::use_awaitable);
    std::error_code failed;
    co_await client.async_handshake(asio::ssl::stream_base::client, asio::redirect_error(asio::use_awaitable, failed));
    co_return failed;
}

struct outcome {
    std::error_code client;
    std::error_code server;
    bool is_client = false;
};

/// One connection to a server of the application's own, whose handshake is `manager.handshake()`.
asio::awaitable<outcome> meet(manager& of, asio::ssl::context& context, std::string name, std::string alpn = {}) {
    const auto executor = co_await asio::this_coro::executor;
    tcp::acceptor acceptor{executor, {asio::ip::address_v4::loopback(), 0}};
    test::started<std::error_code> client{
        executor, connect(acceptor.local_endpoint(), std::move(name), std::move(alpn))};
    outcome result;
    {
        tls_socket accepted{co_await acceptor.async_accept(asio::use_awaitable), context};
        try {
            result.is_client = co_await of.handshake(accepted);
        } catch (const std::system_error& e) {
            result.server = e.code();
        }
    }
    result.client = co_await client.join();
    co_return result;
}

}  // namespace

TEST_CASE("an application's own stream gets its certificate from the manager") {
    fixture f;
    f.manager->unmarshal(state_with({"a.test"}));
    asio::ssl::context context{asio::ssl::context::tls_server};
    f.manager->install(context);
    const auto met = test::run_io(f.io, meet(*f.manager, context, "a.test"));
    CHECK_FALSE(met.server);
    CHECK_FALSE(met.client);
    CHECK(met.is_client);
}

TEST_CASE("a stream whose context was not installed is refused before its handshake") {
    fixture f;
    asio::ssl::context context{asio::ssl::context::tls_server};
    CHECK(test::run_io(f.io, meet(*f.manager, context, "a.test")).server == errc::context_not_installed);
}

TEST_CASE("a name that is not admitted gets the alert unrecognized_name on an application's stream") {
    fixture f;
    f.manager->set_hosts({"a.test"});
    asio::ssl::context context{asio::ssl::context::tls_server};
    f.manager->install(context);
    const auto met = test::run_io(f.io, meet(*f.manager, context, "b.test"));
    CHECK(met.server == errc::name_not_allowed);
    CHECK(met.client.message().find("unrecognized name") != std::string::npos);
    CHECK(f.closed->asked == 0);
}

TEST_CASE("another OpenSSL server serves what memory has, and a miss is obtained in the background") {
    fixture f;
    f.manager->unmarshal(state_with({"a.test"}));
    asio::ssl::context context{asio::ssl::context::tls_server};
    f.manager->install(context.native_handle());
    auto plain = [&](std::string name) -> asio::awaitable<std::error_code> {
        tcp::acceptor acceptor{f.io, {asio::ip::address_v4::loopback(), 0}};
        test::started<std::error_code> client{f.io.get_executor(), connect(acceptor.local_endpoint(), std::move(name))};
        {
            tls_socket accepted{co_await acceptor.async_accept(asio::use_awaitable), context};
            std::error_code ignored;
            co_await accepted.async_handshake(
                asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, ignored));
        }
        co_return co_await client.join();
    };
    CHECK_FALSE(test::run_io(f.io, plain("a.test")));
    CHECK(f.closed->asked == 0);
    CHECK(test::run_io(f.io, plain("b.test")));
    f.io.restart();
    f.io.poll();
    CHECK(f.closed->asked > 0);
    f.manager->set_hosts({"a.test"});
    const auto asked = f.closed->asked;
    CHECK(test::run_io(f.io, plain("c.test")).message().find("unrecognized name") != std::string::npos);
    f.io.restart();
    f.io.poll();
    CHECK(f.closed->asked == asked);
}

TEST_CASE("a context may outlive its manager: its handshakes are refused") {
    fixture f;
    f.manager->unmarshal(state_with({"a.test"}));
    asio::ssl::context context{asio::ssl::context::tls_server};
    f.manager->install(context);
    f.manager.reset();
    auto late = [&]() -> asio::awaitable<std::error_code> {
        tcp::acceptor acceptor{f.io, {asio::ip::address_v4::loopback(), 0}};
        test::started<std::error_code> client{f.io.get_executor(), connect(acceptor.local_endpoint(), "a.test")};
        {
            tls_socket accepted{co_await acceptor.async_accept(asio::use_awaitable), context};
            std::error_code ignored;
            co_await accepted.async_handshake(
                asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, ignored));
        }
        co_return co_await client.join();
    };
    CHECK(test::run_io(f.io, late()));
}
