#include <algorithm>
#include <set>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <evercert/acme/client.hpp>

#include "acme/ends.hpp"
#include "acme/json.hpp"
#include "acme/link.hpp"
#include "acme/poll.hpp"
#include "acme/problem.hpp"
#include "acme/retry_after.hpp"
#include "acme/transport.hpp"
#include "acme/wire.hpp"
#include "base/check_time.hpp"
#include "base/outcome.hpp"
#include "base/within.hpp"
#include "crypto/encoding.hpp"
#include "crypto/jws.hpp"

namespace evercert::acme {
namespace {

/// A poll changes nothing, so a CA that stumbles for a moment does not end the order; more in a row is an outage.
constexpr int poll_failures_max = 3;
/// Let's Encrypt has had up to two.
constexpr std::size_t alternates_max = 16;

void check(bool holds, const char* what) {
    if (!holds)
        throw error{errc::invalid_options, fmt::format("acme::client_options: {}", what)};
}

void check(const client_options& options) {
    using namespace std::chrono_literals;
    check(is_https_url(options.directory_url), "directory_url is not an https URL");
    check(options.clock && options.network, "clock and network must not be null");
    check(options.bad_nonce_retries_max >= 0, "bad_nonce_retries_max is negative");
    check(options.nonces_max >= 1, "nonces_max must be 1 or more");
    check(options.poll_first >= 1ms, "poll_first must be 1 ms or more");
    check(options.poll_max >= options.poll_first, "poll_max is less than poll_first");
    check(options.retry_after_max >= options.poll_first, "retry_after_max is less than poll_first");
    check_time(options.poll_max, "acme::client_options::poll_max");
    check_time(options.retry_after_max, "acme::client_options::retry_after_max");
    check_time(options.renewal_info_wait_min, "acme::client_options::renewal_info_wait_min");
    check_time(options.renewal_info_wait_max, "acme::client_options::renewal_info_wait_max");
    check_time(options.wait_max, "acme::client_options::wait_max");
    check(
        options.renewal_info_wait_max >= options.renewal_info_wait_min,
        "renewal_info_wait_max is less than renewal_info_wait_min");
}

std::string order_payload(const std::vector<identifier>& names, const std::string& replaces) {
    boost::json::array identifiers;
    for (auto& name : names) {
        auto* type = name.type() == identifier::kind::ip ? "ip" : "dns";
        identifiers.push_back({{"type", type}, {"value", name.value()}});
    }
    boost::json::object payload{{"identifiers", std::move(identifiers)}};
    if (!replaces.empty())
        payload["replaces"] = replaces;
    return boost::json::serialize(payload);
}

std::string location(const response& answer, std::string_view step, std::string_view url) {
    std::string text{answer.fields.get("Location")};
    if (!is_https_url(text))
        throw_malformed(
            {fmt::format("answer to {}", step), url}, fmt::format("has no https URL in Location: {}", quoted(text)));
    return text;
}

void check_certificate_id(const std::string& id) {
    if (!is_certificate_id(id))
        throw error{errc::invalid_options, fmt::format("{} is not what certificate_id() makes", quoted(id))};
}

}  // namespace

struct client::impl {
    impl(private_key key, std::string account_url, client_options given)
        : options{(check(given), std::move(given))},
          wire{std::move(key), options},
          account_url{std::move(account_url)},
          thumbprint{jwk_thumbprint(wire.key())} {}

    asio::awaitable<account> register_account(boost::json::object payload);
    asio::awaitable<acme::order> new_order(std::vector<identifier> names, std::string replaces);
    asio::awaitable<acme::order> order(std::string url);
    asio::awaitable<acme::order> finalize(acme::order, std::vector<unsigned char> csr_der);
    asio::awaitable<acme::order> wait_order(std::string url);
    asio::awaitable<acme::authorization> authorization(std::string url);
    asio::awaitable<acme::authorization> wait_authorization(std::string url);
    asio::awaitable<challenge> challenge_ready(std::string url);
    asio::awaitable<void> deactivate_authorization(std::string url);
    asio::awaitable<certificate_chain> certificate(std::string url);
    asio::awaitable<certificate_chain> wait_certificate(std::string url);
    asio::awaitable<acme::renewal_info> renewal_info(std::string certificate_id);
    asio::awaitable<void> revoke(std::vector<unsigned char> certificate_der, revocation_reason);

    /// A step of the account.
    asio::awaitable<response> post(message);
    /// Read until it is finished.
    template <typename T>
    asio::awaitable<T> poll(std::string url, asio::awaitable<T> (impl::*read)(std::string));
    void forgive(const std::exception_ptr& failed, int failures, std::optional<duration>& retry_after) const;

    poll_bounds bounds() const { return {options.poll_first, options.poll_max, options.retry_after_max}; }
    std::optional<duration> retry_after(const response& answer) const {
        return parse_retry_after(
            answer.fields.get("Retry-After"), options.clock->wall(), options.poll_first, options.retry_after_max);
    }

    client_options options;
    transport wire;
    std::string account_url;
    std::string thumbprint;
};

asio::awaitable<response> client::impl::post(message what) {
    if (account_url.empty())
        throw error{
            errc::account_does_not_exist,
            fmt::format("{} needs an account: call new_account() or only_return_existing() before", what.step)};
    what.kid = account_url;
    return wire.post(std::move(what));
}

asio::awaitable<account> client::impl::register_account(boost::json::object payload) {
    auto directory = co_await wire.directory();
    message what{"newAccount", directory.new_account, boost::json::serialize(payload)};
    auto answer = co_await wire.post(std::move(what));
    auto url = location(answer, "newAccount", directory.new_account);
    auto found = parse_account(answer.body, url);
    account_url = std::move(url);
    co_return found;
}

asio::awaitable<acme::order> client::impl::new_order(std::vector<identifier> names, std::string replaces) {
    if (names.empty())
        throw error{errc::invalid_options, "an order needs at least one name"};
    if (!replaces.empty())
        check_certificate_id(replaces);
    auto directory = co_await wire.directory();
    // RFC 9773, section 5: a CA that does not advertise renewal information may not take it.
    if (directory.renewal_info.empty())
        replaces.clear();
    message what{"newOrder", directory.new_order, order_payload(names, replaces)};
    auto answer = co_await post(std::move(what));
    auto url = location(answer, "newOrder", directory.new_order);
    auto placed = parse_order(answer.body, url);
    std::set<identifier> asked{names.begin(), names.end()};
    std::set<identifier> given{placed.identifiers.begin(), placed.identifiers.end()};
    if (asked != given)
        throw_malformed(
            {"order", url}, fmt::format("is for {}, and not for {}", to_string(placed.identifiers), to_string(names)));
    placed.retry_after = retry_after(answer);
    co_return placed;
}

asio::awaitable<acme::order> client::impl::order(std::string url) {
    message what{"order", url, ""};
    auto answer = co_await post(std::move(what));
    auto found = parse_order(answer.body, std::move(url));
    found.retry_after = retry_after(answer);
    co_return found;
}

asio::awaitable<acme::order> client::impl::finalize(acme::order order, std::vector<unsigned char> csr_der) {
    boost::json::object payload{{"csr", base64url_encode(csr_der)}};
    message what{"finalize", order.finalize, boost::json::serialize(payload)};
    auto answer = co_await post(std::move(what));
    // Not from Location: Pebble sends none here.
    auto sent = parse_order(answer.body, order.url);
    sent.retry_after = retry_after(answer);
    co_return sent;
}

asio::awaitable<acme::authorization> client::impl::authorization(std::string url) {
    message what{"authorization", url, ""};
    auto answer = co_await post(std::move(what));
    auto found = parse_authorization(answer.body, std::move(url));
    found.retry_after = retry_after(answer);
    co_return found;
}

asio::awaitable<challenge> client::impl::challenge_ready(std::string url) {
    message what{"challenge", url, "{}"};
    auto answer = co_await post(std::move(what));
    co_return parse_challenge(answer.body, url);
}

asio::awaitable<void> client::impl::deactivate_authorization(std::string url) {
    message what{"authorization", std::move(url), R"({"status":"deactivated"})"};
    co_await post(std::move(what));
}

asio::awaitable<certificate_chain> client::impl::certificate(std::string url) {
    message what{"certificate", url, ""};
    what.accept = "application/pem-certificate-chain";
    auto answer = co_await post(std::move(what));
    check_chain(answer.body, url);
    certificate_chain chain;
    chain.alternates = find_links(answer.fields.all("Link"), "alternate", alternates_max);
    chain.pem = std::move(answer.body);
    co_return chain;
}

asio::awaitable<acme::renewal_info> client::impl::renewal_info(std::string certificate_id) {
    check_certificate_id(certificate_id);
    auto directory = co_await wire.directory();
    auto url = std::move(directory.renewal_info);
    if (url.empty())
        throw error{
            errc::acme_unsupported,
            fmt::format(
                "{} has no renewal information (RFC 9773): renew by the certificate's dates",
                host_of(options.directory_url))};
    if (!url.ends_with('/'))
        url += '/';
    url += certificate_id;
    auto answer = co_await wire.get("renewalInfo", url);
    auto info = parse_renewal_info(answer.body, url);
    info.retry_after = parse_retry_after(
        answer.fields.get("Retry-After"), options.clock->wall(), options.renewal_info_wait_min,
        options.renewal_info_wait_max);
    co_return info;
}

asio::awaitable<void> client::impl::revoke(std::vector<unsigned char> certificate_der, revocation_reason reason) {
    auto directory = co_await wire.directory();
    boost::json::object payload{{"certificate", base64url_encode(certificate_der)}};
    // RFC 5280, section 5.3.1: "unspecified" should be absent.
    if (reason != revocation_reason::unspecified)
        payload["reason"] = static_cast<int>(reason);
    message what{"revokeCert", directory.revoke_cert, boost::json::serialize(payload)};
    co_await post(std::move(what));
}

asio::awaitable<acme::order> client::impl::wait_order(std::string url) {
    auto what = fmt::format("waiting for the CA to finish the order {}", url);
    auto ended = co_await within(*options.clock, options.wait_max, std::move(what), poll(url, &impl::order));
    if (ended.status == order_status::invalid)
        throw_invalid(ended);
    co_return ended;
}

asio::awaitable<acme::authorization> client::impl::wait_authorization(std::string url) {
    auto what = fmt::format("waiting for the CA to validate {}", url);
    auto ended = co_await within(*options.clock, options.wait_max, std::move(what), poll(url, &impl::authorization));
    if (ended.status != authorization_status::valid)
        throw_invalid(ended);
    co_return ended;
}

asio::awaitable<certificate_chain> client::impl::wait_certificate(std::string url) {
    auto what = fmt::format("downloading the certificate {}", url);
    return within(*options.clock, options.wait_max, std::move(what), poll(std::move(url), &impl::certificate));
}

template <typename T>
asio::awaitable<T> client::impl::poll(std::string url, asio::awaitable<T> (impl::*read)(std::string)) {
    std::optional<duration> retry_after;
    int failures = 0;
    for (int count = 0;; ++count) {
        auto wait = poll_wait(count, retry_after, bounds());
        if (wait > duration::zero())
            co_await options.clock->sleep_for(wait);
        auto answer = co_await as_outcome((this->*read)(url));
        if (answer.thrown) {
            forgive(answer.thrown, ++failures, retry_after);
            continue;
        }
        failures = 0;
        if (!is_unfinished(*answer.value))
            co_return std::move(*answer.value);
        if constexpr (requires { answer.value->retry_after; })
            retry_after = answer.value->retry_after;
    }
}

void client::impl::forgive(const std::exception_ptr& failed, int failures, std::optional<duration>& retry_after) const {
    try {
        std::rethrow_exception(failed);
    } catch (const error& refused) {
        if (failures > poll_failures_max || !is_retryable(refused))
            throw;
        retry_after = refused.retry_after();
    }
}

client::client(private_key account_key, client_options options)
    : client{std::move(account_key), std::string{}, std::move(options)} {}

client::client(private_key account_key, std::string account_url, client_options options)
    : impl_{std::make_unique<impl>(std::move(account_key), std::move(account_url), std::move(options))} {}

client::~client() = default;
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;

// Not coroutines: the client may be moved while they are in progress.

const private_key& client::account_key() const noexcept { return impl_->wire.key(); }
const std::string& client::account_url() const noexcept { return impl_->account_url; }
std::optional<server_date> client::date() const noexcept { return impl_->wire.date(); }

asio::awaitable<acme::directory> client::directory() { return impl_->wire.directory(); }
asio::awaitable<std::string> client::new_nonce() { return impl_->wire.nonce(); }

asio::awaitable<void> client::refresh_date() { return impl_->wire.fetch_nonce(); }

asio::awaitable<account> client::new_account(std::vector<std::string> contact, bool terms_of_service_agreed) {
    boost::json::object payload;
    if (terms_of_service_agreed)
        payload["termsOfServiceAgreed"] = true;
    if (!contact.empty())
        payload["contact"] = boost::json::array(contact.begin(), contact.end());
    return impl_->register_account(std::move(payload));
}

asio::awaitable<account> client::only_return_existing() {
    return impl_->register_account(boost::json::object{{"onlyReturnExisting", true}});
}

asio::awaitable<acme::order> client::new_order(std::vector<identifier> names) {
    return impl_->new_order(std::move(names), std::string{});
}

asio::awaitable<acme::order> client::new_order(std::vector<identifier> names, std::string replaces) {
    return impl_->new_order(std::move(names), std::move(replaces));
}

asio::awaitable<acme::order> client::order(std::string order_url) { return impl_->order(std::move(order_url)); }

asio::awaitable<acme::authorization> client::authorization(std::string authorization_url) {
    return impl_->authorization(std::move(authorization_url));
}

asio::awaitable<challenge> client::challenge_ready(std::string challenge_url) {
    return impl_->challenge_ready(std::move(challenge_url));
}

asio::awaitable<acme::authorization> client::wait_authorization(std::string authorization_url) {
    return impl_->wait_authorization(std::move(authorization_url));
}

asio::awaitable<void> client::deactivate_authorization(std::string authorization_url) {
    return impl_->deactivate_authorization(std::move(authorization_url));
}

asio::awaitable<acme::order> client::finalize(acme::order order, std::vector<unsigned char> csr_der) {
    return impl_->finalize(std::move(order), std::move(csr_der));
}

asio::awaitable<acme::order> client::wait_order(std::string order_url) {
    return impl_->wait_order(std::move(order_url));
}

asio::awaitable<certificate_chain> client::certificate(std::string certificate_url) {
    return impl_->wait_certificate(std::move(certificate_url));
}

asio::awaitable<acme::renewal_info> client::renewal_info(std::string certificate_id) {
    return impl_->renewal_info(std::move(certificate_id));
}

asio::awaitable<void> client::revoke(std::vector<unsigned char> certificate_der, revocation_reason reason) {
    return impl_->revoke(std::move(certificate_der), reason);
}

std::string client::key_authorization(std::string_view token) const {
    return fmt::format("{}.{}", token, impl_->thumbprint);
}

}  // namespace evercert::acme
