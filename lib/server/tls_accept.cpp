#include "server/tls_accept.hpp"

#include <algorithm>

#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/identifier.hpp>

#include "base/outcome.hpp"
#include "base/within.hpp"
#include "tls/tls_stream.hpp"

namespace evercert {

namespace {

error as_error(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return e;
    } catch (const std::system_error& e) {
        return {e.code(), e.what()};
    } catch (const std::exception& e) {
        return {errc::tls_failed, evercert::quoted(e.what())};
    } catch (...) {
        return {errc::tls_failed, "the source of certificates threw something that is no std::exception"};
    }
}

std::string canonical(const std::string& server_name) {
    const auto parsed = identifier::parse(server_name);
    return parsed ? parsed->value() : server_name;
}

}  // namespace

asio::awaitable<accepted_tls> accept_tls(
    std::unique_ptr<stream> next, const tls_server_context& context, certificate_source& source,
    std::shared_ptr<clock> time, duration timeout) {
    const auto what = "the TLS handshake with " + to_string(next->remote_endpoint());
    auto secured = std::make_unique<tls_stream>(std::move(next), context);

    const auto begin = time->steady();
    auto hello = co_await within<client_hello>(*time, timeout, what, secured->receive_client_hello());
    const auto used = time->steady() - begin;
    accepted_tls accepted;
    accepted.server_name = canonical(hello.server_name);
    accepted.is_challenge = hello.is_challenge();

    auto chosen = co_await as_outcome<certificate_ptr>(source.get_certificate(std::move(hello)));
    if (chosen.thrown) {
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() == asio::cancellation_type::none)
            co_await secured->refuse(as_error(chosen.thrown));
        std::rethrow_exception(chosen.thrown);
    }
    // A client that spent all its time on the first half has none left.
    const auto left = std::max(timeout - used, duration{1});
    const certificate_ptr certificate = std::move(*chosen.value);
    auto finishing = within<void>(*time, left, what, secured->finish_handshake(certificate));
    const auto finished = co_await as_outcome<void>(std::move(finishing));
    if (const auto result = secured->result())
        source.handshake_ended(certificate, *result);
    if (finished.thrown)
        std::rethrow_exception(finished.thrown);
    accepted.connection = std::move(secured);
    co_return accepted;
}

}  // namespace evercert
