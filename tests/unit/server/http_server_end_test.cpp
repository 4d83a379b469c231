#include "http_server_setting.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using namespace http_server_test;

TEST_CASE("beyond the bound a new connection is closed at once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        server_options options;
        options.connections.connections_max = 2;
        setting s{io, options};
        std::vector<std::unique_ptr<stream>> two;
        two.push_back(co_await s.connect(s.plain));
        two.push_back(co_await s.connect(s.secure));
        co_await s.until([&] { return s.server.connections() == 2; });
        auto third = co_await s.connect(s.plain);
        auto rest = co_await test::read_to_end(*third);
        CHECK(rest.empty());
        two.clear();
        co_await s.until([&] { return s.server.connections() == 0; });
        auto client = s.client();
        request message{"GET", s.url("http")};
        auto answer = co_await client.send(std::move(message));
        CHECK(answer.status == 200);
        s.server.stop(10s);
        co_await s.running->join();
    });
}

TEST_CASE("stopping lets a request in flight be answered, but not longer than the grace") {
    for (const bool in_time : {true, false}) {
        INFO(in_time);
        test::run_io([&](asio::io_context& io) -> asio::awaitable<void> {
            event done{io.get_executor()};
            bool asked = false;
            const auto slow = [&](request) -> asio::awaitable<response> {
                asked = true;
                co_await done.wait();
                co_return response{"done"};
            };
            setting s{io, {}, slow};
            auto client = s.client();
            request message{"GET", s.url("https")};
            test::started<response> sent{io.get_executor(), client.send(std::move(message))};
            co_await s.until([&] { return asked; });
            s.server.stop(in_time ? 10s : 1ms);
            if (in_time) {
                co_await test::yield(10);
                done.notify_all();
                co_await s.until([&] { return sent.ended(); });
                auto answer = sent.take();
                CHECK(answer.body == "done");
                CHECK(client.idle_connections() == 0);
            }
            co_await s.running->join();
            CHECK(s.server.connections() == 0);
            co_await s.until([&] { return sent.ended(); });
            if (!in_time)
                CHECK_THROWS_AS(sent.take(), error);
        });
    }
}

TEST_CASE("cancelling a server closes everything and says so") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        event never{io.get_executor()};
        bool asked = false;
        const auto hangs = [&](request) -> asio::awaitable<response> {
            asked = true;
            co_await never.wait();
            co_return response{"?"};
        };
        setting s{io, {}, hangs};
        auto client = s.client();
        request message{"GET", s.url("http")};
        test::started<response> sent{io.get_executor(), client.send(std::move(message))};
        co_await s.until([&] { return asked; });
        s.running->cancel();
        co_await s.until([&] { return s.running->ended(); });
        CHECK_THROWS_AS(s.running->take(), std::system_error);
        CHECK(s.server.connections() == 0);
        co_await s.until([&] { return sent.ended(); });
        CHECK_THROWS_AS(sent.take(), error);
    });
}

namespace {

/// A listener without a network: fails as often as it is told, then never accepts.
class failing_listener final : public listener {
public:
    failing_listener(asio::any_io_executor executor, int failures, int& left) : closed_{executor}, left_{left} {
        left_ = failures;
    }
    asio::awaitable<std::unique_ptr<stream>> accept(asio::any_io_executor) override {
        if (left_ > 0) {
            --left_;
            throw std::system_error{std::make_error_code(std::errc::too_many_files_open), "accept"};
        }
        while (!is_closed_)
            co_await closed_.wait();
        throw std::system_error{asio::error::operation_aborted};
    }
    void close() noexcept override {
        is_closed_ = true;
        closed_.notify_all();
    }
    endpoint local_endpoint() const override { return loopback(); }

private:
    event closed_;
    int& left_;
    bool is_closed_ = false;
};

}  // namespace

TEST_CASE("a listener that is out of descriptors is asked again after a pause, and the log says so once") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto time = std::make_shared<test::fake_clock>(io.get_executor());
        std::vector<std::string> lines;
        log_options log;
        log.sink = [&](log_level, std::string_view line) { lines.emplace_back(line); };
        http_server server{io.get_executor(), io.get_executor(), server_options{}, time, logger{log}};
        int left = 0;
        server.add(std::make_unique<failing_listener>(io.get_executor(), 5, left), hello);
        test::started<void> running{io.get_executor(), server.run()};
        co_await test::yield(10);
        CHECK(left == 4);
        // 10 ms, 20, 40, 80, 160.
        for (int i = 0; i < 31; ++i) {
            time->advance(10ms);
            co_await test::yield(10);
        }
        CHECK(left == 0);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].find("cannot accept on 127.0.0.1:0") != std::string::npos);
        server.stop(0s);
        co_await running.join();
    });
}

TEST_CASE("server options out of range are refused when the server is made") {
    asio::io_context io;
    const auto made = [&](auto change) {
        server_options options;
        change(options);
        try {
            http_server{io.get_executor(), io.get_executor(), options, system_clock(), logger{}};
        } catch (const error& e) {
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(made([](auto& o) { o.head_timeout = 0ms; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.idle_timeout = -1ms; }) == errc::invalid_options);
    // Forever is longer than any clock counts.
    CHECK(made([](auto& o) { o.request_timeout = std::chrono::milliseconds::max(); }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.rate_grace = std::chrono::milliseconds::max(); }) == errc::invalid_options);
    CHECK_FALSE(made([](auto& o) { o.request_timeout = std::chrono::days{3650}; }));
    CHECK(made([](auto& o) { o.head_max = 10; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.connections.connections_max = 0; }) == errc::invalid_options);
    CHECK(made([](auto& o) { o.keep_alive_requests_max = 0; }) == errc::invalid_options);
    CHECK_FALSE(made([](auto&) {}));
}
