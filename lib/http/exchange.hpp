#pragma once

#include <string>

#include <asio/awaitable.hpp>

#include <evercert/http.hpp>
#include <evercert/network.hpp>

#include "http/http1.hpp"

namespace evercert {

/// One request and its answer on a connection, by steps: what has happened is known also if it fails.
struct http_exchange {
    http_exchange(stream& connection, std::string wire, std::string peer, bool to_head, http1_limits limits)
        : connection{connection}, wire{std::move(wire)}, peer{std::move(peer)}, to_head{to_head}, limits{limits} {}

    stream& connection;
    std::string wire;
    std::string peer;  ///< for messages
    bool to_head;
    http1_limits limits;

    bool sent = false;      ///< the whole request was handed over
    bool answered = false;  ///< a byte of the answer came
    bool reusable = false;  ///< the connection is good for another request
    response answer;

    /// Throws `error`: `connection_closed`, `tls_failed`, `http_malformed`, `body_too_large`.
    asio::awaitable<void> run();

    /// Interim answers (1xx) before the final one. 100 and 103 are in use; a server that sends more goes on for ever.
    static constexpr int interim_max = 8;

private:
    asio::awaitable<void> send();
    asio::awaitable<bool> receive();
    [[noreturn]] void throw_refused(const http1_failure&) const;
    [[noreturn]] void throw_broken(const std::error_code&) const;

    std::string unread_;
};

}  // namespace evercert
