#include "http/server_exchange.hpp"

#include <limits>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "http/server_limits.hpp"

namespace evercert {

namespace {

bool is_no_answer(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const no_answer&) {
        return true;
    } catch (...) {
        return false;
    }
}

bool is_error(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error&) {
        return true;
    } catch (...) {
        return false;
    }
}

std::string text_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        return evercert::quoted(e.what());
    } catch (...) {
        return "something that is no std::exception";
    }
}

}  // namespace

/// What the access log wants of a request that its handler has taken.
struct server_exchange::noted {
    wall_time when;
    steady_time begin;
    std::optional<steady_time> end;  ///< of the answer, if it went out to its end
    endpoint remote;
    endpoint local;
    std::string host;
    std::string user_agent;
    std::string referer;
};

server_exchange::server_exchange(server_io& io, const http_peer& peer, http1_request request, bool may_keep)
    : io_{io},
      peer_{peer},
      request_{std::move(request)},
      body_{request_.framing, std::numeric_limits<std::uint64_t>::max()},
      method_{request_.message.method},
      target_{request_.message.target},
      to_head_{request_.message.method == "HEAD"},
      may_keep_{may_keep} {
    auto& message = request_.message;
    message.server_name = peer.server_name;
    message.local = io_.connection().local_endpoint();
    message.remote = io_.connection().remote_endpoint();
    offer_body();
    const auto& service = io_.service();
    if (service.options.access_log)
        noted_ = std::make_unique<noted>(noted{
            service.time->wall(),
            service.time->steady(),
            {},
            message.remote,
            message.local,
            message.host,
            std::string{message.fields.get("User-Agent")},
            std::string{message.fields.get("Referer")}});
}

server_exchange::~server_exchange() {
    if (source_)
        source_->end();
}

asio::awaitable<bool> server_exchange::run(const handler& answer) {
    io_.enter_handling();
    std::exception_ptr thrown;
    try {
        answer_ = co_await answer(std::move(request_.message));
    } catch (...) {
        thrown = std::current_exception();
    }
    // Whatever the handler did to the state that it ran in.
    co_await server_io::resume();
    io_.throw_if_asked();
    if (thrown)
        answer_for(thrown);
    keep_ = decide_keep();
    const bool has_body = !to_head_ && !has_no_body(answer_.status);
    if (has_body && (answer_.producer || !answer_.trailers.empty())) {
        co_await send_stream();
    } else {
        std::string_view body;
        auto head = send_now(body);
        if (!head.empty() || !body.empty())
            co_await send_rest(std::move(head), body);
    }
    whole_ = true;
    if (noted_)
        noted_->end = io_.service().time->steady();
    // Somebody else who reads it still takes what would be drained: then the connection ends.
    if (is_read())
        keep_ = false;
    if (keep_ && !body_.complete())
        co_await drain_body();
    co_return keep_;
}

/// Throws if there is nobody to answer.
void server_exchange::answer_for(const std::exception_ptr& thrown) {
    if (is_no_answer(thrown))
        std::rethrow_exception(thrown);
    if (io_.why_cut() == server_io::cut::gone || io_.closed())
        throw no_answer{};
    const auto& log = io_.service().log;
    if (body_failure_ != 0 && is_error(thrown)) {
        log(log_level::debug, "{} {} is refused: {}", method_, quoted(target_), text_of(thrown));
        answer_ = response{body_failure_};
    } else if (io_.why_cut() == server_io::cut::expired && body_failure_ == 0) {
        log(log_level::error, "{} {} took longer than server_options::request_timeout", method_, quoted(target_));
        answer_ = response{503};
    } else {
        log(log_level::error, "the handler of {} {} threw: {}", method_, quoted(target_), text_of(thrown));
        answer_ = response{500};
    }
}

bool server_exchange::decide_keep() const {
    if (!may_keep_ || !request_.keep_alive || io_.draining() || io_.why_cut() != server_io::cut::none)
        return false;
    if (io_.ended() && io_.input().empty())
        return false;
    if (body_.complete())
        return true;
    // A client that was not invited may send its body, or not (RFC 9110, section 10.1.1).
    return body_failure_ == 0 && !body_.failure() && !request_.expects_continue &&
        body_.rest().value_or(0) <= linger_max;
}

void server_exchange::record_access() const {
    if (!noted_)
        return;
    const auto& service = io_.service();
    access_record record;
    record.when = noted_->when;
    record.took = noted_->end.value_or(service.time->steady()) - noted_->begin;
    record.remote = noted_->remote;
    record.local = noted_->local;
    record.protocol = request_.has_chunks ? "HTTP/1.1" : "HTTP/1.0";
    record.tls_version = peer_.tls_version;
    record.server_name = peer_.server_name;
    record.method = method_;
    record.host = noted_->host;
    record.target = target_;
    record.user_agent = noted_->user_agent;
    record.referer = noted_->referer;
    record.status = head_sent_ ? answer_.status : 0;
    record.received = body_pace_.bytes;
    record.sent = sent_;
    record.whole = whole_;
    io_.tell_access(record);
}

}  // namespace evercert
