#pragma once

#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/error.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/manager.hpp>
#include <evercert/ssl_handshake.hpp>

namespace evercert {

namespace detail {

/// Of a socket; unspecified for what has no addresses.
template <typename Lowest>
endpoint local_endpoint_of(const Lowest& lowest) {
    endpoint result;
    if constexpr (requires(asio::error_code e) { lowest.local_endpoint(e).address(); }) {
        asio::error_code ignored;
        const auto native = lowest.local_endpoint(ignored);
        result.address = native.address();
        result.port = native.port();
    }
    return result;
}

template <typename Lowest>
endpoint remote_endpoint_of(const Lowest& lowest) {
    endpoint result;
    if constexpr (requires(asio::error_code e) { lowest.remote_endpoint(e).address(); }) {
        asio::error_code ignored;
        const auto native = lowest.remote_endpoint(ignored);
        result.address = native.address();
        result.port = native.port();
    }
    return result;
}

}  // namespace detail

/// The server's side of a TLS handshake on `stream`, with the certificate that `source` has for its client;
/// suspended until it is there. The stream's context went through `manager::install()` or
/// `prepare_server_context()`.
///
/// True for a client; false for a tls-alpn-01 validation (RFC 8737), which is complete with that: close the
/// stream. Throws what the source threw, after the client got its alert; else `error`: `context_not_installed`,
/// `tls_failed`, `connection_closed`. Source and stream must outlive it. After an error or cancellation the
/// stream can only be closed.
template <typename Next>
asio::awaitable<bool> handshake(certificate_source& source, asio::ssl::stream<Next>& stream) {
    ssl_handshake state{
        stream.native_handle(), detail::local_endpoint_of(stream.lowest_layer()),
        detail::remote_endpoint_of(stream.lowest_layer())};
    std::exception_ptr refused;
    certificate_ptr used;
    for (;;) {
        asio::error_code failed;
        co_await stream.async_handshake(
            asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, failed));
        if (refused)
            std::rethrow_exception(refused);
        // What asio calls a result that it knows nothing of: OpenSSL waits for us.
        if (failed != asio::ssl::error::unexpected_result || !state.suspended()) {
            const bool of_tls = failed.category() == asio::error::get_ssl_category();
            if (const auto result = state.result(failed, of_tls))
                source.handshake_ended(used, *result);
            state.check_ended(failed, of_tls);
            co_return !state.hello().is_challenge();
        }
        client_hello hello = state.hello();
        try {
            used = co_await source.get_certificate(std::move(hello));
            state.resume(used);
        } catch (const std::system_error& why) {
            if (why.code() == asio::error::operation_aborted)
                throw;
            state.refuse(why.code());
            refused = std::current_exception();
        } catch (const std::exception&) {
            state.refuse(errc::invalid_certificate);
            refused = std::current_exception();
        }
    }
}

template <typename Next>
asio::awaitable<bool> manager::handshake(asio::ssl::stream<Next>& stream) {
    return evercert::handshake(*this, stream);
}

inline void manager::install(asio::ssl::context& context, std::vector<std::string> alpn_protocols) {
    install(context.native_handle(), std::move(alpn_protocols));
}

inline void prepare_server_context(
    asio::ssl::context& context, std::vector<std::string> alpn_protocols = {}, context_lookup lookup = {},
    context_report report = {}) {
    prepare_server_context(context.native_handle(), std::move(alpn_protocols), std::move(lookup), std::move(report));
}

}  // namespace evercert
