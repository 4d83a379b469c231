#pragma once

#include <memory>
#include <string>

#include "tls_test.hpp"

namespace test {

struct free_session {
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using session_ptr = std::unique_ptr<SSL_SESSION, free_session>;

/// A server, and clients that connect one after the other.
struct returning_clients {
    struct visit {
        bool resumed = false;
        session_ptr session;
        std::optional<evercert::client_identity> client;  ///< as the server knows it
    };

    explicit returning_clients(int tls_version, evercert::tls_server_options options = {})
        : version{tls_version}, server_context{at(std::move(options), time)} {}

    static evercert::tls_server_options at(evercert::tls_server_options options, std::shared_ptr<still_clock> time) {
        options.clock = std::move(time);
        return options;
    }

    /// Two names of one certificate: only what sessions are bound to keeps them apart. A server that is not given is this one's.
    asio::awaitable<visit> connect(
        std::string name, SSL_SESSION* offered, const evercert::tls_server_context* at = nullptr) {
        auto executor = co_await asio::this_coro::executor;
        auto ends = evercert::memory_stream_pair(executor);
        evercert::tls_stream server{std::move(ends.first), at ? *at : server_context};
        evercert::tls_stream client{std::move(ends.second), client_context, name, {}};
        SSL_set_max_proto_version(client.native_handle(), version);
        if (shown)
            SSL_use_cert_and_key(
                client.native_handle(), shown->native_handle(), shown->key().native_handle(), shown->native_chain(), 1);
        if (offered)
            SSL_set_session(client.native_handle(), offered);
        started<evercert::client_hello> accepting{executor, accept_with(server, of_both())};
        co_await client.handshake();
        co_await accepting.join();
        // The tickets of TLS 1.3 come after the handshake.
        std::array<std::byte, 1> nothing;
        client.try_read(nothing);
        visit result;
        result.resumed = server.resumed();
        result.session.reset(SSL_get1_session(client.native_handle()));
        result.client = server.client();
        client.shutdown_write();
        co_return result;
    }

    static constexpr const char* long_name = "a-name-that-is-longer-than-a-hash.a.test";
    static constexpr const char* other_long_name = "a-name-that-is-longer-than-a-hash.b.test";

    static evercert::certificate_ptr of_both() {
        static const auto both = shared_ca().issue({"a.test", "b.test", long_name, other_long_name});
        return both;
    }

    int version;
    std::shared_ptr<still_clock> time = std::make_shared<still_clock>();
    evercert::tls_server_context server_context;
    evercert::tls_client_context client_context{shared_ca().root_file(), std::make_shared<still_clock>()};
    evercert::certificate_ptr shown;  ///< a client's own
};

}  // namespace test
