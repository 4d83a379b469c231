#include "http/client.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_stream.hpp>

#include "base/check_time.hpp"
#include "base/connect.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"
#include "http/ascii.hpp"
#include "http/connection_pool.hpp"
#include "http/exchange.hpp"
#include "http/url.hpp"

namespace evercert {

namespace {

// Heads of CAs have about 1 kB.
constexpr std::size_t head_max = 64 << 10;

http_client_options checked(http_client_options options) {
    check_time(options.resolve_timeout, "http_client_options::resolve_timeout");
    check_time(options.connect_timeout, "http_client_options::connect_timeout");
    check_time(options.handshake_timeout, "http_client_options::handshake_timeout");
    check_time(options.response_timeout, "http_client_options::response_timeout");
    check_time_or_zero(options.idle_timeout, "http_client_options::idle_timeout");
    if (!std::all_of(options.user_agent.begin(), options.user_agent.end(), is_field_char))
        throw error{errc::invalid_options, "http_client_options::user_agent has control characters"};
    if (options.body_max == 0)
        throw error{errc::invalid_options, "http_client_options::body_max must be above 0"};
    return options;
}

std::string user_agent(const std::string& application) {
    return application.empty() ? "evercert/" EVERCERT_VERSION : application + " evercert/" EVERCERT_VERSION;
}

/// The server closed the connection while it was idle: what it cannot have acted on goes again.
bool may_repeat(const std::exception_ptr& thrown, const http_exchange& exchange, bool safe) {
    if (exchange.answered || (exchange.sent && !safe))
        return false;
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        return e.code() == errc::connection_closed;
    } catch (...) {
        return false;
    }
}

}  // namespace

struct http_client::impl {
    impl(
        http_client_options wanted, std::shared_ptr<clock> clock, std::shared_ptr<network> network, logger logger,
        url_schemes schemes)
        : options{checked(std::move(wanted))},
          time{std::move(clock)},
          net{std::move(network)},
          log{std::move(logger)},
          schemes{schemes},
          pool{options.idle_connections_max, options.idle_timeout, time} {
        if (schemes == url_schemes::https)
            tls.emplace(options.ca_file, time);
    }

    http_client_options options;
    std::shared_ptr<clock> time;
    std::shared_ptr<network> net;
    logger log;
    url_schemes schemes;
    std::optional<tls_client_context> tls;
    connection_pool pool;

    url parse(const std::string& text) const {
        auto parsed = parse_url(text);
        if (!parsed || (parsed->scheme == "http" && schemes == url_schemes::https))
            throw error{errc::http_malformed, evercert::quoted(text) + " is not an https URL"};
        return std::move(*parsed);
    }

    asio::awaitable<response> send(request message) {
        const auto where = parse(message.target);
        const auto origin = where.scheme + "://" + where.host_field();
        if (!message.fields.has("User-Agent"))
            message.fields.set("User-Agent", user_agent(options.user_agent));
        const auto wire = encode_request(message, where.target, where.host_field());
        const http1_limits limits{head_max, options.body_max};

        auto connection = pool.take(origin);
        for (;;) {
            const bool reused = connection != nullptr;
            if (!reused)
                connection = co_await connect(where);
            http_exchange exchange{*connection, wire, where.host_field(), message.method == "HEAD", limits};
            auto ended = co_await as_outcome<void>(
                within<void>(*time, options.response_timeout, "the answer of " + where.host_field(), exchange.run()));
            if (!ended.thrown) {
                if (exchange.reusable)
                    pool.put(origin, std::move(connection));
                co_return std::move(exchange.answer);
            }
            connection.reset();
            if (!reused || !may_repeat(ended.thrown, exchange, message.is_safe()))
                std::rethrow_exception(ended.thrown);
            log(log_level::debug, "{} closed an idle connection; trying on a new one", where.host_field());
        }
    }

    asio::awaitable<std::unique_ptr<stream>> connect(const url& where) {
        auto connection =
            co_await connect_any(*net, *time, where.host, where.port, options.resolve_timeout, options.connect_timeout);
        if (where.scheme == "http" || net->secured())
            co_return connection;
        if (!tls)
            tls.emplace(options.ca_file, time);
        std::vector<std::string> protocols{"http/1.1"};
        auto secured = std::make_unique<tls_stream>(std::move(connection), *tls, where.host, std::move(protocols));
        co_await within<void>(
            *time, options.handshake_timeout, "the TLS handshake with " + where.host_field(), secured->handshake());
        co_return secured;
    }
};

http_client::http_client(
    http_client_options options, std::shared_ptr<clock> time, std::shared_ptr<network> network, logger log,
    url_schemes schemes)
    : impl_{std::make_unique<impl>(std::move(options), std::move(time), std::move(network), std::move(log), schemes)} {}
http_client::~http_client() = default;
http_client::http_client(http_client&&) noexcept = default;
http_client& http_client::operator=(http_client&&) noexcept = default;

asio::awaitable<response> http_client::send(request message) { return impl_->send(std::move(message)); }

std::size_t http_client::idle_connections() const noexcept { return impl_->pool.size(); }

}  // namespace evercert
