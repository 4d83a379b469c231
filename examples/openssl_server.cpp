// A server that evercert knows nothing of: blocking sockets, threads, OpenSSL called directly. It is any C or C++ server
// that has an SSL_CTX. One call of `manager.install()` gives that context its certificates; the manager runs on a thread
// of its own and is all that this program needs of asio.
//
//     openssl_server --host example.com --cache evercert.cache
//
// OpenSSL asks for a certificate in the middle of SSL_accept(), and a thread that is in there cannot wait for an order
// that takes seconds. So the first client of a name that has no certificate yet is refused (it gets the alert
// internal_error), the order begins in the background, and whoever comes after it is served. This program asks for the
// certificates of its --host names at the start, so that hardly any client meets that.

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <evercert/evercert.hpp>

namespace {

// A client that says nothing holds a thread for so long.
constexpr timeval client_patience{10, 0};
// Connections that wait for a thread; more are closed at once, which clients understand better than silence.
constexpr std::size_t waiting_max = 100;
constexpr std::size_t request_head_max = 8 << 10;

struct settings {
    std::vector<std::string> hosts;
    std::string directory{evercert::acme::lets_encrypt};
    std::string ca_file;
    std::string cache;
    std::uint16_t port = 443;
    unsigned threads = 4;
};

void declare(CLI::App& app, settings& s) {
    app.add_option("--host", s.hosts, "a name to serve (repeatable)")->required();
    app.add_option("--directory", s.directory, "the ACME directory of the CA")->capture_default_str();
    app.add_option("--ca-file", s.ca_file, "PEM roots to trust the CA's own HTTPS by, instead of the system's");
    app.add_option("--cache", s.cache, "the file that keeps account and certificates; none = in memory");
    app.add_option("--port", s.port, "where to listen; CAs validate tls-alpn-01 on 443")->capture_default_str();
    app.add_option("--threads", s.threads, "how many clients are served at once")
        ->check(CLI::Range(1u, 1000u))
        ->capture_default_str();
}

// The manager and its thread.
class certificates {
public:
    explicit certificates(const settings& s) : manager_{io_, options_of(s)} {
        const std::vector<evercert::identifier> hosts{s.hosts.begin(), s.hosts.end()};
        manager_.set_hosts(hosts);
        if (!s.cache.empty())
            manager_.cache_file(s.cache);
        // Renewals and what else has its time. What it throws comes out of io_context::run().
        asio::co_spawn(io_, manager_.run(), evercert::rethrow);
        for (const auto& host : hosts)
            asio::co_spawn(io_, obtain(host), evercert::rethrow);
    }
    ~certificates() { stop(); }
    certificates(const certificates&) = delete;

    // Before any thread begins, so that signals and handshakes find everything in place. `ended` is called on the
    // manager's thread: after a signal, or after a failure that leaves no manager.
    void start(SSL_CTX* context, std::function<void()> ended) {
        // http/1.1 is what this server speaks. The validations' own protocol, acme-tls/1, is install()'s business.
        manager_.install(context, {"http/1.1"});
        signals_.async_wait([this, ended](std::error_code failed, int) {
            if (!failed) {
                manager_.stop();
                ended();
            }
        });
        thread_ = std::thread{[this, ended] {
            try {
                io_.run();
            } catch (const std::exception& e) {
                std::cerr << "openssl_server: " << e.what() << '\n';
                failed_ = true;
                ended();
            }
        }};
    }

    // Ends orders and saves the state.
    void stop() {
        manager_.stop();
        asio::post(io_, [this] { signals_.cancel(); });
        if (thread_.joinable())
            thread_.join();
    }
    bool failed() const { return failed_; }

private:
    static evercert::manager_options options_of(const settings& s) {
        evercert::manager_options options;
        options.directory_url = s.directory;
        options.http.ca_file = s.ca_file;
        // There is no server on port 80 here.
        options.challenges = {evercert::challenge_type::tls_alpn_01};
        options.log.sink = evercert::log_to_stderr();
        return options;
    }

    asio::awaitable<void> obtain(evercert::identifier host) {
        try {
            co_await manager_.cert(host);
        } catch (const evercert::error& e) {
            if (e.code() != evercert::errc::stopped)
                std::cerr << "openssl_server: no certificate for " << host.value() << " yet: " << e.what() << '\n';
        }
    }

    asio::io_context io_{1};
    asio::signal_set signals_{io_, SIGINT, SIGTERM};
    evercert::manager manager_;
    std::thread thread_;
    std::atomic<bool> failed_ = false;
};

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::system_error{errno, std::generic_category(), what};
}

class descriptor {
public:
    explicit descriptor(int value) : value_{value} {}
    descriptor(descriptor&& other) noexcept : value_{std::exchange(other.value_, -1)} {}
    ~descriptor() {
        if (value_ >= 0)
            ::close(value_);
    }
    int get() const { return value_; }

private:
    int value_;
};

descriptor listen_on(std::uint16_t port) {
    descriptor listening{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const int on = 1, off = 0;
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_any;
    any.sin6_port = htons(port);
    if (listening.get() < 0 || ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::setsockopt(listening.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0 ||
        ::bind(listening.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
        ::listen(listening.get(), SOMAXCONN) != 0)
        throw_errno("cannot listen on port " + std::to_string(port));
    return listening;
}

struct ssl_free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// One client, from its handshake to its end, on a thread of the pool.
void serve(SSL_CTX* context, int client) {
    const std::unique_ptr<SSL, ssl_free> ssl{SSL_new(context)};
    if (!ssl || SSL_set_fd(ssl.get(), client) != 1)
        return;
    // A failure here is daily business: a scanner, a name that is not ours, or one whose certificate is on its way.
    if (SSL_accept(ssl.get()) != 1) {
        ERR_clear_error();  // the queue belongs to the thread, and the next client is served by it
        return;
    }
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl.get(), &protocol, &size);
    // A CA's validation is complete with its handshake (RFC 8737, section 3).
    if (std::string_view{reinterpret_cast<const char*>(protocol), size} == "acme-tls/1")
        return;

    std::string head;
    char piece[1024];
    while (head.find("\r\n\r\n") == std::string::npos) {
        const int read = SSL_read(ssl.get(), piece, sizeof piece);
        if (read <= 0 || head.size() + static_cast<std::size_t>(read) > request_head_max) {
            ERR_clear_error();
            return;
        }
        head.append(piece, static_cast<std::size_t>(read));
    }
    const char* const name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
    const std::string body = std::string{"Hello from "} + (name ? name : "nobody") + ", over OpenSSL's own TLS.\n";
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    if (SSL_write(ssl.get(), answer.data(), static_cast<int>(answer.size())) > 0)
        SSL_shutdown(ssl.get());
    ERR_clear_error();
}

// Threads that take connections from a queue.
class pool {
public:
    pool(SSL_CTX* context, unsigned threads) : context_{context} {
        for (unsigned i = 0; i < threads; ++i)
            threads_.emplace_back([this] { work(); });
    }
    // Ends the connections, too: shutdown() wakes a thread that waits for its client.
    ~pool() {
        {
            const std::lock_guard lock{mutex_};
            stopping_ = true;
            for (const int client : serving_)
                ::shutdown(client, SHUT_RDWR);
        }
        changed_.notify_all();
        for (auto& thread : threads_)
            thread.join();
    }
    pool(const pool&) = delete;

    void add(descriptor client) {
        const std::lock_guard lock{mutex_};
        if (waiting_.size() < waiting_max) {
            waiting_.push_back(std::move(client));
            changed_.notify_one();
        }
    }

private:
    void work() {
        std::unique_lock lock{mutex_};
        for (;;) {
            changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
            if (stopping_)
                return;
            const descriptor client = std::move(waiting_.front());
            waiting_.pop_front();
            serving_.insert(client.get());
            lock.unlock();
            serve(context_, client.get());
            lock.lock();
            serving_.erase(client.get());
        }
    }

    SSL_CTX* const context_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<descriptor> waiting_;
    std::set<int> serving_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

// Until something can be read from `stop`.
void accept_until(const descriptor& stop, const descriptor& listening, pool& clients) {
    for (;;) {
        pollfd both[]{{stop.get(), POLLIN, 0}, {listening.get(), POLLIN, 0}};
        if (::poll(both, 2, -1) < 0 && errno != EINTR)
            throw_errno("poll");
        if (both[0].revents)
            return;
        if (!both[1].revents)
            continue;
        descriptor client{::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (client.get() < 0) {
            // Out of descriptors: the connection is still there, and asking again at once would spin.
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                ::poll(both, 1, 100);
            continue;
        }
        ::setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &client_patience, sizeof client_patience);
        ::setsockopt(client.get(), SOL_SOCKET, SO_SNDTIMEO, &client_patience, sizeof client_patience);
        clients.add(std::move(client));
    }
}

int run(const settings& s) {
    // OpenSSL writes to its socket with write(), and a client that has gone would end the program.
    std::signal(SIGPIPE, SIG_IGN);
    const std::unique_ptr<SSL_CTX, ssl_free> context{SSL_CTX_new(TLS_server_method())};
    if (!context)
        throw std::runtime_error{"OpenSSL gives no context"};
    int ends[2];
    if (::pipe(ends) != 0)
        throw_errno("pipe");
    const descriptor stop{ends[0]}, stopper{ends[1]};

    certificates manager{s};
    const auto listening = listen_on(s.port);
    manager.start(context.get(), [&stopper] { [[maybe_unused]] const auto written = ::write(stopper.get(), "", 1); });
    {
        pool clients{context.get(), s.threads};
        accept_until(stop, listening, clients);
    }
    manager.stop();
    return manager.failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"A blocking OpenSSL server whose certificates come from evercert."};
    settings s;
    declare(app, s);
    CLI11_PARSE(app, argc, argv);
    return run(s);
} catch (const std::exception& e) {
    std::cerr << "openssl_server: " << e.what() << '\n';
    return 1;
}
