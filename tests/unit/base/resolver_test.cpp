#include <array>
#include <memory>
#include <string>
#include <vector>

#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <evercert/error.hpp>
#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>

#include "catch.hpp"
#include "descriptors.hpp"
#include "run.hpp"

using namespace evercert;

namespace {

using wire = std::vector<std::uint8_t>;

/// RFC 1035, section 4.1.1 and RFC 6895, section 2.3.
enum class rcode : std::uint8_t { no_error = 0, server_failure = 2, no_such_name = 3 };

void put16(wire& to, std::size_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

std::uint16_t question_type(const wire& query) {
    std::size_t at = 12;
    while (query.at(at) != 0)
        at += query[at] + 1u;
    return static_cast<std::uint16_t>(query.at(at + 1) << 8 | query.at(at + 2));
}

constexpr std::uint16_t type_a = 1;
constexpr std::uint16_t type_aaaa = 28;

/// The answer to a query: its question, and records of the type asked for.
wire answer_to(const wire& query, rcode code, const std::vector<asio::ip::address>& addresses, bool truncated = false) {
    wire answer = query;
    answer[2] = static_cast<std::uint8_t>(0x80 | (truncated ? 0x02 : 0) | (query[2] & 0x01));
    answer[3] = static_cast<std::uint8_t>(0x80 | static_cast<std::uint8_t>(code));
    std::size_t end = 12;
    while (query.at(end) != 0)
        end += query[end] + 1u;
    end += 5;
    answer.resize(end);
    std::size_t count = 0;
    for (const auto& address : addresses) {
        if (address.is_v4() != (question_type(query) == type_a) || truncated)
            continue;
        ++count;
        put16(answer, 0xc00c);  // the name: that of the question
        put16(answer, address.is_v4() ? type_a : type_aaaa);
        put16(answer, 1);
        put16(answer, 0);
        put16(answer, 60);
        put16(answer, address.is_v4() ? 4 : 16);
        if (address.is_v4())
            for (auto byte : address.to_v4().to_bytes())
                answer.push_back(byte);
        else
            for (auto byte : address.to_v6().to_bytes())
                answer.push_back(byte);
    }
    answer[6] = 0;
    answer[7] = static_cast<std::uint8_t>(count);
    for (std::size_t at = 8; at < 12; ++at)
        answer[at] = 0;
    return answer;
}

/// A name server on the loopback, on UDP and TCP at one port.
class name_server {
public:
    explicit name_server(asio::io_context& io) : udp_{io}, tcp_{io} {
        // The TCP port of a free UDP port may be taken.
        std::error_code taken = asio::error::address_in_use;
        while (taken) {
            udp_ = asio::ip::udp::socket{io, asio::ip::udp::endpoint{asio::ip::address_v4::loopback(), 0}};
            asio::ip::tcp::endpoint same{asio::ip::address_v4::loopback(), udp_.local_endpoint().port()};
            tcp_ = asio::ip::tcp::acceptor{io, same.protocol()};
            tcp_.bind(same, taken);
        }
        tcp_.listen();
    }

    rcode code = rcode::no_error;
    std::vector<asio::ip::address> addresses;
    bool silent = false;
    bool over_tcp_alone = false;
    bool closes_tcp = false;
    int udp_queries = 0;
    int tcp_queries = 0;

    network_options options() const {
        endpoint at;
        at.address = udp_.local_endpoint().address();
        at.port = udp_.local_endpoint().port();
        network_options result;
        result.name_servers.push_back(at);
        return result;
    }

    static asio::awaitable<void> serve_udp(std::shared_ptr<name_server> self) {
        wire query(512);
        for (;;) {
            query.resize(512);
            asio::ip::udp::endpoint from;
            auto size = co_await self->udp_.async_receive_from(asio::buffer(query), from, asio::use_awaitable);
            query.resize(size);
            ++self->udp_queries;
            if (self->silent)
                continue;
            auto answer = answer_to(query, self->code, self->addresses, self->over_tcp_alone);
            co_await self->udp_.async_send_to(asio::buffer(answer), from, asio::use_awaitable);
        }
    }

    static asio::awaitable<void> serve_tcp(std::shared_ptr<name_server> self) {
        for (;;) {
            auto connection = co_await self->tcp_.async_accept(asio::use_awaitable);
            if (self->closes_tcp) {
                connection.set_option(asio::socket_base::linger{true, 0});
                continue;
            }
            asio::co_spawn(self->tcp_.get_executor(), serve_connection(self, std::move(connection)), evercert::rethrow);
        }
    }

private:
    static asio::awaitable<void> serve_connection(std::shared_ptr<name_server> self, asio::ip::tcp::socket connection) {
        for (;;) {
            std::array<std::uint8_t, 2> length;
            std::error_code ended;
            co_await asio::async_read(
                connection, asio::buffer(length), asio::redirect_error(asio::use_awaitable, ended));
            if (ended)
                co_return;
            wire query(static_cast<std::size_t>(length[0] << 8 | length[1]));
            co_await asio::async_read(connection, asio::buffer(query), asio::use_awaitable);
            ++self->tcp_queries;
            auto answer = answer_to(query, self->code, self->addresses);
            wire framed;
            put16(framed, answer.size());
            framed.insert(framed.end(), answer.begin(), answer.end());
            // Byte by byte, each in a segment of its own.
            connection.set_option(asio::ip::tcp::no_delay{true});
            for (std::size_t at = 0; at < framed.size(); ++at) {
                co_await asio::async_write(
                    connection, asio::buffer(&framed[at], 1), asio::redirect_error(asio::use_awaitable, ended));
                if (ended)
                    co_return;
                co_await test::yield();
            }
        }
    }

    asio::ip::udp::socket udp_;
    asio::ip::tcp::acceptor tcp_;
};

/// A server that goes on until the io_context ends.
std::shared_ptr<name_server> start_name_server(asio::io_context& io) {
    auto server = std::make_shared<name_server>(io);
    asio::co_spawn(io, name_server::serve_udp(server), evercert::rethrow);
    asio::co_spawn(io, name_server::serve_tcp(server), evercert::rethrow);
    return server;
}

using address_list = std::vector<asio::ip::address>;

asio::ip::address ip(const char* text) { return asio::ip::make_address(text); }

asio::awaitable<std::string> failure_text(std::shared_ptr<network> net, std::string host) {
    std::string text = "resolved";
    try {
        co_await net->resolve(std::move(host));
    } catch (const evercert::error& thrown) {
        CHECK(thrown.code() == errc::resolve_failed);
        text = thrown.what();
    }
    co_return text;
}

asio::awaitable<void> resolve_owning(std::shared_ptr<network> net, std::shared_ptr<int>) {
    co_await net->resolve("silent.test");
}

}  // namespace

TEST_CASE("an IP literal answers itself") {
    auto net = system_network();
    CHECK(test::run_io(net->resolve("192.0.2.1")) == address_list{ip("192.0.2.1")});
    CHECK(test::run_io(net->resolve("2001:db8::1")) == address_list{ip("2001:db8::1")});
}

TEST_CASE("localhost is the loopback, and no name server is asked") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        address_list loopback{ip("127.0.0.1"), ip("::1")};
        for (const char* name : {"localhost", "LocalHost.", "a.localhost"}) {
            auto found = co_await net->resolve(name);
            CHECK(found == loopback);
        }
        CHECK(server->udp_queries == 0);
    });
}

TEST_CASE("the addresses of a name are those that the name server gives, of both families") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->addresses = {ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto found = co_await net->resolve("ca.test");
        std::sort(found.begin(), found.end());
        CHECK(found == server->addresses);
    });
}

TEST_CASE("no more than addresses_max of one name are handed out, none of them twice") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        for (int i = 0; i < 24; ++i)
            server->addresses.push_back(asio::ip::address_v4{0x7f000001u + static_cast<unsigned>(i / 2)});
        auto net = system_network(server->options());
        auto found = co_await net->resolve("twice.test");
        CHECK(found.size() == 12);
        for (int i = 0; i < 24; ++i)
            server->addresses.push_back(asio::ip::address_v4{0x7f000101u + static_cast<unsigned>(i)});
        found = co_await net->resolve("many.test");
        CHECK(found.size() == network::addresses_max);
    });
}

TEST_CASE("an answer too long for UDP is fetched over TCP, however it is cut into segments") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto found = co_await net->resolve("long.test");
        CHECK(found.size() == 2);
        CHECK(server->tcp_queries == 2);
    });
}

TEST_CASE("a name server that resets TCP connections is resolve_failed and no signal") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->closes_tcp = true;
        auto text = co_await failure_text(system_network(server->options()), "reset.test");
        CHECK_THAT(text, Catch::Matchers::StartsWith("cannot resolve \"reset.test\": "));
    });
}

TEST_CASE("what a name server refuses is resolve_failed with the name and the reason") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        server->code = rcode::no_such_name;
        auto text = co_await failure_text(net, "nowhere.test.");
        CHECK(text == "cannot resolve \"nowhere.test.\": Domain name not found");
        server->code = rcode::no_error;
        text = co_await failure_text(net, "empty.test.");
        CHECK_THAT(
            text,
            Catch::Matchers::StartsWith("cannot resolve \"empty.test.\": DNS server returned answer with no data"));
        server->code = rcode::server_failure;
        text = co_await failure_text(net, "broken.test.");
        CHECK_THAT(text, Catch::Matchers::StartsWith("cannot resolve \"broken.test.\": "));
    });
}

TEST_CASE("what is not a host name is refused before anybody is asked") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        auto net = system_network(server->options());
        std::vector<std::string> names{
            "", "a b", "new\nline", std::string{"ca.test\0.evil", 13}, std::string(255, 'a'), "b\xc3\xbc.test"};
        for (const auto& name : names) {
            auto text = co_await failure_text(net, name);
            CHECK_THAT(text, Catch::Matchers::EndsWith(": not a host name"));
        }
        CHECK(server->udp_queries == 0);
    });
}

TEST_CASE("a query in progress can be cancelled, and leaves no descriptor") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->silent = true;
        auto net = system_network(server->options());
        auto before = test::open_descriptors();
        test::started<address_list> query{io.get_executor(), net->resolve("silent.test")};
        while (server->udp_queries < 2)
            co_await test::yield();
        CHECK(test::open_descriptors() > before);
        query.cancel();
        auto failure = co_await test::failure_of(query.join());
        CHECK(failure == asio::error::operation_aborted);
        CHECK(test::open_descriptors() == before);
        // What c-ares left in the loop finds nobody.
        co_await test::yield(5);
    });
}

TEST_CASE("a query can be cancelled at every step of its way") {
    test::run_io([](asio::io_context& io) -> asio::awaitable<void> {
        auto server = start_name_server(io);
        server->over_tcp_alone = true;
        server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
        auto net = system_network(server->options());
        auto before = test::open_descriptors();
        bool finished = false;
        int steps = 0;
        for (; !finished && steps < 10000; ++steps) {
            test::started<address_list> query{io.get_executor(), net->resolve("steps.test")};
            co_await test::yield(steps);
            query.cancel();
            auto failure = co_await test::failure_of(query.join());
            CHECK((!failure || failure == asio::error::operation_aborted));
            finished = !failure;
        }
        CHECK(finished);
        CHECK(steps > 5);
        // The server sees the end of the last connection.
        for (int i = 0; i < 1000 && test::open_descriptors() != before; ++i)
            co_await test::yield();
        CHECK(test::open_descriptors() == before);
    });
}

TEST_CASE("an io_context may die in the middle of a query") {
    auto before = test::open_descriptors();
    auto alive = std::make_shared<int>();
    {
        asio::io_context io;
        auto server = start_name_server(io);
        server->silent = true;
        asio::co_spawn(io, resolve_owning(system_network(server->options()), alive), evercert::rethrow);
        while (server->udp_queries < 2)
            io.run_one();
        CHECK(alive.use_count() == 2);
    }
    CHECK(alive.use_count() == 1);
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("one network resolves for coroutines on many threads at once") {
    asio::thread_pool server_thread{1};
    asio::io_context server_io;
    auto server = start_name_server(server_io);
    server->addresses = {ip("192.0.2.1"), ip("2001:db8::1")};
    auto net = system_network(server->options());
    auto work = asio::make_work_guard(server_io);
    asio::post(server_thread, [&] { server_io.run(); });
    {
        asio::thread_pool clients{4};
        std::vector<std::future<address_list>> answers;
        for (int i = 0; i < 32; ++i)
            answers.push_back(asio::co_spawn(clients, net->resolve("threads.test"), asio::use_future));
        for (auto& answer : answers)
            CHECK(answer.get().size() == 2);
    }
    server_io.stop();
    server_thread.join();
}
