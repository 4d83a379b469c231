#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ip/udp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>

#include "run.hpp"

namespace test {

using wire = std::vector<std::uint8_t>;

/// RFC 1035, section 4.1.1 and RFC 6895, section 2.3.
enum class rcode : std::uint8_t { no_error = 0, server_failure = 2, no_such_name = 3 };

inline void put16(wire& to, std::size_t value) {
    to.push_back(static_cast<std::uint8_t>(value >> 8));
    to.push_back(static_cast<std::uint8_t>(value));
}

inline std::uint16_t question_type(const wire& query) {
    std::size_t at = 12;
    while (query.at(at) != 0)
        at += query[at] + 1u;
    return static_cast<std::uint16_t>(query.at(at + 1) << 8 | query.at(at + 2));
}

inline constexpr std::uint16_t type_a = 1;
inline constexpr std::uint16_t type_aaaa = 28;

/// The answer to a query: its question, and records of the type asked for.
inline wire answer_to(
    const wire& query, rcode code, const std::vector<asio::ip::address>& addresses, bool truncated = false) {
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
    std::size_t tcp_segment = 1;
    int udp_queries = 0;
    int tcp_queries = 0;

    evercert::network_options options() const {
        evercert::endpoint at;
        at.address = udp_.local_endpoint().address();
        at.port = udp_.local_endpoint().port();
        evercert::network_options result;
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
            connection.set_option(asio::ip::tcp::no_delay{true});
            for (std::size_t at = 0; at < framed.size(); at += self->tcp_segment) {
                auto segment = asio::buffer(asio::buffer(framed) + at, self->tcp_segment);
                co_await asio::async_write(connection, segment, asio::redirect_error(asio::use_awaitable, ended));
                if (ended)
                    co_return;
                co_await yield();
            }
        }
    }

    asio::ip::udp::socket udp_;
    asio::ip::tcp::acceptor tcp_;
};

/// A server that goes on until the io_context ends.
inline std::shared_ptr<name_server> start_name_server(asio::io_context& io) {
    auto server = std::make_shared<name_server>(io);
    asio::co_spawn(io, name_server::serve_udp(server), evercert::rethrow);
    asio::co_spawn(io, name_server::serve_tcp(server), evercert::rethrow);
    return server;
}

/// A name server on a thread of its own, from `start()` to the end. Say what it answers before.
class name_server_thread {
public:
    name_server_thread() : server{start_name_server(io_)} {}
    ~name_server_thread() {
        io_.stop();
        thread_.join();
    }
    void start() {
        asio::post(thread_, [this] { io_.run(); });
    }

private:
    asio::io_context io_;

public:
    std::shared_ptr<name_server> server;

private:
    asio::thread_pool thread_{1};
};

}  // namespace test
