#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include <evercert/certificate.hpp>
#include <evercert/certificate_source.hpp>
#include <evercert/error.hpp>
#include <evercert/network.hpp>

#include "tls/server_handshake.hpp"
#include "tls/stream_bio.hpp"

namespace evercert {

/// What a `tls_stream` holds, and what its waits keep alive.
class tls_engine final : public stream, public std::enable_shared_from_this<tls_engine> {
public:
    tls_engine(std::unique_ptr<stream> below, SSL_CTX*);
    ~tls_engine() override;

    void become_server();
    void become_client(std::string peer, std::shared_ptr<clock> time);

    SSL* ssl() const noexcept { return ssl_.get(); }
    /// A server before its ClientHello, and one whose ClientHello waits for an answer.
    bool receiving() const noexcept { return server_ && server_->receiving(); }
    bool suspended() const noexcept { return server_ && server_->suspended(); }
    bool is_client() const noexcept { return time_ != nullptr; }
    const client_hello& hello() const noexcept { return server_->hello(); }
    std::optional<handshake_result> result() const noexcept { return result_; }
    const std::string& server_name() const noexcept { return name_; }
    const certificate_ptr& certificate() const noexcept { return certificate_; }
    /// For messages.
    std::string peer() const;

    /// Until the handshake is done or, on a server, suspended. Throws `error`.
    asio::awaitable<void> advance();
    void resume(certificate_ptr);
    void refuse(const error& why) noexcept;

    // stream
    io_result try_read(std::span<std::byte>) noexcept override;
    io_result try_write(std::span<const std::byte>) noexcept override;
    void start_wait(readiness, wait_handler::pointer) override;
    void shutdown_write() noexcept override;
    void close() noexcept override;
    asio::any_io_executor get_executor() const override { return next_->get_executor(); }
    endpoint local_endpoint() const override { return next_->local_endpoint(); }
    endpoint remote_endpoint() const override { return next_->remote_endpoint(); }

private:
    enum class need : unsigned char { nothing, readable, writable, time };
    class wait_below;

    void begin() noexcept;
    void verify_at_the_current_time() noexcept;
    /// What OpenSSL waits for after `result`; `nothing` if it is something else.
    need need_after(int result) const noexcept;
    void wait(need, readiness direction, wait_handler::pointer);
    asio::awaitable<void> wait(need);
    void end_later(wait_handler::pointer, std::error_code) const;
    bool established() const noexcept { return established_; }
    void finish();
    error handshake_error();
    std::error_code after(int result, need& needs) noexcept;
    /// Why nothing can be read or written; none if it can.
    std::error_code obstacle() const noexcept;
    void send_close_notify() noexcept;

    std::unique_ptr<stream> next_;
    stream_bio bio_;
    ssl_ptr ssl_;
    std::unique_ptr<server_handshake> server_;  ///< until the handshake is done
    std::shared_ptr<clock> time_;               ///< a client's
    certificate_ptr certificate_;
    std::string name_;
    /// The waits in progress below, by what they wait for: the stream below allows one each, while a reader and a writer up
    /// here may both need it, since OpenSSL reads in order to write, and the other way round.
    std::array<wait_below*, 2> below_ = {};
    std::error_code failure_;        ///< of TLS or of reading: stays
    std::error_code write_failure_;  ///< of writing below: what the peer sent before can still be read
    std::optional<handshake_result> result_ = handshake_result::failed;  ///< of a server
    need read_needs_ = need::nothing;
    need write_needs_ = need::nothing;
    bool established_ = false;
    bool closed_ = false;
    bool close_notify_waits_ = false;
    bool write_ended_ = false;
    bool record_waits_ = false;  ///< a part of a record may have gone out; OpenSSL has the rest
};

}  // namespace evercert
