#include "base/resolver.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <new>
#include <optional>
#include <sys/time.h>

#include <ares.h>
#include <asio/error.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/strand.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/resolver_sockets.hpp"
#include "base/spawn.hpp"

namespace evercert {
namespace {

using addresses = std::vector<asio::ip::address>;

/// RFC 1035, section 2.3.4: what fits into a query, written with dots.
constexpr std::size_t host_length_max = 254;

[[noreturn]] void throw_resolve_failed(const std::string& host, const std::string& why) {
    throw error{errc::resolve_failed, fmt::format("cannot resolve {}: {}", quoted(host), why)};
}

/// A socket of c-ares, watched by asio.
class watched_socket {
public:
    watched_socket(const asio::any_io_executor& executor, ares_socket_t handle) : descriptor{executor, handle} {}
    ~watched_socket() { release(); }
    watched_socket(const watched_socket&) = delete;
    watched_socket& operator=(const watched_socket&) = delete;

    /// c-ares owns the socket and closes it after this, at once: to wait for the last reference to go would take the
    /// number out of epoll that c-ares' next socket has by then.
    void release() {
        if (descriptor.is_open())
            descriptor.release();
    }

    asio::posix::stream_descriptor descriptor;
    bool wants_read = false;
    bool wants_write = false;
    bool waits_read = false;
    bool waits_write = false;
};

/// One question and its answer. The coroutine that asked owns it; every handler that asio holds knows it weakly, so it
/// can go at any moment, and its channel, sockets and timer go with it.
///
/// Thread-bound to a strand of its own: c-ares' callbacks come from two sockets and a timer.
class lookup : public std::enable_shared_from_this<lookup> {
public:
    explicit lookup(asio::any_io_executor executor)
        : executor_{std::move(executor)}, timer_{executor_}, changed_{executor_} {}
    ~lookup() {
        if (channel_)
            ares_destroy(channel_);
    }
    lookup(const lookup&) = delete;
    lookup& operator=(const lookup&) = delete;

    void start(const std::string& host, const std::vector<endpoint>& name_servers);
    asio::awaitable<void> wait();
    /// Throws `errc::resolve_failed` with c-ares' reason.
    addresses answer(const std::string& host) const;

private:
    static void on_answer(void* self, int status, int timeouts, ares_addrinfo* found) noexcept;
    static void on_socket_state(void* self, ares_socket_t, int readable, int writable) noexcept;
    void take(const ares_addrinfo& found);
    void watch(ares_socket_t, bool readable, bool writable);
    void process(ares_socket_t readable, ares_socket_t writable);
    void wait_on(ares_socket_t, const std::shared_ptr<watched_socket>&);
    void wait_for_timeout();
    void end(int status) noexcept;

    asio::any_io_executor executor_;
    asio::steady_timer timer_;
    event changed_;
    ares_channel channel_ = nullptr;
    std::map<ares_socket_t, std::shared_ptr<watched_socket>> sockets_;
    addresses found_;
    std::optional<int> status_;
};

void lookup::start(const std::string& host, const std::vector<endpoint>& name_servers) {
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    ares_options options = {};
    options.sock_state_cb = &lookup::on_socket_state;
    options.sock_state_cb_data = this;
    int status = library == ARES_SUCCESS ? ares_init_options(&channel_, &options, ARES_OPT_SOCK_STATE_CB) : library;
    if (status != ARES_SUCCESS)
        return end(status);
    use_own_sockets(channel_);

    std::string servers;
    for (const auto& server : name_servers)
        servers.append(servers.empty() ? "" : ",").append(to_string(server));
    if (!servers.empty())
        status = ares_set_servers_ports_csv(channel_, servers.c_str());
    if (status != ARES_SUCCESS)
        return end(status);

    ares_addrinfo_hints hints = {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, &lookup::on_answer, this);
    process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

asio::awaitable<void> lookup::wait() {
    while (!status_)
        co_await changed_.wait();
}

addresses lookup::answer(const std::string& host) const {
    if (*status_ != ARES_SUCCESS)
        throw_resolve_failed(host, ares_strerror(*status_));
    if (found_.empty())
        throw_resolve_failed(host, ares_strerror(ARES_ENODATA));
    return found_;
}

void lookup::on_answer(void* self, int status, int, ares_addrinfo* found) noexcept {
    auto& that = *static_cast<lookup*>(self);
    try {
        if (found)
            that.take(*found);
    } catch (const std::bad_alloc&) {
        status = ARES_ENOMEM;
    }
    ares_freeaddrinfo(found);
    that.end(status);
}

void lookup::take(const ares_addrinfo& found) {
    for (const auto* node = found.nodes; node && found_.size() < network::addresses_max; node = node->ai_next) {
        asio::ip::address address;
        if (node->ai_family == AF_INET) {
            const auto& v4 = *reinterpret_cast<const sockaddr_in*>(node->ai_addr);
            address = asio::ip::address_v4{ntohl(v4.sin_addr.s_addr)};
        } else if (node->ai_family == AF_INET6) {
            const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
            asio::ip::address_v6::bytes_type bytes;
            std::copy_n(v6.sin6_addr.s6_addr, bytes.size(), bytes.begin());
            address = asio::ip::address_v6{bytes, v6.sin6_scope_id};
        } else {
            continue;
        }
        if (std::find(found_.begin(), found_.end(), address) == found_.end())
            found_.push_back(address);
    }
}

void lookup::end(int status) noexcept {
    if (status_)
        return;
    status_ = status;
    changed_.notify_all();
}

void lookup::on_socket_state(void* self, ares_socket_t handle, int readable, int writable) noexcept {
    auto& that = *static_cast<lookup*>(self);
    try {
        that.watch(handle, readable != 0, writable != 0);
    } catch (const std::exception&) {
        that.end(ARES_ENOMEM);  // asio could not watch it: out of memory or of epoll watches
    }
}

void lookup::watch(ares_socket_t handle, bool readable, bool writable) {
    if (!readable && !writable) {
        if (auto gone = sockets_.extract(handle))
            gone.mapped()->release();
        return;
    }
    auto& watched = sockets_[handle];
    if (!watched)
        watched = std::make_shared<watched_socket>(executor_, handle);
    watched->wants_read = readable;
    watched->wants_write = writable;
}

void lookup::process(ares_socket_t readable, ares_socket_t writable) {
    ares_process_fd(channel_, readable, writable);
    if (status_)
        return;
    for (const auto& [handle, watched] : sockets_)
        wait_on(handle, watched);
    wait_for_timeout();
}

void lookup::wait_on(ares_socket_t handle, const std::shared_ptr<watched_socket>& watched) {
    const auto wait = [&](asio::posix::stream_descriptor::wait_type type, bool watched_socket::* waits) {
        (*watched).*waits = true;
        // An expired socket has been closed, and its number may be another's by now.
        auto handler = [weak = weak_from_this(), weak_watched = std::weak_ptr{watched}, handle, type,
                        waits](const std::error_code& failure) {
            auto self = weak.lock();
            auto ready = weak_watched.lock();
            if (!self || !ready || failure == asio::error::operation_aborted)
                return;
            (*ready).*waits = false;
            const bool is_read = type == asio::posix::stream_descriptor::wait_read;
            self->process(is_read ? handle : ARES_SOCKET_BAD, is_read ? ARES_SOCKET_BAD : handle);
        };
        watched->descriptor.async_wait(type, std::move(handler));
    };
    if (watched->wants_read && !watched->waits_read)
        wait(asio::posix::stream_descriptor::wait_read, &watched_socket::waits_read);
    if (watched->wants_write && !watched->waits_write)
        wait(asio::posix::stream_descriptor::wait_write, &watched_socket::waits_write);
}

void lookup::wait_for_timeout() {
    timeval left = {};
    if (!ares_timeout(channel_, nullptr, &left))
        return;
    timer_.expires_after(std::chrono::seconds{left.tv_sec} + std::chrono::microseconds{left.tv_usec});
    timer_.async_wait([weak = weak_from_this()](const std::error_code& failure) {
        auto self = weak.lock();
        if (self && !failure)
            self->process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

asio::awaitable<addresses> ask(std::string host, std::vector<endpoint> name_servers) {
    auto executor = co_await asio::this_coro::executor;
    auto asked = std::make_shared<lookup>(executor);
    asked->start(host, name_servers);
    co_await asked->wait();
    co_return asked->answer(host);
}

bool is_host_name(const std::string& host) noexcept {
    return !host.empty() && host.size() <= host_length_max &&
        std::all_of(host.begin(), host.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

/// RFC 6761, section 6.3: "localhost." and names within it are the loopback, whoever else would answer.
bool is_localhost(std::string host) {
    if (host.ends_with('.'))
        host.pop_back();
    for (auto& c : host)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return host == "localhost" || host.ends_with(".localhost");
}

}  // namespace

asio::awaitable<addresses> resolve_host(std::string host, std::vector<endpoint> name_servers) {
    addresses known;
    std::error_code not_literal;
    if (auto literal = asio::ip::make_address(host, not_literal); !not_literal) {
        known.push_back(literal);
        co_return known;
    }
    if (!is_host_name(host))
        throw_resolve_failed(host, "not a host name");
    if (is_localhost(host)) {
        known.push_back(asio::ip::address_v4::loopback());
        known.push_back(asio::ip::address_v6::loopback());
        co_return known;
    }
    auto executor = co_await asio::this_coro::executor;
    auto strand = asio::make_strand(executor);
    co_return co_await run_on(strand, ask(std::move(host), std::move(name_servers)));
}

}  // namespace evercert
