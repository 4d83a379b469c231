#include "issuance/issuer.hpp"

#include <algorithm>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/csr.hpp>
#include <evercert/error.hpp>

#include "base/failure.hpp"
#include "base/within.hpp"
#include "issuance/choose_challenge.hpp"

namespace evercert {

namespace {

/// The CA understood and said no: another order may go through, this one never will.
bool is_refusal(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        const auto* said = e.problem();
        return said && said->status >= 400 && said->status < 500 && !is_retryable(e);
    } catch (...) {
        return false;
    }
}

/// The same for an order that says what it replaces: an answer that is no problem document is none that a CA gives
/// to an order that it can take, unless what is in front of it is down. What an account is told, it is told with `replaces`
/// and without.
bool refuses_replacement(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        const auto* said = e.problem();
        if (e.code() == errc::http_status)
            return !said || said->status < 500;
        return e.code() != errc::account_does_not_exist && is_refusal(thrown);
    } catch (...) {
        return false;
    }
}

/// The CA certainly did nothing about the request.
bool was_not_heard(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const error& e) {
        const auto* said = e.problem();
        return e.code() == errc::connect_failed || e.code() == errc::resolve_failed ||
            (said && said->status >= 400 && said->status < 500);
    } catch (...) {
        return false;
    }
}

bool is_pending(const acme::authorization& one, const std::string& challenge_url) {
    return one.status == acme::authorization_status::pending &&
        std::any_of(one.challenges.begin(), one.challenges.end(), [&](const acme::challenge& offered) {
               return offered.url == challenge_url && offered.status == acme::challenge_status::pending;
           });
}

/// The CA has a certificate, but not one for us: another order is the only way to one.
bool is_of_no_use(const std::exception_ptr& thrown) {
    const auto code = describe(thrown).code;
    return code == errc::key_mismatch || code == errc::name_mismatch || code == errc::certificate_expired ||
        code == errc::chain_incomplete || code == errc::invalid_certificate;
}

}  // namespace

/// A challenge that the CA was told about or will be.
struct issuer::presented {
    solver* by;
    challenge_answer answer;
    std::string authorization_url;
    acme::authorization offer;
    /// The CA may have been told, and has not said yet that it is valid: without the challenge its validation fails.
    bool may_fail = false;
};

issuer::issuer(
    std::vector<std::shared_ptr<solver>> solvers, std::shared_ptr<clock> time, logger log, issuer_options options)
    : solvers_{std::move(solvers)}, clock_{std::move(time)}, log_{std::move(log)}, options_{std::move(options)} {}

solver* issuer::solver_for(std::string_view type) const {
    for (const auto& one : solvers_)
        if (to_string(one->type()) == type)
            return one.get();
    return nullptr;
}

// The first half.

asio::awaitable<acme::order> issuer::place(
    acme::client& client, std::vector<identifier> names, std::string replaces, lessons& learned,
    step before_validation) {
    std::vector<presented> answers;
    learned.not_a_replacement = learned.try_again = false;
    learned.not_authorized.clear();
    auto what = "the order for " + to_string(names);
    auto steps =
        place_steps(client, std::move(names), std::move(replaces), learned, answers, std::move(before_validation));
    auto work = within(*clock_, options_.order_timeout, std::move(what), std::move(steps));
    auto result = co_await as_outcome(std::move(work));
    // The state is the whole flight's, and must be for the next attempt what it was for this one.
    const asio::cancellation_state before = co_await asio::this_coro::cancellation_state;
    const bool cancelled = before.cancelled() != asio::cancellation_type::none;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    for (auto& one : answers) {
        co_await one.by->clean_up(one.answer);
        if (one.may_fail)
            learned.not_authorized.push_back(one.answer.name);
    }
    co_await asio::this_coro::reset_cancellation_state(asio::enable_terminal_cancellation());
    if (cancelled)
        throw std::system_error{asio::error::operation_aborted};
    co_return result.get();
}

asio::awaitable<acme::order> issuer::place_steps(
    acme::client& client, std::vector<identifier> names, std::string replaces, lessons& learned,
    std::vector<presented>& answers, step before_validation) {
    auto placed = co_await new_order(client, names, std::move(replaces), learned);
    log_(log_level::info, "order for {}: {}", to_string(names), placed.url);
    if (placed.status == acme::order_status::pending)
        co_await authorize(client, placed, learned, answers, std::move(before_validation));
    if (placed.status != acme::order_status::valid)
        placed = co_await client.wait_order(placed.url);
    if (placed.status == acme::order_status::valid)
        throw error{
            errc::acme_malformed,
            "the CA answered a new order with one that is valid already: it has a certificate for another key"};
    co_return placed;
}

asio::awaitable<acme::order> issuer::new_order(
    acme::client& client, std::vector<identifier> names, std::string replaces, lessons& learned) {
    if (replaces.empty())
        co_return co_await client.new_order(std::move(names));
    auto placed = co_await as_outcome(client.new_order(names, std::move(replaces)));
    if (!placed.thrown || !refuses_replacement(placed.thrown))
        co_return placed.get();
    // It may be replaced already, or of another account: a reason to order without, not to let it expire.
    learned.not_a_replacement = learned.try_again = true;
    log_(
        log_level::warning, "the CA does not take the order for {} as a replacement; ordering without: {}",
        to_string(names), describe(placed.thrown).text);
    std::rethrow_exception(placed.thrown);
}

asio::awaitable<void> issuer::authorize(
    acme::client& client, acme::order placed, lessons& learned, std::vector<presented>& answers,
    step before_validation) {
    for (const auto& url : placed.authorizations) {
        auto offer = co_await client.authorization(url);
        if (offer.status == acme::authorization_status::valid)
            continue;
        const auto* chosen = choose_challenge(offer, options_.challenges, learned.failed);
        auto* by = chosen ? solver_for(chosen->type) : nullptr;
        if (!by)
            throw error{
                errc::challenge_unsupported,
                fmt::format(
                    "the CA offers no challenge for {} that is enabled here and has not failed",
                    offer.identifier->value())};
        challenge_answer answer{*offer.identifier, chosen->token, client.key_authorization(chosen->token)};
        const auto ready = chosen->url;
        answers.push_back({by, answer, url, std::move(offer)});
        co_await by->present(answer);
        if (before_validation)
            co_await before_validation();
        log_(log_level::info, "challenge for {}: {}", answer.name.value(), to_string(by->type()));
        co_await announce(client, ready, answers.back());
    }
    co_await wait_authorized(client, learned, answers);
}

/// If nobody knows whether the CA heard, the challenge stays, for it may be validating: taken away it would fail, which a CA counts.
asio::awaitable<void> issuer::announce(acme::client& client, std::string challenge_url, presented& answer) {
    answer.may_fail = true;
    auto told = co_await as_outcome(client.challenge_ready(challenge_url));
    if (!told.thrown)
        co_return;
    if (was_not_heard(told.thrown)) {
        answer.may_fail = false;
        std::rethrow_exception(told.thrown);
    }
    log_(
        log_level::info, "whether the CA was told of the challenge for {} is unknown; looking: {}",
        answer.answer.name.value(), describe(told.thrown).text);
    auto read = co_await as_outcome(client.authorization(answer.authorization_url));
    // To tell it again does no harm (RFC 8555, section 8.2); what comes of it the authorization says.
    if (read.value && is_pending(*read.value, challenge_url))
        co_await as_outcome(client.challenge_ready(std::move(challenge_url)));
}

asio::awaitable<void> issuer::wait_authorized(acme::client& client, lessons& learned, std::vector<presented>& answers) {
    std::exception_ptr invalid;
    std::vector<const presented*> refused;
    for (auto& one : answers) {
        auto waited = co_await as_outcome(client.wait_authorization(one.authorization_url));
        if (!waited.thrown) {
            one.may_fail = false;
            log_(log_level::info, "authorized {}", one.answer.name.value());
            continue;
        }
        if (describe(waited.thrown).code != errc::authorization_invalid)
            std::rethrow_exception(waited.thrown);
        // The others are validated still, and keep their challenges until they are.
        refused.push_back(&one);
        learned.failed.insert(one.by->type());
        if (!invalid)
            invalid = waited.thrown;
    }
    if (!invalid)
        co_return;
    learned.try_again = std::all_of(refused.begin(), refused.end(), [&](const presented* one) {
        return choose_challenge(one->offer, options_.challenges, learned.failed) != nullptr;
    });
    if (learned.try_again)
        log_(
            log_level::warning, "the challenge for {} failed; trying another one",
            refused.front()->answer.name.value());
    std::rethrow_exception(invalid);
}

// The second half.

asio::awaitable<certificate_ptr> issuer::complete(
    acme::client& client, acme::order ready, private_key key, std::vector<identifier> names) {
    auto what = "finalizing the order for " + to_string(names);
    auto steps = complete_steps(client, std::move(ready), std::move(key), std::move(names));
    return within(*clock_, options_.order_timeout, std::move(what), std::move(steps));
}

asio::awaitable<certificate_ptr> issuer::complete_steps(
    acme::client& client, acme::order ready, private_key key, std::vector<identifier> names) {
    log_(log_level::info, "finalize the order for {}", to_string(names));
    auto csr = make_csr(key, names);
    const auto done = co_await finalize(client, std::move(ready), std::move(csr));
    co_return co_await download(client, done.certificate, std::move(key), std::move(names));
}

asio::awaitable<certificate_ptr> issuer::resume(
    acme::client& client, std::string order_url, private_key key, std::vector<identifier> names, bool may_wait) {
    auto what = "looking up the order for " + to_string(names);
    auto steps = resume_steps(client, std::move(order_url), std::move(key), std::move(names), may_wait);
    return within(*clock_, options_.order_timeout, std::move(what), std::move(steps));
}

asio::awaitable<certificate_ptr> issuer::resume_steps(
    acme::client& client, std::string order_url, private_key key, std::vector<identifier> names, bool may_wait) {
    auto read = co_await as_outcome(client.order(order_url));
    if (read.thrown && !is_refusal(read.thrown))
        std::rethrow_exception(read.thrown);  // the CA is down: the order may be good all the same
    if (read.thrown)
        co_return nullptr;
    auto found = std::move(*read.value);
    if (found.status == acme::order_status::processing && may_wait) {
        auto waited = co_await as_outcome(client.wait_order(order_url));
        if (waited.thrown && describe(waited.thrown).code == errc::order_invalid)
            co_return nullptr;
        found = waited.get();
    }
    if (found.status != acme::order_status::valid)
        co_return nullptr;
    log_(log_level::info, "the order for {} was finalized before: {}", to_string(names), order_url);
    auto loaded = co_await as_outcome(download(client, found.certificate, std::move(key), std::move(names)));
    if (loaded.thrown && is_of_no_use(loaded.thrown))
        co_return nullptr;
    co_return loaded.get();
}

asio::awaitable<certificate_ptr> issuer::download(
    acme::client& client, std::string url, private_key key, std::vector<identifier> names) {
    const auto chain = co_await client.certificate(std::move(url));
    auto obtained = std::make_shared<const certificate>(chain.pem, std::move(key));
    // A CA that does not date back what it issues is ahead of a clock that is some minutes behind: to refuse that would be
    // to order again and again until the clock has caught up.
    const auto now = clock_->wall();
    const bool just_begun = obtained->not_before() > now && obtained->not_before() - now <= options_.clock_tolerance;
    verify_servable(*obtained, names, just_begun ? obtained->not_before() : now);
    log_(
        log_level::info, "certificate for {}: serial {}, issued by {}", to_string(names), obtained->serial(),
        quoted(obtained->issuer()));
    co_return obtained;
}

asio::awaitable<acme::order> issuer::finalize(
    acme::client& client, acme::order placed, std::vector<unsigned char> csr) {
    const auto url = placed.url;
    auto sent = co_await as_outcome(client.finalize(std::move(placed), std::move(csr)));
    if (sent.thrown) {
        // The CA may have it all the same. Sending it again could issue twice: the order tells.
        auto read = co_await as_outcome(client.order(url));
        if (read.thrown ||
            (read.value->status != acme::order_status::processing && read.value->status != acme::order_status::valid))
            std::rethrow_exception(sent.thrown);
        sent = std::move(read);
    }
    acme::order current = std::move(*sent.value);
    if (current.status != acme::order_status::valid)
        current = co_await client.wait_order(url);
    if (current.status != acme::order_status::valid)
        throw error{
            errc::acme_malformed,
            fmt::format(
                "the CA put the order {} back to {} after it was finalized", quoted(url), to_string(current.status))};
    co_return current;
}

}  // namespace evercert
