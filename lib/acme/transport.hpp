#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/acme/types.hpp>
#include <evercert/http.hpp>
#include <evercert/key.hpp>

#include "acme/nonce_pool.hpp"
#include "base/log.hpp"
#include "http/client.hpp"

namespace evercert::acme {

/// A POST to the CA before it is signed.
class message {
public:
    message(std::string step, std::string url, std::string payload)
        : step{std::move(step)}, url{std::move(url)}, payload{std::move(payload)} {}

    std::string step;  ///< what RFC 8555 calls it, for texts: "newOrder"
    std::string url;
    std::string payload;  ///< JSON; empty = POST-as-GET (section 6.3)
    std::string kid;      ///< the account's URL; empty = the key itself goes along (section 6.2)
    std::string accept = "application/json";
};

/// The part of RFC 8555 that every step shares (section 6): signed requests, nonces, errors; and the
/// directory. Thread-bound, for several steps at once; must outlive what it awaits.
class transport {
public:
    transport(private_key, const client_options&);

    const private_key& key() const noexcept { return key_; }

    /// Concurrent callers share one request and its error; a caller who is cancelled hands it on.
    asio::awaitable<acme::directory> directory();
    asio::awaitable<std::string> nonce();
    /// Ask for one whatever the pool has.
    asio::awaitable<void> fetch_nonce();
    /// A read that is not signed: the answer if it is a success. `step` as in `message`.
    asio::awaitable<response> get(std::string step, std::string url);
    /// The answer if it is a success. Each attempt has a nonce of its own.
    asio::awaitable<response> post(message);

    std::optional<server_date> date() const noexcept { return date_; }

private:
    struct directory_fetch;

    asio::awaitable<acme::directory> fetch_directory();
    asio::awaitable<void> ask_for_nonce(std::string url);
    asio::awaitable<response> send(std::string step, request);
    request sign(const message&, std::string nonce) const;
    void take_date(const response&);

    private_key key_;
    std::string directory_url_;
    int bad_nonce_retries_max_;
    std::shared_ptr<clock> clock_;
    logger log_;
    http_client http_;
    nonce_pool nonces_;
    std::optional<acme::directory> directory_;
    steady_time directory_since_ = {};
    std::shared_ptr<directory_fetch> fetch_;
    std::optional<server_date> date_;
};

}  // namespace evercert::acme
