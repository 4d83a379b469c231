#include "tls_load.hpp"

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

namespace bench {

namespace {

void require(bool holds, const char* what) {
    if (!holds)
        throw std::runtime_error{what};
}

/// Connections that we close first linger in TIME_WAIT for a minute: with one address there would soon be no port left.
in_addr_t next_source() {
    static std::atomic<unsigned> count{0};
    return htonl(INADDR_LOOPBACK + 1 + count++ % 200);
}

sockaddr_in address(in_addr_t host, std::uint16_t port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(port);
    result.sin_addr.s_addr = host;
    return result;
}

int connect_to(std::uint16_t port, int receive_buffer) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(fd >= 0, "no descriptor is left");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (receive_buffer > 0)
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const auto from = address(next_source(), 0), to = address(htonl(INADDR_LOOPBACK), port);
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) == 0;
    if (!bound || ::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        const std::string why = std::strerror(errno);
        ::close(fd);
        throw unexpected{"cannot connect: " + why};
    }
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

std::string openssl_reason() {
    std::array<char, 256> text{};
    ERR_error_string_n(ERR_get_error(), text.data(), text.size());
    return text.data();
}

progress progress_of(SSL* ssl, int result) {
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return progress::blocked;
    case SSL_ERROR_WANT_WRITE: throw unexpected{"a small message does not fit into the socket's buffer"};
    default: return progress::ended;
    }
}

}  // namespace

client_context::client_context(int version, const std::string& root)
    : context_{SSL_CTX_new(TLS_client_method())}, trusted_{X509_STORE_new()} {
    SSL_CTX* const raw = context_.get();
    require(raw && trusted_, "OpenSSL has no memory");
    require(X509_STORE_load_file(trusted_.get(), root.c_str()) == 1, "the root cannot be read");
    // autocert has no ECDSA certificate for a client that does not offer a suite of TLS 1.2 and P-256.
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(raw, version);
    require(SSL_CTX_set1_groups_list(raw, "X25519:P-256") == 1, "no X25519");
    require(SSL_CTX_set_ciphersuites(raw, "TLS_AES_128_GCM_SHA256") == 1, "no AES");
    require(SSL_CTX_set_cipher_list(raw, "ECDHE-ECDSA-AES128-GCM-SHA256") == 1, "no AES");
    // The chain is looked at once, outside of what is timed: verifying it each time would be the client's cost.
    SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(raw, 1);
}

void client_context::verify(SSL* ssl, const std::string& name) const {
    const std::unique_ptr<X509_STORE_CTX, freed_by<X509_STORE_CTX_free>> check{X509_STORE_CTX_new()};
    X509_STORE_CTX_init(check.get(), trusted_.get(), SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl));
    X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(check.get()), name.data(), name.size());
    if (X509_verify_cert(check.get()) != 1)
        throw unexpected{name + " has a certificate that is not its own"};
}

connection::connection(
    const client_context& context, std::uint16_t port, const std::string& name, SSL_SESSION* resumed,
    int receive_buffer)
    : name_{name}, descriptor_{connect_to(port, receive_buffer)}, ssl_{SSL_new(context.get())} {
    require(ssl_ != nullptr, "OpenSSL has no memory");
    SSL_set_fd(ssl_.get(), descriptor_);
    SSL_set_tlsext_host_name(ssl_.get(), name_.c_str());
    SSL_set_connect_state(ssl_.get());
    if (resumed)
        require(SSL_set_session(ssl_.get(), resumed) == 1, "the session cannot be used");
}

connection::~connection() { ::close(descriptor_); }

progress connection::handshake() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
        if (SSL_version(ssl_.get()) != SSL_get_max_proto_version(ssl_.get()))
            throw unexpected{"another version of TLS than was asked for"};
        return progress::done;
    }
    const auto how = progress_of(ssl_.get(), result);
    if (how == progress::ended)
        throw unexpected{"the handshake for " + name_ + " failed: " + openssl_reason()};
    return how;
}

void connection::send(std::string_view data) {
    if (!try_send(data))
        throw unexpected{"a request to " + name_ + " cannot be sent"};
}

bool connection::try_send(std::string_view data) {
    ERR_clear_error();
    return SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size())) == static_cast<int>(data.size());
}

progress connection::receive(std::span<char> into, std::size_t& size) {
    size = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
    return result == 1 ? progress::done : progress_of(ssl_.get(), result);
}

void connection::end() {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ::shutdown(descriptor_, SHUT_WR);
}

progress connection::wait_for_end() {
    std::array<char, 4096> ignored;
    for (;;) {
        const auto size = ::recv(descriptor_, ignored.data(), ignored.size(), 0);
        if (size > 0)
            continue;
        // A reset is an end as well: a server need not read our close_notify.
        return size < 0 && errno == EAGAIN ? progress::blocked : progress::ended;
    }
}

void connection::wait() {
    pollfd readable{descriptor_, POLLIN, 0};
    if (::poll(&readable, 1, std::chrono::milliseconds{patience}.count()) == 0)
        throw unexpected{"the server does not answer"};
}

bool response_reader::take(std::string_view piece) {
    if (!in_body_) {
        const auto before = head_.size();
        head_ += piece;
        const auto end = head_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == head_.npos)
            return false;
        if (!head_.starts_with("HTTP/1.1 200"))
            throw unexpected{"the answer is " + head_.substr(0, 100)};
        // Go and nginx write it so, Caddy too.
        constexpr std::string_view field = "\r\nContent-Length: ";
        const auto at = head_.find(field);
        if (at == head_.npos || at > end)
            throw unexpected{"an answer without Content-Length: " + head_.substr(0, end)};
        std::from_chars(head_.data() + at + field.size(), head_.data() + end, left_);
        piece = piece.substr(end + 4 - before);
        in_body_ = true;
    }
    if (piece.size() > left_)
        throw unexpected{"an answer is longer than it says"};
    left_ -= piece.size();
    if (left_ > 0)
        return false;
    in_body_ = false;
    head_.clear();
    return true;
}

poller::poller() : descriptor_{::epoll_create1(EPOLL_CLOEXEC)} { require(descriptor_ >= 0, "no epoll"); }
poller::~poller() { ::close(descriptor_); }

void poller::add(int descriptor, std::size_t key) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    event.data.u64 = key;
    require(::epoll_ctl(descriptor_, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll refuses a socket");
}

void poller::only_end(int descriptor, std::size_t key) {
    epoll_event event{};
    event.events = EPOLLRDHUP;
    event.data.u64 = key;
    require(::epoll_ctl(descriptor_, EPOLL_CTL_MOD, descriptor, &event) == 0, "epoll refuses a socket");
}

const std::vector<std::size_t>& poller::wait(std::chrono::nanoseconds limit) {
    std::array<epoll_event, 64> events;
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(limit);
    const timespec timeout{whole.count(), (limit - whole).count()};
    const int count = ::epoll_pwait2(descriptor_, events.data(), events.size(), &timeout, nullptr);
    ready_.clear();
    for (int i = 0; i < count; ++i)
        ready_.push_back(events[static_cast<std::size_t>(i)].data.u64);
    return ready_;
}

std::string request_for(const std::string& name, const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: " + name + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
}

std::string name_of(std::size_t number) { return "host" + std::to_string(number) + ".example.com"; }

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

}  // namespace bench
