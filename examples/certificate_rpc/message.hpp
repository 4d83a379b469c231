#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

// What leader and followers say to each other: one question and one answer a connection, over a Unix socket that only
// their user can open, since private keys go over it. Between machines the same messages belong into TLS with
// certificates on both sides.
//
//     certificate NAME SUPPORT PROTOCOL…   ->   certificate CHAIN KEY
//     validation HOST TARGET               ->   validated STATUS BODY
//     ended NAME SERIAL RESULT             ->   noted
//                                               refused REASON TEXT

using local = asio::local::stream_protocol;
using local_ptr = std::shared_ptr<local::socket>;

/// A list of texts. On the wire: the length of it all, then each text after its length; lengths have 4 bytes, the highest
/// first.
using message = std::vector<std::string>;

/// A chain of ten certificates with a hundred names each takes 100 kB.
constexpr std::size_t message_max = 256 << 10;

inline void append_length(std::string& to, std::size_t length) {
    for (int shift = 24; shift >= 0; shift -= 8)
        to += static_cast<char>(length >> shift & 0xff);
}

/// Of the first 4 bytes.
inline std::size_t read_length(std::string_view from) {
    std::size_t length = 0;
    for (const char byte : from.substr(0, 4))
        length = length << 8 | static_cast<unsigned char>(byte);
    return length;
}

inline std::string encode(const message& texts) {
    std::string body;
    for (const auto& text : texts) {
        append_length(body, text.size());
        body += text;
    }
    std::string wire;
    append_length(wire, body.size());
    return wire + body;
}

inline message decode(std::string_view body) {
    message texts;
    while (!body.empty()) {
        if (body.size() < 4 || read_length(body) > body.size() - 4)
            throw std::runtime_error{"a text of the message is cut off"};
        const auto size = read_length(body);
        texts.emplace_back(body.substr(4, size));
        body.remove_prefix(4 + size);
    }
    if (texts.empty())
        throw std::runtime_error{"the message is empty"};
    return texts;
}

inline asio::awaitable<void> send(local_ptr to, message texts) {
    const auto wire = encode(texts);
    co_await asio::async_write(*to, asio::buffer(wire), asio::use_awaitable);
}

inline asio::awaitable<message> receive(local_ptr from) {
    std::string head(4, '\0');
    co_await asio::async_read(*from, asio::buffer(head), asio::use_awaitable);
    const auto size = read_length(head);
    if (size > message_max)
        throw std::runtime_error{"the message is too long"};
    std::string body(size, '\0');
    co_await asio::async_read(*from, asio::buffer(body), asio::use_awaitable);
    co_return decode(body);
}

/// Closes a socket when its time is over, so that whatever waits for it ends with an error.
template <typename Socket>
class deadline {
public:
    deadline(std::shared_ptr<Socket> socket, std::chrono::seconds length) : timer_{socket->get_executor(), length} {
        timer_.async_wait([socket](std::error_code cancelled) {
            std::error_code ignored;
            if (!cancelled)
                socket->lowest_layer().close(ignored);
        });
    }
    bool is_over() const { return timer_.expiry() <= std::chrono::steady_clock::now(); }

private:
    asio::steady_timer timer_;
};
