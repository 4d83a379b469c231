#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace bench {

template <auto Free>
struct freed_by {
    void operator()(auto* object) const noexcept { Free(object); }
};

using steady = std::chrono::steady_clock;

/// The server did something that it should not: what was measured would be something else.
class unexpected : public std::runtime_error {
public:
    using runtime_error::runtime_error;
};

/// What all servers are asked for: one version of TLS, X25519, AES-128-GCM. So none has an easier cipher than another.
class client_context {
public:
    /// `version`: TLS1_2_VERSION or TLS1_3_VERSION. `root`: PEM.
    client_context(int version, const std::string& root);
    SSL_CTX* get() const noexcept { return context_.get(); }
    /// Throws `unexpected` if what the server showed does not lead to the root or is not for the name.
    void verify(SSL*, const std::string& name) const;

private:
    std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>> context_;
    std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>> trusted_;
};

enum class progress { done, blocked, ended };

/// A client's connection on a socket that does not block. Connecting itself does: on the loopback it is at once, or the
/// server's backlog is full.
class connection {
public:
    /// `resumed`: a session of an earlier connection, or null. `receive_buffer`: bytes; 0 = the system's default.
    connection(
        const client_context&, std::uint16_t port, const std::string& name, SSL_SESSION* resumed = nullptr,
        int receive_buffer = 0);
    ~connection();
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    int descriptor() const noexcept { return descriptor_; }
    SSL* tls() const noexcept { return ssl_.get(); }
    const std::string& name() const noexcept { return name_; }

    progress handshake();
    /// Small enough for the socket's buffer: throws if it does not fit, or if the connection is gone.
    void send(std::string_view);
    /// As `send`, but false if the connection is gone.
    bool try_send(std::string_view);
    /// What is there, at most `into`; its size goes to `size`.
    progress receive(std::span<char> into, std::size_t& size);
    /// close_notify, and this side's end.
    void end();
    /// Without decrypting it, until the server closes too.
    progress wait_for_end();
    /// Until there is something to read. Throws `unexpected` if the server says nothing for too long.
    void wait();
    /// Keeps the socket alone.
    void drop_tls() noexcept { ssl_.reset(); }

private:
    std::string name_;
    int descriptor_ = -1;
    std::unique_ptr<SSL, freed_by<SSL_free>> ssl_;
};

/// Counts the bytes of responses with Content-Length.
class response_reader {
public:
    /// Returns true once a whole response came. Throws `unexpected` if it is not a 200.
    bool take(std::string_view piece);

private:
    std::string head_;
    bool in_body_ = false;
    std::size_t left_ = 0;
};

class poller {
public:
    poller();
    ~poller();
    poller(const poller&) = delete;
    poller& operator=(const poller&) = delete;

    void add(int descriptor, std::size_t key);
    /// From now on its end alone is told of.
    void only_end(int descriptor, std::size_t key);
    /// The keys of descriptors that can be read or have ended. Empty after `limit`.
    const std::vector<std::size_t>& wait(std::chrono::nanoseconds limit);

private:
    int descriptor_;
    std::vector<std::size_t> ready_;
};

std::string request_for(const std::string& name, const std::string& path);
std::string name_of(std::size_t number);
/// As many descriptors as the system allows.
void raise_descriptor_limit();
/// A server that closes is no reason to end.
void ignore_broken_pipes();

/// Longer than any server needs for anything.
constexpr std::chrono::seconds patience{30};

}  // namespace bench
