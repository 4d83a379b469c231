// A TLS client that times handshakes, a name each. It reads commands, a line each, and answers each with a line: the
// microseconds that the handshakes took, TCP's included.
//
//     first N        ask for name N until it is answered
//     ask SEED N M   ask for M of the first N names in a random order, each once

#include <algorithm>
#include <arpa/inet.h>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <netinet/tcp.h>
#include <numeric>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace {

template <auto Free>
struct freed_by {
    void operator()(auto* object) const noexcept { Free(object); }
};

class refused : public std::runtime_error {
public:
    using runtime_error::runtime_error;
};

class connection {
public:
    explicit connection(std::uint16_t port) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        const timeval limit{30, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
            ::close(fd_);
            throw refused{"nobody listens"};
        }
    }
    ~connection() { ::close(fd_); }
    connection(const connection&) = delete;
    int get() const { return fd_; }

private:
    int fd_;
};

class client {
public:
    client(std::uint16_t port, const std::string& root)
        : port_{port}, context_{SSL_CTX_new(TLS_client_method())}, trusted_{X509_STORE_new()} {
        SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
        if (X509_STORE_load_file(trusted_.get(), root.c_str()) != 1)
            throw std::runtime_error{"cannot read " + root};
    }

    /// Microseconds. Throws `refused`.
    double ask(const std::string& name) const {
        const std::unique_ptr<SSL, freed_by<SSL_free>> ssl{SSL_new(context_.get())};
        SSL_set_tlsext_host_name(ssl.get(), name.c_str());
        const auto begun = std::chrono::steady_clock::now();
        const connection to{port_};
        SSL_set_fd(ssl.get(), to.get());
        if (SSL_connect(ssl.get()) != 1)
            throw refused{"no handshake for " + name};
        const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
        // Outside of the time: it would be the client's.
        verify(ssl.get(), name);
        read_answer(ssl.get(), name);
        return took.count();
    }

private:
    void verify(SSL* ssl, const std::string& name) const {
        const std::unique_ptr<X509_STORE_CTX, freed_by<X509_STORE_CTX_free>> check{X509_STORE_CTX_new()};
        X509_STORE_CTX_init(check.get(), trusted_.get(), SSL_get0_peer_certificate(ssl), SSL_get_peer_cert_chain(ssl));
        X509_VERIFY_PARAM_set1_host(X509_STORE_CTX_get0_param(check.get()), name.data(), name.size());
        if (X509_verify_cert(check.get()) != 1)
            throw std::runtime_error{name + " got a certificate that is not its own"};
    }

    static void read_answer(SSL* ssl, const std::string& name) {
        const auto request = "GET / HTTP/1.1\r\nHost: " + name + "\r\nConnection: close\r\n\r\n";
        SSL_write(ssl, request.data(), static_cast<int>(request.size()));
        std::string answer;
        char piece[4096];
        for (int size; (size = SSL_read(ssl, piece, sizeof piece)) > 0;)
            answer.append(piece, static_cast<std::size_t>(size));
        if (!answer.starts_with("HTTP/1.1 200") || answer.find(name) == answer.npos)
            throw refused{name + " answered " + answer.substr(0, 100)};
        SSL_shutdown(ssl);
        ERR_clear_error();
    }

    std::uint16_t port_;
    std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>> context_;
    std::unique_ptr<X509_STORE, freed_by<X509_STORE_free>> trusted_;
};

std::string name_of(std::size_t number) { return "host" + std::to_string(number) + ".example.com"; }

double ask_until_answered(const client& asking, const std::string& name) {
    using namespace std::chrono_literals;
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    for (;;) {
        try {
            return asking.ask(name);
        } catch (const refused&) {
            if (std::chrono::steady_clock::now() > deadline)
                throw;
        }
        std::this_thread::sleep_for(500us);
    }
}

void obey(const client& asking, const std::string& line) {
    std::istringstream in{line};
    std::string what;
    std::size_t seed = 0, among = 0, count = 0;
    in >> what >> seed;
    if (what == "first") {
        std::cout << ask_until_answered(asking, name_of(seed)) << std::endl;
        return;
    }
    in >> among >> count;
    if (what != "ask" || !in || count > among)
        throw std::runtime_error{"no such command: " + line};
    std::vector<std::size_t> numbers(among);
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    std::shuffle(numbers.begin(), numbers.end(), std::mt19937_64{seed});
    for (std::size_t i = 0; i < count; ++i)
        std::cout << (i == 0 ? "" : " ") << asking.ask(name_of(numbers[i]));
    std::cout << std::endl;
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3)
        throw std::runtime_error{"usage: ask_names PORT ROOT.pem"};
    const client asking{static_cast<std::uint16_t>(std::stoi(argv[1])), argv[2]};
    for (std::string line; std::getline(std::cin, line);)
        obey(asking, line);
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "ask_names: " << e.what() << '\n';
    return EXIT_FAILURE;
}
