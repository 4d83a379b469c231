#include <evercert/tls_acceptor.hpp>

#include "base/strand.hpp"
#include "tls/acceptor_core.hpp"

namespace evercert {

tls_acceptor::tls_acceptor(asio::any_io_executor executor, certificate_source& source, tls_acceptor_options options) {
    auto counter = std::make_shared<connection_counter>(options.connections, options.handshakes.per_address_max);
    const logger log{options.log};
    core_ = std::make_shared<acceptor_core>(
        strand_of(executor), executor, source, std::move(options), std::move(counter), log);
}

tls_acceptor::tls_acceptor(asio::io_context& io, certificate_source& source, tls_acceptor_options options)
    : tls_acceptor{io.get_executor(), source, std::move(options)} {}

tls_acceptor::~tls_acceptor() {
    if (core_)
        core_->stop();
}

tls_acceptor::tls_acceptor(tls_acceptor&&) noexcept = default;

endpoint tls_acceptor::listen(endpoint at) { return core_->listen(std::move(at)); }
endpoint tls_acceptor::listen(int native_socket) { return core_->listen(native_socket); }
asio::awaitable<tls_stream> tls_acceptor::accept() { return acceptor_core::accept(core_); }
void tls_acceptor::stop() noexcept { core_->stop(); }
asio::awaitable<void> tls_acceptor::close() { return acceptor_core::close(core_); }
SSL_CTX* tls_acceptor::native_handle() const noexcept { return core_->context().native_handle(); }
std::vector<endpoint> tls_acceptor::local_endpoints() const { return core_->local_endpoints(); }
std::size_t tls_acceptor::handshakes() const noexcept { return core_->handshakes(); }
std::size_t tls_acceptor::connections() const noexcept { return core_->connections(); }

}  // namespace evercert
