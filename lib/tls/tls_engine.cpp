#include "tls/tls_engine.hpp"

#include <new>
#include <utility>

#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/use_awaitable.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <evercert/identifier.hpp>

#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

/// OpenSSL takes its time to clear a queue in which there is nothing.
void forget_errors() noexcept {
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

std::size_t index_of(readiness what) noexcept { return static_cast<std::size_t>(what); }

std::string untrusted_because(long verified) {
    std::string reason = X509_verify_cert_error_string(verified);
    switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return reason + "; or the clock here is wrong";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return reason + "; a CA that is not public needs its root in the file of trusted roots";
    default: return reason;
    }
}

std::string canonical(std::string server_name) {
    if (const auto parsed = identifier::parse(server_name))
        return parsed->value();
    // A source may serve what is no identifier, such as a single label.
    if (server_name.ends_with('.'))
        server_name.pop_back();
    for (char& c : server_name)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return server_name;
}

}  // namespace

/// Waits of the stream below, for one or both of those who wait up here. Cancelled with the one that began it; the other then
/// tries again.
class tls_engine::wait_below final : public wait_handler {
public:
    wait_below(std::shared_ptr<tls_engine> of, readiness what, readiness direction, pointer first)
        : wait_handler{first->slot()}, of_{std::move(of)}, what_{what}, began_{direction} {
        waiting_[index_of(direction)] = std::move(first);
        of_->below_[index_of(what)] = this;
    }

    void join(readiness direction, pointer also) {
        auto& place = waiting_[index_of(direction)];
        if (place)
            return of_->end_later(std::move(also), asio::error::already_started);
        auto slot = also->slot();
        place = std::move(also);
        if (slot.is_connected())
            slot.assign([weak = std::weak_ptr{of_}, what = what_, direction](asio::cancellation_type) {
                const auto there = weak.lock();
                if (auto* const self = there ? there->below_[index_of(what)] : nullptr)
                    self->leave(direction);
            });
    }

private:
    ~wait_below() {
        if (of_->below_[index_of(what_)] == this)
            of_->below_[index_of(what_)] = nullptr;
    }
    void destroy() noexcept override { delete this; }

    void leave(readiness direction) {
        if (auto& place = waiting_[index_of(direction)])
            of_->end_later(std::move(place), why_for(direction, asio::error::operation_aborted));
    }

    void ended(pointer self, std::error_code why) override {
        const auto of = of_;
        of->below_[index_of(what_)] = nullptr;
        const auto cancelled = why == asio::error::operation_aborted && !of->closed_;
        auto began = std::move(waiting_[index_of(began_)]);
        const auto other = began_ == readiness::readable ? readiness::writable : readiness::readable;
        auto joined = std::move(waiting_[index_of(other)]);
        const auto told = why_for(began_, why);
        self.reset();
        if (joined)
            of->end_later(std::move(joined), cancelled ? std::error_code{} : why);
        if (began)
            end(std::move(began), told);
    }

    std::error_code why_for(readiness direction, std::error_code why) {
        if (of_->closed_)
            why = asio::error::operation_aborted;
        if (why && direction == readiness::writable && of_->record_waits_)
            of_->write_ended_ = true;
        return why;
    }

    std::shared_ptr<tls_engine> of_;
    readiness what_;
    readiness began_;
    std::array<pointer, 2> waiting_;  ///< by their direction
};

tls_engine::tls_engine(std::unique_ptr<stream> below, SSL_CTX* context)
    : next_{std::move(below)}, bio_{*next_}, ssl_{SSL_new(context)} {
    if (!ssl_)
        throw std::bad_alloc{};
    BIO* const both = bio_.make();
    SSL_set_bio(ssl_.get(), both, both);
}

tls_engine::~tls_engine() = default;

void tls_engine::become_server() {
    SSL_set_accept_state(ssl_.get());
    client_hello addresses;
    addresses.local = next_->local_endpoint();
    addresses.remote = next_->remote_endpoint();
    server_ =
        std::make_unique<server_handshake>(ssl_.get(), std::move(addresses), server_handshake::context_of::evercert);
}

void tls_engine::become_client(std::string peer, std::shared_ptr<clock> time) {
    name_ = std::move(peer);
    time_ = std::move(time);
}

std::string tls_engine::peer() const { return time_ ? quoted(name_) : to_string(next_->remote_endpoint()); }

void tls_engine::begin() noexcept {
    forget_errors();
    bio_.begin();
}

/// A client's peer may have obtained its certificate while this handshake waited.
void tls_engine::verify_at_the_current_time() noexcept {
    if (time_)
        X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl_.get()), to_time_t(time_->wall()));
}

tls_engine::need tls_engine::need_after(int result) const noexcept {
    switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: return bio_.exhausted() ? need::time : need::readable;
    case SSL_ERROR_WANT_WRITE: return need::writable;
    default: return need::nothing;
    }
}

/// It can be cancelled until then, and a stream that was closed is not tried again: it may be gone.
void tls_engine::end_later(wait_handler::pointer waiting, std::error_code why) const {
    const auto cancelled = std::make_shared<bool>(false);
    if (auto slot = waiting->slot(); slot.is_connected())
        slot.assign([cancelled](asio::cancellation_type) { *cancelled = true; });
    asio::post(get_executor(), [self = shared_from_this(), waiting = std::move(waiting), why, cancelled]() mutable {
        if (!why && (self->closed_ || *cancelled))
            why = asio::error::operation_aborted;
        wait_handler::end(std::move(waiting), why);
    });
}

void tls_engine::wait(need what, readiness direction, wait_handler::pointer waiting) {
    if (closed_)
        return end_later(std::move(waiting), asio::error::operation_aborted);
    if (what == need::nothing || what == need::time)
        return end_later(std::move(waiting), {});
    const auto below = what == need::readable ? readiness::readable : readiness::writable;
    if (auto* const there = below_[index_of(below)])
        return there->join(direction, std::move(waiting));
    next_->start_wait(
        below, wait_handler::pointer{new wait_below{shared_from_this(), below, direction, std::move(waiting)}});
}

void tls_engine::start_wait(readiness direction, wait_handler::pointer waiting) {
    if (direction == readiness::writable)
        return wait(write_needs_, direction, std::move(waiting));
    // What is owed to the peer goes first: nobody else would send it.
    wait(close_notify_waits_ ? need::writable : read_needs_, direction, std::move(waiting));
}

asio::awaitable<void> tls_engine::advance() {
    const auto self = shared_from_this();
    for (;;) {
        if (closed_)
            throw std::system_error{asio::error::operation_aborted};
        forget_errors();
        bio_.go_on();
        verify_at_the_current_time();
        const int result = SSL_do_handshake(ssl_.get());
        if (result == 1) {
            finish();
            co_return;
        }
        if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
            // The certificate may take its time, and thousands may wait for theirs. These 33 kB come again when they are needed.
            // OpenSSL before 3.0.14 frees them also while a part of a record is unread (CVE-2024-4741).
            if (!SSL_has_pending(ssl_.get()))
                static_cast<void>(SSL_free_buffers(ssl_.get()));
            co_return;
        }
        read_needs_ = need_after(result);
        if (read_needs_ == need::nothing)
            throw handshake_error();
        co_await wait_readable();
    }
}

void tls_engine::finish() {
    established_ = true;
    read_needs_ = need::nothing;
    if (!server_)
        return;
    result_ = server_->result(true, 0);
    name_ = canonical(server_->hello().server_name);
    server_.reset();
}

void tls_engine::resume(certificate_ptr chosen) {
    certificate_ = chosen;
    server_->resume(std::move(chosen));
}

/// An alert has 7 bytes: it fits, unless the peer made sure that nothing does.
void tls_engine::refuse(const error& why) noexcept {
    if (suspended()) {
        server_->refuse(alert_for(why.code()));
        begin();
        SSL_do_handshake(ssl_.get());
        ERR_clear_error();
        failure_ = make_error_code(errc::tls_failed);
    }
    next_->shutdown_write();
}

error tls_engine::handshake_error() {
    failure_ = make_error_code(errc::tls_failed);
    if (server_)
        result_ = server_->result(false, bio_.failure() ? 0 : ERR_peek_error());
    error of_openssl = openssl_error(errc::tls_failed, "the TLS handshake with " + peer() + " failed");
    if (bio_.failure() == asio::error::eof)
        return {errc::connection_closed, peer() + " closed the connection during the TLS handshake"};
    if (bio_.failure())
        return {
            errc::connection_closed,
            "the connection to " + peer() + " broke during the TLS handshake: " + bio_.failure().message()};
    const long verified = SSL_get_verify_result(ssl_.get());
    // Who does not verify has a result all the same.
    if (verified == X509_V_OK || SSL_get_verify_mode(ssl_.get()) == SSL_VERIFY_NONE)
        return of_openssl;
    if (time_)
        return {
            errc::peer_untrusted, "the certificate of " + peer() + " is not trusted: " + untrusted_because(verified)};
    return {
        errc::peer_untrusted,
        "the client certificate of " + peer() + " is not trusted: " + X509_verify_cert_error_string(verified)};
}

std::error_code tls_engine::after(int result, need& needs) noexcept {
    needs = need_after(result);
    if (needs != need::nothing)
        return asio::error::would_block;
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN)
        return asio::error::eof;
    if (bio_.failure() == asio::error::eof)
        // Without close_notify an attacker may have cut it (RFC 8446, section 6.1).
        failure_ = make_error_code(errc::connection_closed);
    else
        failure_ = bio_.failure() ? bio_.failure() : make_error_code(errc::tls_failed);
    ERR_clear_error();
    return failure_;
}

std::error_code tls_engine::obstacle() const noexcept {
    if (closed_)
        return asio::error::bad_descriptor;
    if (failure_)
        return failure_;
    return established_ ? std::error_code{} : std::error_code{asio::error::not_connected};
}

io_result tls_engine::try_read(std::span<std::byte> into) noexcept {
    read_needs_ = need::nothing;
    if (const auto obstacle = this->obstacle())
        return {0, obstacle};
    if (into.empty())
        return {};
    if (close_notify_waits_)
        send_close_notify();
    begin();
    std::size_t size = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
    if (result == 1) {
        // Who waits without another try waits for the stream, unless OpenSSL has more.
        if (bio_.drained() && !SSL_has_pending(ssl_.get()))
            read_needs_ = need::readable;
        return {size, {}};
    }
    return {0, after(result, read_needs_)};
}

io_result tls_engine::try_write(std::span<const std::byte> from) noexcept {
    write_needs_ = need::nothing;
    if (const auto obstacle = this->obstacle())
        return {0, obstacle};
    if (write_ended_)
        return {0, asio::error::broken_pipe};
    if (write_failure_ || from.empty())
        return {0, write_failure_};
    begin();
    std::size_t size = 0;
    const int result = SSL_write_ex(ssl_.get(), from.data(), from.size(), &size);
    record_waits_ = false;
    if (result == 1)
        return {size, {}};
    write_needs_ = need_after(result);
    record_waits_ = write_needs_ == need::writable;
    if (write_needs_ == need::nothing && bio_.failure()) {
        ERR_clear_error();
        write_failure_ = bio_.failure();
        return {0, write_failure_};
    }
    return {0, after(result, write_needs_)};
}

void tls_engine::send_close_notify() noexcept {
    write_ended_ = true;
    // Once more it would read, and take what the peer sends for an error.
    if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0 && !close_notify_waits_)
        return;
    begin();
    const int result = SSL_shutdown(ssl_.get());
    close_notify_waits_ = result < 0 && need_after(result) == need::writable;
    forget_errors();
    if (!close_notify_waits_)
        next_->shutdown_write();
}

void tls_engine::shutdown_write() noexcept {
    if (closed_)
        return;
    // After a part of a record no alert can follow: the peer sees that something is missing.
    if (established_ && !failure_ && !record_waits_)
        send_close_notify();
    else
        next_->shutdown_write();
}

void tls_engine::close() noexcept {
    closed_ = true;
    next_->close();
}

}  // namespace evercert
