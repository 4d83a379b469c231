#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <asio/steady_timer.hpp>

#include <evercert/certificate_source.hpp>
#include <evercert/tls_stream.hpp>

#include "base/stream_io.hpp"
#include "certificates.hpp"
#include "process.hpp"
#include "run.hpp"
#include "server/http_server.hpp"

namespace test {

/// A server with a plain port and a TLS port for a.test on loopback, in the test's own loop, for those who come in numbers.
class http_load final : public evercert::certificate_source {
public:
    explicit http_load(const evercert::handler& answer, const evercert::server_options& options = {})
        : server{io.get_executor(), io.get_executor(), options, evercert::system_clock(), evercert::logger{}} {
        const auto now = evercert::system_clock()->wall();
        certificate_ = ca_.issue({"a.test"}, {now - std::chrono::hours{1}, now + std::chrono::hours{24}});
        write_file(root_file(), ca_.root_pem());
        trusting.emplace(root_file(), evercert::system_clock());
        plain = listen(answer, false);
        secure = listen(answer, true);
        running_.emplace(io.get_executor(), server.run());
    }
    ~http_load() {
        server.stop(std::chrono::seconds{0});
        run_io(io, running_->join());
    }

    asio::awaitable<evercert::certificate_ptr> get_certificate(evercert::client_hello) override {
        co_return certificate_;
    }

    asio::awaitable<std::unique_ptr<evercert::stream>> connect(bool over_tls) {
        const auto& to = over_tls ? secure : plain;
        auto connected = co_await network_->connect(to);
        if (over_tls) {
            const std::vector<std::string> none;
            auto secured = std::make_unique<evercert::tls_stream>(std::move(connected), *trusting, "a.test", none);
            co_await secured->handshake();
            connected = std::move(secured);
        }
        co_return connected;
    }
    /// Serve meanwhile.
    template <typename T>
    T run(asio::awaitable<T> work, std::chrono::seconds limit = std::chrono::seconds{60}) {
        return run_io(io, std::move(work), limit);
    }
    void until(const char* what, std::function<bool()> holds) { run(wait(io, what, std::move(holds))); }

    evercert::certificate_ptr certificate() const { return certificate_; }
    std::string root_file() const { return folder_ / "root.pem"; }

    asio::io_context io;
    evercert::http_server server;
    evercert::endpoint plain, secure;
    std::optional<evercert::tls_client_context> trusting;

private:
    evercert::endpoint listen(const evercert::handler& answer, bool over_tls) {
        auto listening = network_->listen(io.get_executor(), {asio::ip::address_v4::loopback(), 0});
        const auto at = listening->local_endpoint();
        if (over_tls)
            server.add(std::move(listening), answer, *this);
        else
            server.add(std::move(listening), answer);
        return at;
    }
    static asio::awaitable<void> wait(asio::io_context& io, const char* what, std::function<bool()> holds) {
        asio::steady_timer timer{io};
        for (int i = 0; i < 50'000 / 5; ++i) {
            const bool is_so = holds();
            if (is_so)
                co_return;
            timer.expires_after(std::chrono::milliseconds{5});
            co_await timer.async_wait(asio::use_awaitable);
        }
        throw std::runtime_error{std::string{"waited in vain until "} + what};
    }

    temporary_folder folder_;
    authority ca_{evercert::system_clock()->wall() - std::chrono::hours{1}};
    evercert::certificate_ptr certificate_;
    std::shared_ptr<evercert::network> network_ = evercert::system_network();
    std::optional<started<void>> running_;
};

}  // namespace test
