#include "tls_test.hpp"

#include "base/stream_io.hpp"
#include "crypto/challenge_certificate.hpp"
#include "crypto/issue.hpp"

namespace test {

using namespace evercert;

namespace {

validity around_now() {
    const wall_time now = still_clock{}.now;
    return {now - std::chrono::days{30}, now + std::chrono::days{60}};
}

validity of_roots() {
    const wall_time now = still_clock{}.now;
    return {now - std::chrono::days{3000}, now + std::chrono::days{3000}};
}

}  // namespace

tls_ca::tls_ca()
    : root_{make_root("Test Root", private_key::generate(), of_roots())},
      intermediate_{make_intermediate("Test Issuer", private_key::generate(), of_roots(), root_)},
      root_file_{folder_ / "root.pem"} {
    write_file(root_file_, root_.chain_pem());
}

certificate_ptr tls_ca::issue(const std::vector<identifier>& names, key_type type) const {
    auto key = private_key::generate(type);
    const certificate_request request{names, public_key{key}, around_now(), {}};
    return std::make_shared<certificate>(evercert::issue(request, intermediate_), std::move(key));
}

certificate_ptr tls_ca::challenge(const identifier& name) {
    return make_challenge_certificate(name, "token.thumbprint", still_clock{}.now);
}

const tls_ca& shared_ca() {
    static const tls_ca ca;
    return ca;
}

certificate_ptr certificate_for(const char* name, key_type type) { return shared_ca().issue({name}, type); }

namespace {

tls_server_options server_options(const tls_options& options) {
    tls_server_options made = options.server;
    made.alpn_protocols = options.server_alpn;
    return made;
}

}  // namespace

tls_pair::tls_pair(asio::any_io_executor executor, const tls_options& options)
    : server_context{server_options(options)}, client_context{shared_ca().root_file(), time} {
    auto ends = memory_stream_pair(std::move(executor), options.capacity, options.segment);
    server = std::make_unique<tls_stream>(std::move(ends.first), server_context);
    client = std::make_unique<tls_stream>(std::move(ends.second), client_context, options.name, options.client_alpn);
    SSL_set_min_proto_version(client->native_handle(), options.version);
    SSL_set_max_proto_version(client->native_handle(), options.version);
    record_alerts(client->native_handle(), client_alert);
}

asio::awaitable<client_hello> accept_with(tls_stream& server, certificate_ptr chosen) {
    auto hello = co_await server.receive_client_hello();
    co_await server.finish_handshake(std::move(chosen));
    co_return hello;
}

asio::awaitable<void> accept_refusing(tls_stream& server, error why) {
    co_await server.receive_client_hello();
    co_await server.refuse(std::move(why));
}

asio::awaitable<client_hello> establish(tls_pair& pair, certificate_ptr chosen) {
    started<client_hello> accepting{pair.server->get_executor(), accept_with(*pair.server, std::move(chosen))};
    co_await pair.client->handshake();
    auto hello = co_await accepting.join();
    co_return hello;
}

asio::awaitable<std::string> read_exactly(stream& from, std::size_t size) {
    std::string text(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const auto count = co_await read_some(from, std::as_writable_bytes(std::span{text}.subspan(have)));
        if (count == 0)
            break;
        have += count;
    }
    text.resize(have);
    co_return text;
}

asio::awaitable<error> error_of(asio::awaitable<void> work) {
    try {
        co_await std::move(work);
    } catch (const error& thrown) {
        co_return thrown;
    }
    throw std::runtime_error{"nothing was thrown"};
}

void record_alerts(SSL* ssl, int& into) {
    SSL_set_app_data(ssl, &into);
    SSL_set_info_callback(ssl, [](const SSL* from, int where, int value) {
        if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
            *static_cast<int*>(SSL_get_app_data(from)) = value & 0xff;
    });
}

}  // namespace test
