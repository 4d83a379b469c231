#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/strand.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/tls_acceptor.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "temp_folder.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

class one_certificate final : public certificate_source {
public:
    certificate_ptr only;
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override { co_return only; }
    void handshake_ended(const certificate_ptr&, handshake_result) noexcept override { ++ended; }
    std::atomic<int> ended = 0;
};

/// Gives it once two want it at the same time, or after a time that is too long, in which one was `alone`.
class one_certificate_for_two final : public certificate_source {
public:
    certificate_ptr only;
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override {
        {
            std::unique_lock lock{mutex_};
            ++inside_;
            both_.notify_all();
            if (!both_.wait_for(lock, 10s, [this] { return inside_ == 2; }))
                alone = true;
        }
        co_return only;
    }
    std::atomic<bool> alone = false;

private:
    std::mutex mutex_;
    std::condition_variable both_;
    int inside_ = 0;
};

/// Who issues the server's certificate, and clients that trust it.
struct trust {
    test::authority root{system_clock()->wall()};
    test::temp_folder folder;
    tls_client_context clients = trusting_clients();

private:
    tls_client_context trusting_clients() const {
        test::write_all_to(folder.file("roots"), root.root_pem());
        return {folder.file("roots"), system_clock()};
    }
};

struct counts {
    std::atomic<int> answered = 0;
    std::atomic<int> resumed = 0;
    std::atomic<bool> stopped = false;
};

asio::awaitable<void> echo(tls_stream connection, counts& all) {
    std::array<char, 5> said;
    try {
        all.resumed += connection.resumed();
        for (;;) {
            co_await asio::async_read(connection, asio::buffer(said), asio::use_awaitable);
            co_await asio::async_write(connection, asio::buffer(said), asio::use_awaitable);
        }
    } catch (const std::system_error&) {
        connection.shutdown_write();
    }
}

asio::awaitable<void> accept_all(tls_acceptor& on, counts& all) {
    try {
        for (;;) {
            tls_stream connection = co_await on.accept();
            const auto executor = connection.get_executor();
            asio::co_spawn(executor, echo(std::move(connection), all), evercert::rethrow);
        }
    } catch (const error& why) {
        all.stopped = why.code() == errc::stopped;
    }
}

/// One connection after the other, as long as there is somebody to connect to.
asio::awaitable<void> visit(endpoint at, const tls_client_context& context, counts& all) {
    const std::vector<std::string> none;
    try {
        for (;;) {
            auto below = co_await system_network()->connect(at);
            tls_stream client{std::move(below), context, "a.test", none};
            co_await client.handshake();
            std::array<char, 5> heard;
            for (int i = 0; i < 2; ++i) {
                co_await asio::async_write(client, asio::buffer("hello", 5), asio::use_awaitable);
                co_await asio::async_read(client, asio::buffer(heard), asio::use_awaitable);
            }
            client.shutdown_write();
            ++all.answered;
        }
    } catch (const std::system_error&) {
    }
}

asio::awaitable<void> shake_hands(endpoint at, const tls_client_context& context, int& established) {
    auto below = co_await system_network()->connect(at);
    tls_stream client{std::move(below), context, "a.test", std::vector<std::string>{}};
    co_await client.handshake();
    ++established;
}

}  // namespace

TEST_CASE("a handshake that keeps its thread busy keeps no other from its own") {
    asio::io_context io;
    trust in;
    one_certificate_for_two source;
    source.only = in.root.issue({"a.test"});
    tls_acceptor acceptor{io, source};
    const auto at = acceptor.listen({asio::ip::address_v4::loopback(), 0});
    asio::io_context outside;
    int established = 0;
    for (int i = 0; i < 2; ++i)
        asio::co_spawn(outside, shake_hands(at, in.clients, established), evercert::rethrow);
    // Both say hello to the kernel before the first is accepted, so that nothing suspends a handshake before its certificate.
    while (outside.poll() > 0) {
    }
    auto serving = asio::make_work_guard(io);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&io] { io.run(); });
    outside.run_for(40s);
    CHECK(established == 2);
    CHECK_FALSE(source.alone);
    acceptor.stop();
    serving.reset();
    for (auto& thread : threads)
        thread.join();
}

TEST_CASE("connections of a TLS acceptor are accepted, served and stopped on several threads") {
    asio::io_context io{4};
    trust in;
    one_certificate source;
    source.only = in.root.issue({"a.test"});

    tls_acceptor acceptor{io, source};
    const std::vector<endpoint> at{
        acceptor.listen({asio::ip::address_v4::loopback(), 0}), acceptor.listen({asio::ip::address_v4::loopback(), 0})};
    counts all;
    for (int i = 0; i < 2; ++i)
        asio::co_spawn(asio::make_strand(io), accept_all(acceptor, all), evercert::rethrow);
    for (int i = 0; i < 8; ++i)
        asio::co_spawn(asio::make_strand(io), visit(at[i % 2], in.clients, all), evercert::rethrow);

    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&io] { io.run(); });
    while (all.answered < 300)
        std::this_thread::yield();
    CHECK(acceptor.connections() > 0);
    // From a thread that is none of the io_context's.
    acceptor.stop();
    asio::co_spawn(io, acceptor.close(), evercert::rethrow);
    for (auto& thread : threads)
        thread.join();
    CHECK(all.stopped);
    CHECK(acceptor.handshakes() == 0);
    CHECK(acceptor.connections() == 0);
    CHECK(source.ended >= 300);
}
