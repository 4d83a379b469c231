// As little as a server on OpenSSL can do: a loop over epoll, OpenSSL on the socket, requests that are not parsed. What
// it costs is OpenSSL and the kernel, so it is the floor for servers that are more than that.
//
//     openssl_loop PORT CHAIN.pem KEY.pem

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <netinet/tcp.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unordered_map>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace {

void require(bool holds, const char* what) {
    if (!holds)
        throw std::runtime_error{what};
}

struct ssl_free {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

SSL_CTX* make_context(const char* chain, const char* key) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    require(SSL_CTX_use_certificate_chain_file(context, chain) == 1, "no certificate");
    require(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1, "no key");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_mode(
        context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    return context;
}

int listen_on(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0, "the port is taken");
    require(::listen(fd, 4096) == 0, "cannot listen");
    return fd;
}

const std::string hello = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n\r\n"
                          "Hello from host0.example.com, over TLS\n";

/// "GET /files/SIZE HTTP/1.1": so many bytes.
std::string answer_to(std::string_view request) {
    constexpr std::string_view files = "GET /files/";
    if (!request.starts_with(files))
        return hello;
    std::size_t size = 0;
    std::from_chars(request.data() + files.size(), request.data() + request.size(), size);
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + std::string(size, 'x');
}

class connection {
public:
    connection(SSL_CTX* context, int fd) : fd_{fd}, ssl_{SSL_new(context)} {
        SSL_set_fd(ssl_.get(), fd);
        SSL_set_accept_state(ssl_.get());
    }
    ~connection() { ::close(fd_); }
    connection(const connection&) = delete;

    /// False once it is over.
    bool advance() {
        ERR_clear_error();
        if (!SSL_is_init_finished(ssl_.get())) {
            const int result = SSL_do_handshake(ssl_.get());
            if (result != 1)
                return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
        }
        for (;;) {
            if (!flush())
                return true;
            std::array<char, 4096> buffer;
            const int size = SSL_read(ssl_.get(), buffer.data(), buffer.size());
            if (size <= 0) {
                const bool open = SSL_get_error(ssl_.get(), size) == SSL_ERROR_WANT_READ;
                if (!open)
                    SSL_shutdown(ssl_.get());
                return open;
            }
            const std::string_view request{buffer.data(), static_cast<std::size_t>(size)};
            if (request.ends_with("\r\n\r\n")) {
                output_ = answer_to(request);
                sent_ = 0;
            }
        }
    }

private:
    /// False if the rest has to wait.
    bool flush() {
        while (sent_ < output_.size()) {
            std::size_t size = 0;
            if (SSL_write_ex(ssl_.get(), output_.data() + sent_, output_.size() - sent_, &size) != 1)
                return false;
            sent_ += size;
        }
        std::string{}.swap(output_);
        sent_ = 0;
        return true;
    }

    int fd_;
    std::unique_ptr<SSL, ssl_free> ssl_;
    std::string output_;
    std::size_t sent_ = 0;
};

class server {
public:
    server(SSL_CTX* context, int listening) : context_{context}, listening_{listening} { watch(listening, EPOLLIN); }

    void run() {
        for (;;) {
            std::array<epoll_event, 128> events;
            const int count = ::epoll_wait(epoll_, events.data(), events.size(), -1);
            for (int i = 0; i < count; ++i) {
                const int fd = events[static_cast<std::size_t>(i)].data.fd;
                if (fd == listening_)
                    accept_all();
                else if (!connections_.at(fd)->advance())
                    connections_.erase(fd);
            }
        }
    }

private:
    void watch(int fd, unsigned events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        require(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll refuses a socket");
    }

    void accept_all() {
        for (int fd; (fd = ::accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections_.emplace(fd, std::make_unique<connection>(context_, fd));
            // What came before is told as well.
            watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
        }
    }

    SSL_CTX* context_;
    int listening_;
    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::unordered_map<int, std::unique_ptr<connection>> connections_;
};

}  // namespace

int main(int argc, char** argv) try {
    require(argc == 4, "usage: openssl_loop PORT CHAIN.pem KEY.pem");
    std::signal(SIGPIPE, SIG_IGN);
    server{make_context(argv[2], argv[3]), listen_on(static_cast<std::uint16_t>(std::stoi(argv[1])))}.run();
} catch (const std::exception& e) {
    std::cerr << "openssl_loop: " << e.what() << '\n';
    return EXIT_FAILURE;
}
