#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include <evercert/error.hpp>

#include "http/server_exchange.hpp"

namespace evercert {

namespace {

// What goes in one TLS record, and in one call of the system: more does not become cheaper.
constexpr std::size_t block_size = 16 << 10;
// The frame of a chunk: its size in hexadecimal, two line ends.
constexpr std::size_t chunk_frame = 10;

/// Answers are put together here, and what does not leave at once is copied: connections have no buffer of their own.
std::string& scratch() {
    thread_local std::string text;
    text.clear();
    return text;
}

void append_chunk(std::string& to, std::string_view content) {
    std::array<char, 8> digits;
    const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), content.size(), 16);
    to.append(digits.data(), written.ptr);
    to += "\r\n";
    to += content;
    to += "\r\n";
}

}  // namespace

void add_hsts(const server_options& options, const http_peer& peer, response& to) {
    constexpr std::string_view name = "Strict-Transport-Security";
    const auto max_age = options.hsts_max_age;
    if (max_age > std::chrono::seconds::zero() && !peer.tls_version.empty() && !to.fields.has(name))
        to.fields.add(name, fmt::format("max-age={}", max_age.count()));
}

/// The writer of one streamed answer.
class answer_writer final : public body_writer {
public:
    answer_writer(server_exchange& of, http1_answer_framing framing) : of_{of}, framing_{framing} {}
    ~answer_writer() = default;

    asio::awaitable<void> write(std::string_view data) override;
    asio::awaitable<void> flush() override { return send(false); }
    fields& trailers() noexcept override { return of_.answer_.trailers; }

    /// The end of the body. Throws if it is not as long as it was said to be.
    asio::awaitable<void> finish();

private:
    asio::awaitable<void> send(bool last);
    asio::awaitable<void> send_block(std::string_view block);
    std::string_view frame(std::string& into, bool last);
    std::size_t room() const noexcept {
        return block_size - kept_.size() - (framing_.how == http1_ending::chunked ? chunk_frame : 0);
    }

    server_exchange& of_;
    const http1_answer_framing framing_;
    std::string kept_;  ///< written, and not sent so far
};

asio::awaitable<void> answer_writer::write(std::string_view data) {
    of_.sent_ += data.size();
    if (framing_.how == http1_ending::length && of_.sent_ > framing_.length)
        throw error{
            errc::http_malformed,
            fmt::format("the answer's body is longer than the {} bytes it was said to have", framing_.length)};
    while (data.size() >= room()) {
        if (kept_.empty() && of_.head_sent_ && framing_.how != http1_ending::chunked) {
            co_await of_.io_.write_rest(data, of_.write_pace_);
            co_return;
        }
        const auto part = data.substr(0, room());
        kept_.append(part);
        data.remove_prefix(part.size());
        co_await send(false);
    }
    kept_.append(data);
}

asio::awaitable<void> answer_writer::send(bool last) {
    std::string unsent;
    {
        auto& wire = scratch();
        // What cannot be sent throws: the producer, which the answer holds, has to end before it becomes another one.
        if (!of_.head_sent_)
            of_.encode_answer(wire);
        if (framing_.how != http1_ending::chunked)
            wire += kept_;
        else if (!kept_.empty())
            append_chunk(wire, kept_);
        if (last && framing_.how == http1_ending::chunked) {
            wire += "0\r\n";
            encode_trailers(wire, of_.answer_.trailers);
        }
        of_.head_sent_ = true;
        std::string_view rest = wire;
        of_.io_.write_now(rest);
        of_.write_pace_.bytes += wire.size() - rest.size();
        // In the same memory, of which a slow client has no more.
        kept_.assign(rest);
        unsent.swap(kept_);
    }
    if (!unsent.empty())
        co_await of_.io_.write_rest(unsent, of_.write_pace_);
    unsent.clear();
    kept_.swap(unsent);
}

asio::awaitable<void> answer_writer::finish() {
    if (framing_.how == http1_ending::length && of_.sent_ < framing_.length)
        throw error{
            errc::http_malformed,
            fmt::format("the answer's body has {} bytes of the {} it was said to have", of_.sent_, framing_.length)};
    return send(true);
}

// --- the exchange

http1_answer_framing server_exchange::framing() const {
    http1_answer_framing how;
    how.keep_alive = keep_;
    if (has_no_body(answer_.status)) {
        how.length = 0;
    } else if (!answer_.producer && answer_.trailers.empty()) {
        how.length = answer_.body.size();
    } else if (answer_.producer && answer_.producer_size) {
        how.length = *answer_.producer_size;
    } else {
        how.how = request_.has_chunks ? http1_ending::chunked : http1_ending::close;
    }
    return how;
}

void server_exchange::encode_answer(std::string& into) {
    const auto& service = io_.service();
    add_hsts(service.options, peer_, answer_);
    encode_response_head(into, answer_, framing(), service.time->wall());
}

void server_exchange::encode_answer_or_500(std::string& into) {
    try {
        encode_answer(into);
    } catch (const error& e) {
        const auto& log = io_.service().log;
        log(log_level::error, "the answer to {} {} cannot be sent: {}", method_, quoted(target_), e.what());
        answer_ = response{500, std::string{}};
        into.clear();
        encode_answer(into);
    }
}

/// A whole answer in one call of the system, where it fits. What did not go is left in `body` and returned.
std::string server_exchange::send_now(std::string_view& body) {
    auto& wire = scratch();
    encode_answer_or_500(wire);
    head_sent_ = true;
    body = answer_.body;
    if (to_head_ || has_no_body(answer_.status))
        body = {};
    sent_ = body.size();
    const auto joined = body.substr(0, block_size - std::min(block_size, wire.size()));
    wire += joined;
    body.remove_prefix(joined.size());
    std::string_view rest = wire;
    io_.write_now(rest);
    write_pace_.bytes += wire.size() - rest.size();
    return std::string{rest};
}

asio::awaitable<void> server_exchange::send_rest(std::string head, std::string_view body) {
    if (!head.empty())
        co_await io_.write_rest(head, write_pace_);
    if (!body.empty())
        co_await io_.write_rest(body, write_pace_);
}

asio::awaitable<void> server_exchange::send_stream() {
    const auto how = framing();
    keep_ = keep_ && how.how != http1_ending::close;
    answer_writer writer{*this, framing()};
    std::exception_ptr thrown;
    try {
        if (answer_.producer)
            co_await answer_.producer(writer);
        else
            co_await writer.write(answer_.body);
        co_await writer.finish();
    } catch (...) {
        thrown = std::current_exception();
    }
    co_await server_io::resume();
    io_.throw_if_asked();
    if (!thrown)
        co_return;
    const bool begun = head_sent_;
    answer_for(thrown);
    if (begun)
        throw no_answer{};
    // What ended the producer may have ended the connection for others, too.
    keep_ = decide_keep();
    std::string_view body;
    auto head = send_now(body);
    co_await send_rest(std::move(head), body);
}

}  // namespace evercert
