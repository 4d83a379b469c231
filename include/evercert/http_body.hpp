#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <asio/awaitable.hpp>

#include <evercert/http_fields.hpp>

namespace evercert {

/// Where a body comes from while it comes: the server's.
class body_source {
public:
    virtual ~body_source() = default;

    /// As `request_body::read_some`.
    virtual asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
    /// What was announced; nothing for a body of unknown length.
    virtual std::optional<std::uint64_t> size() const = 0;
    /// What `request_body::text()` takes unless it is told otherwise.
    virtual std::size_t text_max() const = 0;
    virtual const fields& trailers() const noexcept = 0;
    /// Throws `body_too_large`, which a handler that lets it pass answers by 413.
    [[noreturn]] virtual void refuse_size(std::size_t size_max) = 0;
};

/// A request's body: whole, as a client gives it, or as it comes to a server, which reads no more of it from the network than
/// the handler asks for.
///
/// Thread-bound to the request's executor. Copies are of the same body: what one has read, the others do not see. A body that
/// comes ends with its request: once the handler's answer has been sent, reading throws `errc::connection_closed`, and a read
/// that is in progress then, in a coroutine that the handler did not wait for, ends the connection.
class request_body {
public:
    request_body() = default;
    request_body(std::string whole) : whole_{std::move(whole)} {}
    request_body(const char* whole) : whole_{whole} {}
    explicit request_body(std::shared_ptr<body_source> from) : from_{std::move(from)} {}

    /// The rest of it as one text, empty if there is none. The first read sends "100 Continue" to a client that waits for it.
    /// Throws `error`: `body_too_large` if it is longer than `server_options::body_max`; `timed_out` if it came too
    /// slowly, `connection_closed`, `http_malformed`. A handler that lets these pass answers 413, 408 or 400 by it.
    asio::awaitable<std::string> text();
    /// The same with a limit of its own.
    asio::awaitable<std::string> text(std::size_t size_max);
    /// Some of it, as soon as there is some; 0 at its end, or if `into`, which must stay until it returns, is empty. Throws as `text()`
    /// does; a stream has no limit but time (`server_options::body_timeout`, `body_rate_min`).
    asio::awaitable<std::size_t> read_some(std::span<char> into);

    /// The length that the client announced, if it did: none for a body in chunks.
    std::optional<std::uint64_t> size() const;
    /// What followed the body, once its end was read (RFC 9110, section 6.5).
    const fields& trailers() const noexcept;
    /// The text that it was made of; empty for one that comes.
    const std::string& whole() const noexcept { return whole_; }

private:
    std::string whole_;
    std::size_t read_ = 0;
    std::shared_ptr<body_source> from_;
};

/// What a streamed answer writes to.
///
/// Thread-bound to the request's executor. What it throws, `errc::connection_closed` above all, need not be caught: there is
/// nobody left to tell.
class body_writer {
public:
    /// Returns when `data`, which must stay until then, has been taken; that is when the client has taken all but what buffers
    /// hold, so a slow client slows the handler. Up to 16 kB are kept back until more comes, `flush()` or the end: what is
    /// written in small pieces travels in large ones.
    virtual asio::awaitable<void> write(std::string_view data) = 0;
    /// Send what was kept back, as events want it.
    virtual asio::awaitable<void> flush() = 0;
    /// To follow the body (RFC 9110, section 6.5); for an answer without a length.
    virtual fields& trailers() noexcept = 0;

protected:
    ~body_writer() = default;
};

/// Writes the body of an answer; the answer ends when it returns. Called after the head of the answer is settled, on the connection's
/// executor, and cancelled when the client is gone or the server stops. The writer lives as long as the call.
///
/// If it throws, the answer is cut short so that the client sees that it is not whole (but for one of HTTP/1.0 without a length
/// over plain TCP, whose end is that of the connection); before the first flush it becomes a 500.
using body_producer = std::function<asio::awaitable<void>(body_writer&)>;

}  // namespace evercert
