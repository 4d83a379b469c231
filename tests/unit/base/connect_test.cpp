#include <asio/error.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/connect.hpp"
#include "base/event.hpp"
#include "base/memory_stream.hpp"
#include "catch.hpp"
#include "run.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// Says of each address what becomes of connecting to it: 192.0.2.x refuses, 198.51.100.x never answers, any
/// other accepts.
class scripted_network final : public network {
public:
    std::vector<asio::ip::address> addresses;
    bool resolves = true;
    std::vector<std::string> asked;

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        asked.push_back(host);
        if (!resolves)
            co_await for_ever();
        co_return addresses;
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override {
        auto text = to_string(to);
        asked.push_back(text);
        if (text.starts_with("192.0.2."))
            throw evercert::error{errc::connect_failed, fmt::format("cannot connect to {}: Connection refused", text)};
        if (text.starts_with("198.51.100."))
            co_await for_ever();
        auto ends = memory_stream_pair(co_await asio::this_coro::executor);
        co_return std::move(ends.first);
    }
    std::unique_ptr<listener> listen(asio::any_io_executor, endpoint) override { return nullptr; }

private:
    static asio::awaitable<void> for_ever() {
        event never{co_await asio::this_coro::executor};
        for (;;)
            co_await never.wait();
    }
};

asio::ip::address ip(const char* text) { return asio::ip::make_address(text); }

asio::awaitable<std::string> failure_text(scripted_network& net, errc expected) {
    auto time = system_clock();
    std::string text = "connected";
    try {
        co_await connect_any(net, *time, "ca.test", 443, 5ms, 5ms);
    } catch (const evercert::error& thrown) {
        CHECK(thrown.code() == expected);
        text = thrown.what();
    }
    co_return text;
}

}  // namespace

TEST_CASE("the addresses of a host are tried in order until one accepts") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        scripted_network net;
        net.addresses = {ip("192.0.2.1"), ip("198.51.100.1"), ip("2001:db8::1"), ip("2001:db8::2")};
        auto time = system_clock();
        auto connected = co_await connect_any(net, *time, "ca.test", 443, 1s, 5ms);
        CHECK(connected);
        std::vector<std::string> order{"ca.test", "192.0.2.1:443", "198.51.100.1:443", "[2001:db8::1]:443"};
        CHECK(net.asked == order);
    });
}

TEST_CASE("where no address answers, the error says what was tried and how each ended") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        scripted_network net;
        net.addresses = {ip("192.0.2.1"), ip("198.51.100.1")};
        auto text = co_await failure_text(net, errc::connect_failed);
        CHECK_THAT(text, Catch::Matchers::StartsWith("no address of \"ca.test\" answers: "));
        CHECK_THAT(text, Catch::Matchers::Contains("cannot connect to 192.0.2.1:443: Connection refused"));
        CHECK_THAT(text, Catch::Matchers::Contains("connecting to 198.51.100.1:443"));
    });
}

TEST_CASE("a host without an address is resolve_failed") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        scripted_network net;
        auto text = co_await failure_text(net, errc::resolve_failed);
        CHECK(text == "\"ca.test\" has no address");
    });
}

TEST_CASE("a name that is resolved for too long is timed_out") {
    test::run_io([](asio::io_context&) -> asio::awaitable<void> {
        scripted_network net;
        net.resolves = false;
        auto text = co_await failure_text(net, errc::timed_out);
        CHECK_THAT(text, Catch::Matchers::Contains("resolving \"ca.test\""));
    });
}

TEST_CASE("a cancelled connect tries no further address") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        scripted_network net;
        net.addresses = {ip("198.51.100.1"), ip("198.51.100.2")};
        auto time = system_clock();
        test::started<std::unique_ptr<stream>> connecting{
            io.get_executor(), connect_any(net, *time, "ca.test", 443, 10s, 10s)};
        while (net.asked.size() < 2)
            co_await test::yield();
        connecting.cancel();
        auto failure = co_await test::failure_of(connecting.join());
        CHECK(failure == asio::error::operation_aborted);
        CHECK(net.asked.size() == 2);
    });
}
