#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <evercert/tls_acceptor.hpp>

#include "base/event.hpp"
#include "base/stream_io.hpp"
#include "tls_test.hpp"

namespace acceptor_test {

using namespace evercert;
using namespace std::chrono_literals;
using test::started;

/// Has a certificate for each name of shared_ca(), which it makes when asked first; may be told to wait or to refuse.
class source final : public certificate_source {
public:
    explicit source(asio::any_io_executor executor) : released_{std::move(executor)} {}

    asio::awaitable<certificate_ptr> get_certificate(client_hello hello) override {
        last = hello;
        ++asked;
        while (waits)
            co_await released_.wait();
        if (refusal)
            std::rethrow_exception(refusal);
        if (hello.is_challenge())
            co_return test::tls_ca::challenge(identifier{hello.server_name});
        co_return of(hello.server_name);
    }
    void handshake_ended(const certificate_ptr&, handshake_result result) noexcept override { ended.push_back(result); }
    certificate_ptr of(const std::string& name) {
        auto& known = certificates[name];
        if (!known)
            known = test::certificate_for(name.c_str());
        return known;
    }
    void release() {
        waits = false;
        released_.notify_all();
    }

    std::map<std::string, certificate_ptr> certificates;
    client_hello last;
    int asked = 0;
    bool waits = false;
    std::exception_ptr refusal;
    std::vector<handshake_result> ended;

private:
    event released_;
};

inline endpoint loopback(std::uint16_t port = 0) { return {asio::ip::address_v4::loopback(), port}; }

/// An acceptor on loopback and its clients, in one thread.
struct site {
    explicit site(tls_acceptor_options options = {}) : acceptor{io, certificates, logged(std::move(options))} {
        at = acceptor.listen(loopback());
    }

    tls_acceptor_options logged(tls_acceptor_options options) {
        options.log.level = log_level::debug;
        options.log.sink = [this](log_level, std::string_view line) { log.emplace_back(line); };
        return options;
    }
    bool has_logged(std::string_view part) const {
        for (const auto& line : log)
            if (line.find(part) != line.npos)
                return true;
        return false;
    }

    asio::awaitable<std::unique_ptr<stream>> connect() { return system_network()->connect(at); }
    asio::awaitable<std::unique_ptr<tls_stream>> open(
        std::string name, std::vector<std::string> alpn = {}, std::function<void(SSL*)> prepare = {}) {
        auto below = co_await connect();
        auto client = std::make_unique<tls_stream>(std::move(below), trusting, name, std::move(alpn));
        if (prepare)
            prepare(client->native_handle());
        co_await client->handshake();
        co_return client;
    }

    template <typename T>
    T run(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work));
    }
    /// Turn the loop until it is so.
    template <typename Condition>
    void until(Condition condition) {
        io.restart();
        const auto limit = std::chrono::steady_clock::now() + 30s;
        while (!condition()) {
            io.run_one_for(10ms);
            if (std::chrono::steady_clock::now() > limit)
                throw std::runtime_error{"it did not become so"};
        }
    }

    asio::io_context io;
    std::vector<std::string> log;
    source certificates{io.get_executor()};
    tls_acceptor acceptor;
    endpoint at;
    tls_client_context trusting{test::shared_ca().root_file(), std::make_shared<test::still_clock>()};
};

}  // namespace acceptor_test
