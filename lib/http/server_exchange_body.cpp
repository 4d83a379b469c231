#include <algorithm>
#include <array>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "http/server_exchange.hpp"
#include "http/server_limits.hpp"

namespace evercert {

// --- what the handler has of it

void exchange_body::end() noexcept {
    if (of_)
        trailers_ = of_->body_.trailers();
    of_ = nullptr;
}

asio::awaitable<std::size_t> exchange_body::read_some(std::span<char> into) {
    if (!of_)
        throw error{errc::connection_closed, "the body of a request that has been answered cannot be read any more"};
    struct reader {
        exchange_body& of;
        explicit reader(exchange_body& body) : of{body} { ++of.reading_; }
        ~reader() {
            if (--of.reading_ == 0 && of.unread_)
                of.unread_->notify_all();
        }
        reader(const reader&) = delete;
    } const counted{*this};
    co_return co_await of_->read_body(into);
}

const fields& exchange_body::trailers() const noexcept { return of_ ? of_->body_.trailers() : trailers_; }

void exchange_body::refuse_size(std::size_t size_max) {
    error why{errc::body_too_large, fmt::format("the request's body is longer than {} bytes", size_max)};
    if (!of_)
        throw why;
    of_->fail_body(413, std::move(why));
}

// --- the exchange

void server_exchange::offer_body() {
    if (body_.complete())
        return;
    source_ = std::make_shared<exchange_body>(*this);
    source_->size_ = body_.rest();
    source_->text_max_ = io_.service().options.body_max;
    request_.message.body = request_body{source_};
}

void server_exchange::fail_body(int status, error why) {
    body_failure_ = status;
    throw std::move(why);
}

asio::awaitable<void> server_exchange::end_reads() {
    event unread{io_.executor()};
    source_->unread_ = &unread;
    io_.close(false);
    // Whatever becomes of this coroutine: what they read with is this exchange's.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    while (is_read())
        co_await unread.wait();
    source_->unread_ = nullptr;
    co_await server_io::resume();
}

asio::awaitable<std::size_t> server_exchange::read_body(std::span<char> into) {
    if (into.empty())
        co_return 0;
    if (body_failure_ != 0)
        throw error{errc::connection_closed, "the request's body cannot be read to its end"};
    for (;;) {
        std::size_t size = 0;
        if (decode(into, size) || body_.complete()) {
            body_pace_.bytes += size;
            co_return size;
        }
        if (const auto& failed = body_.failure())
            fail_body(
                failed->status, error{errc::http_malformed, fmt::format("the body is refused: {}", failed->what)});
        if (request_.expects_continue)
            co_await invite_body();
        switch (receive_body(into, size)) {
        case server_io::received::some:
            if (size == 0)
                continue;
            body_pace_.bytes += size;
            co_return size;
        case server_io::received::nothing: break;
        default: fail_body(400, error{errc::connection_closed, "the client closed the connection within its body"});
        }
        const bool came = co_await io_.wait_body(body_pace_);
        if (!came)
            fail_body(408, error{errc::timed_out, "the request's body came too slowly"});
    }
}

/// What has come already. False if there is no content in it.
bool server_exchange::decode(std::span<char> into, std::size_t& size) {
    while (!io_.input().empty() && !body_.complete() && !body_.failure()) {
        const auto piece = body_.next(io_.input().substr(0, into.size()));
        size = piece.content.size();
        std::copy(piece.content.begin(), piece.content.end(), into.begin());
        io_.consume(piece.taken);
        if (size > 0)
            return true;
    }
    return false;
}

/// Straight to where it is wanted, if there is nothing around it.
server_io::received server_exchange::receive_body(std::span<char> into, std::size_t& size) {
    const auto rest = body_.rest();
    if (!rest)
        return io_.receive();
    const auto came =
        io_.receive(into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), *rest))), size);
    body_.next({into.data(), size});
    return came;
}

asio::awaitable<void> server_exchange::invite_body() {
    request_.expects_continue = false;
    // RFC 9110, section 15.2: interim answers come before the final one.
    if (head_sent_)
        co_return;
    std::string_view invitation = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await io_.write_rest(invitation, write_pace_);
}

// --- what the handler did not want

/// RFC 9112, section 9.3: the rest has to be read before the next request, or the connection closed.
asio::awaitable<void> server_exchange::drain_body() {
    io_.enter_lingering();
    for (std::size_t discarded = 0; !body_.complete();) {
        if (!discard_body(discarded) || discarded > linger_max) {
            keep_ = false;
            co_return;
        }
        if (!body_.complete() && io_.input().empty())
            co_await io_.wait_input();
    }
}

/// False if the rest cannot come.
bool server_exchange::discard_body(std::size_t& discarded) {
    std::array<char, input_max> buffer;
    for (;;) {
        std::size_t size = 0;
        decode(buffer, size);
        if (size == 0 && !body_.complete() && !body_.failure()) {
            const auto came = receive_body(buffer, size);
            if (came == server_io::received::nothing)
                return true;
            if (came != server_io::received::some)
                return false;
        }
        discarded += size;
        if (body_.complete() || body_.failure() || discarded > linger_max)
            return body_.complete();
    }
}

}  // namespace evercert
