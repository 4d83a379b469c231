#include "acme/transport.hpp"

#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "acme/dates.hpp"
#include "acme/json.hpp"
#include "acme/problem.hpp"
#include "acme/wire.hpp"
#include "base/event.hpp"
#include "base/outcome.hpp"
#include "crypto/jws.hpp"

namespace evercert::acme {
namespace {

/// Enough for a CA that moved and for one that adds a slash.
constexpr int directory_redirects_max = 3;
/// Servers run for years; meanwhile a CA gets new terms, or renewalInfo.
constexpr auto directory_age_max = std::chrono::hours{24};

bool is_success(const response& answer) { return answer.status >= 200 && answer.status < 300; }
bool is_redirect(const response& answer) { return answer.status >= 300 && answer.status < 400; }

bool is(const std::exception_ptr& thrown, const std::error_code& code) {
    try {
        std::rethrow_exception(thrown);
    } catch (const std::system_error& failed) {
        return failed.code() == code;
    } catch (...) {
        return false;
    }
}

}  // namespace

struct transport::directory_fetch {
    explicit directory_fetch(asio::any_io_executor executor) : landed{std::move(executor)} {}

    event landed;
    bool ended = false;
    std::exception_ptr thrown;
};

transport::transport(private_key key, const client_options& options)
    : key_{std::move(key)},
      directory_url_{options.directory_url},
      bad_nonce_retries_max_{options.bad_nonce_retries_max},
      clock_{options.clock},
      log_{options.log},
      http_{options.http, options.clock, options.network, log_},
      nonces_{options.nonces_max} {}

asio::awaitable<acme::directory> transport::directory() {
    if (directory_ && clock_->steady() - directory_since_ > directory_age_max)
        directory_.reset();
    while (!directory_) {
        if (auto joined = fetch_) {
            while (!joined->ended)
                co_await joined->landed.wait();
            if (joined->thrown && !is(joined->thrown, asio::error::operation_aborted))
                std::rethrow_exception(joined->thrown);
            continue;
        }
        auto executor = co_await asio::this_coro::executor;
        auto own = std::make_shared<directory_fetch>(executor);
        fetch_ = own;
        auto fetched = co_await as_outcome(fetch_directory());
        fetch_.reset();
        own->ended = true;
        own->thrown = fetched.thrown;
        own->landed.notify_all();
        directory_ = fetched.get();
        directory_since_ = clock_->steady();
    }
    co_return *directory_;
}

asio::awaitable<acme::directory> transport::fetch_directory() {
    auto url = directory_url_;
    for (int redirects = 0;; ++redirects) {
        request ask{"GET", url};
        ask.fields.set("Accept", "application/json");
        auto answer = co_await send("directory", std::move(ask));
        if (is_success(answer))
            co_return parse_directory(answer.body, url);
        if (!is_redirect(answer))
            throw to_error("directory", url, answer, clock_->wall());
        std::string next{answer.fields.get("Location")};
        if (redirects == directory_redirects_max || !is_https_url(next))
            throw error{
                errc::http_status,
                fmt::format(
                    "{} sends those who ask for the directory to {}, which is {}: check the directory's URL",
                    host_of(url), quoted(next), is_https_url(next) ? "one redirect too many" : "not an https URL")};
        url = std::move(next);
    }
}

asio::awaitable<std::string> transport::nonce() {
    if (auto kept = nonces_.take())
        co_return std::move(*kept);
    auto known = co_await directory();
    // Its answer may have brought one.
    if (auto kept = nonces_.take())
        co_return std::move(*kept);
    co_await ask_for_nonce(known.new_nonce);
    auto nonce = nonces_.take();
    if (!nonce)
        throw_malformed({"answer to newNonce", known.new_nonce}, "has no valid Replay-Nonce");
    co_return std::move(*nonce);
}

asio::awaitable<void> transport::fetch_nonce() {
    auto known = co_await directory();
    co_await ask_for_nonce(std::move(known.new_nonce));
}

asio::awaitable<void> transport::ask_for_nonce(std::string url) {
    request ask{"HEAD", url};
    auto answer = co_await send("newNonce", std::move(ask));
    if (!is_success(answer))
        throw to_error("newNonce", url, answer, clock_->wall());
}

asio::awaitable<response> transport::get(std::string step, std::string url) {
    request ask{"GET", url};
    ask.fields.set("Accept", "application/json");
    auto answer = co_await send(step, std::move(ask));
    if (is_redirect(answer))
        throw error{
            errc::http_status,
            fmt::format(
                "{} redirects {} to {}; the directory has to say where it is", host_of(url), step,
                quoted(answer.fields.get("Location")))};
    if (!is_success(answer))
        throw to_error(step, url, answer, clock_->wall());
    co_return answer;
}

asio::awaitable<response> transport::post(message what) {
    if (!is_https_url(what.url))
        throw error{errc::invalid_options, fmt::format("{}: {} is not an https URL", what.step, quoted(what.url))};
    // POST-as-GET: a server that closes an idle connection just when it is used again must not fail the step.
    bool is_read = what.payload.empty();
    bool was_lost = false;
    for (int retries = 0;; ++retries) {
        auto nonce = co_await this->nonce();
        auto sent = co_await as_outcome(send(what.step, sign(what, std::move(nonce))));
        if (sent.thrown && is_read && !was_lost && is(sent.thrown, errc::connection_closed)) {
            was_lost = true;
            continue;
        }
        auto answer = sent.get();
        if (is_success(answer))
            co_return answer;
        if (is_redirect(answer))
            throw error{
                errc::http_status,
                fmt::format(
                    "{} redirects {} to {}; a signed request is for one URL alone (RFC 8555, section 6.4): use "
                    "the directory of the CA itself",
                    host_of(what.url), what.step, quoted(answer.fields.get("Location")))};
        auto refused = to_error(what.step, what.url, answer, clock_->wall());
        bool is_bad_nonce = refused.problem() && refused.problem()->is("badNonce");
        if (!is_bad_nonce || retries >= bad_nonce_retries_max_)
            throw refused;
    }
}

request transport::sign(const message& what, std::string nonce) const {
    boost::json::object header;
    header["nonce"] = nonce;
    header["url"] = what.url;
    if (what.kid.empty())
        header["jwk"] = to_jwk(key_);
    else
        header["kid"] = what.kid;
    request signed_one{"POST", what.url};
    signed_one.body = sign_jws(key_, std::move(header), what.payload);
    signed_one.fields.set("Content-Type", "application/jose+json");
    signed_one.fields.set("Accept", what.accept);
    return signed_one;
}

asio::awaitable<response> transport::send(std::string step, request ask) {
    auto url = ask.target;
    response answer;
    try {
        answer = co_await http_.send(std::move(ask));
    } catch (const error& failed) {
        log_(log_level::debug, "acme: {} {}: {}", step, url, failed.what());
        throw error{failed.code(), fmt::format("{}: {}", step, failed.what())};
    }
    log_(log_level::debug, "acme: {} {}: HTTP {}", step, url, answer.status);
    nonces_.add(answer.fields.get("Replay-Nonce"));
    take_date(answer);
    co_return answer;
}

void transport::take_date(const response& answer) {
    if (auto date = parse_http_date(answer.fields.get("Date")))
        date_ = server_date{*date, clock_->wall(), clock_->steady()};
}

}  // namespace evercert::acme
