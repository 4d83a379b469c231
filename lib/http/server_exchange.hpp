#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/error.hpp>
#include <evercert/http.hpp>

#include "base/event.hpp"
#include "http/http1.hpp"
#include "http/server_io.hpp"

namespace evercert {

/// What a handler throws if the connection is to close instead of carrying an answer.
struct no_answer {};

/// Who is at the other end, and how the connection is secured.
struct http_peer {
    std::string server_name = {};       ///< of TLS
    std::string_view tls_version = {};  ///< static text; empty for plain HTTP
};

/// RFC 6797, section 7.1, if it is wanted and the answer has none of its own.
void add_hsts(const server_options&, const http_peer&, response& to);

class server_exchange;

/// What a request's body reads from, for as long as there is an exchange.
class exchange_body final : public body_source {
public:
    explicit exchange_body(server_exchange& of) : of_{&of} {}
    void end() noexcept;

    asio::awaitable<std::size_t> read_some(std::span<char> into) override;
    std::optional<std::uint64_t> size() const override { return size_; }
    std::size_t text_max() const override { return text_max_; }
    const fields& trailers() const noexcept override;
    void refuse_size(std::size_t size_max) override;

private:
    friend class server_exchange;
    server_exchange* of_;
    std::optional<std::uint64_t> size_;
    std::size_t text_max_ = 0;
    fields trailers_;
    int reading_ = 0;          ///< coroutines in `read_some`
    event* unread_ = nullptr;  ///< to be notified when there is none
};

/// One request of HTTP/1.1 and its answer: reads the body as the handler asks for it, and writes what it answers. Lives
/// while the handler runs, and until `end_reads()`; what the handler keeps of it beyond that fails cleanly.
class server_exchange {
public:
    /// `may_keep`: the server would take another request after this one.
    server_exchange(server_io&, const http_peer&, http1_request, bool may_keep);
    ~server_exchange();
    server_exchange(const server_exchange&) = delete;
    server_exchange& operator=(const server_exchange&) = delete;

    /// True if the connection is good for another request. Throws what ends the connection.
    asio::awaitable<bool> run(const handler&);
    /// When it has ended, in whatever way.
    void record_access() const;
    bool has_whole_body() const noexcept { return body_.complete(); }
    /// Somebody whom the handler did not wait for reads the body still.
    bool is_read() const noexcept { return source_ && source_->reading_ > 0; }
    /// Closes the connection, by which they end, and waits until they have.
    asio::awaitable<void> end_reads();

private:
    friend class exchange_body;
    friend class answer_writer;
    struct noted;

    void answer_for(const std::exception_ptr& thrown);
    bool decide_keep() const;

    // The body that comes: server_exchange_body.cpp.
    void offer_body();
    asio::awaitable<std::size_t> read_body(std::span<char> into);
    bool decode(std::span<char> into, std::size_t& size);
    server_io::received receive_body(std::span<char> into, std::size_t& size);
    [[noreturn]] void fail_body(int status, error why);
    asio::awaitable<void> invite_body();
    asio::awaitable<void> drain_body();
    bool discard_body(std::size_t& discarded);

    // The answer that goes: server_exchange_answer.cpp.
    http1_answer_framing framing() const;
    /// Throws if it cannot be sent.
    void encode_answer(std::string& into);
    void encode_answer_or_500(std::string& into);
    std::string send_now(std::string_view& body);
    asio::awaitable<void> send_rest(std::string head, std::string_view body);
    asio::awaitable<void> send_stream();

    server_io& io_;
    const http_peer& peer_;
    http1_request request_;
    http1_body_decoder body_;
    std::shared_ptr<exchange_body> source_;
    response answer_;

    pace body_pace_;
    pace write_pace_;
    std::uint64_t sent_ = 0;  ///< of the answer's body
    int body_failure_ = 0;    ///< the status that it calls for
    std::string method_;
    std::string target_;  ///< for the log
    std::unique_ptr<noted> noted_;
    bool to_head_;
    bool may_keep_;
    bool keep_ = false;
    bool head_sent_ = false;
    bool whole_ = false;  ///< the answer went out to its end
};

}  // namespace evercert
